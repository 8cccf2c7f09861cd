//! The NAL unit header (H.264 §7.3.1, Table 7-1).

/// What a NAL unit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NalUnitType {
    /// A slice of a picture that is no IDR picture (1), or its data partition A with the slice header (2).
    Slice,
    /// Data partition B or C (3, 4).
    Partition,
    /// A slice of an IDR picture (5).
    IdrSlice,
    /// Supplemental enhancement information (6).
    Sei,
    /// Sequence parameter set (7).
    Sps,
    /// Picture parameter set (8).
    Pps,
    /// Access unit delimiter (9).
    Delimiter,
    /// End of sequence (10).
    EndOfSequence,
    /// End of stream (11).
    EndOfStream,
    /// Filler data (12).
    Filler,
    /// Parameter sets of extensions that we do not carry: auxiliary pictures, SVC, MVC (13, 15).
    Extension,
    /// Other types that may only stand before the first slice of a picture (14, 16 to 18).
    Prefix,
    /// Everything else: auxiliary slices, reserved, unspecified.
    Other,
}

/// One NAL unit, header byte first, without start code or length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NalUnit<'a>(&'a [u8]);

impl<'a> NalUnit<'a> {
    /// `None` for no bytes at all.
    pub const fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_empty() { None } else { Some(Self(bytes)) }
    }

    /// All bytes, header byte first.
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// `nal_unit_type`.
    pub fn unit_type(self) -> NalUnitType {
        match self.0[0] & 0x1f {
            1 | 2 => NalUnitType::Slice,
            3 | 4 => NalUnitType::Partition,
            5 => NalUnitType::IdrSlice,
            6 => NalUnitType::Sei,
            7 => NalUnitType::Sps,
            8 => NalUnitType::Pps,
            9 => NalUnitType::Delimiter,
            10 => NalUnitType::EndOfSequence,
            11 => NalUnitType::EndOfStream,
            12 => NalUnitType::Filler,
            13 | 15 => NalUnitType::Extension,
            14 | 16..=18 => NalUnitType::Prefix,
            _ => NalUnitType::Other,
        }
    }

    /// `nal_ref_idc`: zero if nothing refers to it.
    pub fn ref_idc(self) -> u8 {
        self.0[0] >> 5 & 3
    }
}

impl NalUnitType {
    /// Whether it holds part of a primary coded picture (VCL types 1 to 5).
    pub const fn is_slice(self) -> bool {
        matches!(self, Self::Slice | Self::Partition | Self::IdrSlice)
    }

    /// Whether it ends the access unit before it when it follows a slice (§7.4.1.2.3).
    pub const fn starts_access_unit(self) -> bool {
        matches!(self, Self::Sei | Self::Sps | Self::Pps | Self::Delimiter | Self::Extension | Self::Prefix)
    }

    /// Whether it belongs into an access unit's payload: no parameter sets, delimiters, fillers or end marks.
    pub const fn is_payload(self) -> bool {
        match self {
            Self::Slice | Self::Partition | Self::IdrSlice | Self::Sei | Self::Prefix | Self::Other => true,
            Self::Sps
            | Self::Pps
            | Self::Extension
            | Self::Delimiter
            | Self::EndOfSequence
            | Self::EndOfStream
            | Self::Filler => false,
        }
    }
}
