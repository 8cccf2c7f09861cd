//! The NAL unit header (H.265 §7.3.1.2, Table 7-1).

/// What a NAL unit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NalUnitType {
    /// A slice segment of a picture that is no random access point (0 to 9).
    Slice {
        /// Pictures of the same sub-layer refer to it.
        reference: bool,
    },
    /// A slice segment of a picture where decoding may start: BLA, IDR, CRA (16 to 21).
    RandomAccessSlice,
    /// Video parameter set (32).
    Vps,
    /// Sequence parameter set (33).
    Sps,
    /// Picture parameter set (34).
    Pps,
    /// Access unit delimiter (35).
    Delimiter,
    /// End of sequence or of bitstream (36, 37).
    End,
    /// Filler data (38).
    Filler,
    /// Supplemental enhancement information, before or behind the picture (39, 40).
    Sei,
    /// Everything else: reserved, unspecified.
    Other,
}

/// One NAL unit, its two header bytes first, without start code or length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NalUnit<'a>(&'a [u8]);

impl<'a> NalUnit<'a> {
    /// `None` where there is no whole header.
    pub const fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() < 2 { None } else { Some(Self(bytes)) }
    }

    /// All bytes, header first.
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// `nal_unit_type`.
    pub fn unit_type(self) -> NalUnitType {
        match self.0[0] >> 1 & 0x3f {
            slice @ 0..=9 => NalUnitType::Slice { reference: slice % 2 == 1 },
            16..=21 => NalUnitType::RandomAccessSlice,
            32 => NalUnitType::Vps,
            33 => NalUnitType::Sps,
            34 => NalUnitType::Pps,
            35 => NalUnitType::Delimiter,
            36 | 37 => NalUnitType::End,
            38 => NalUnitType::Filler,
            39 | 40 => NalUnitType::Sei,
            _ => NalUnitType::Other,
        }
    }

    /// `nuh_layer_id`: 0 for the picture itself, more for enhancements that we do not carry.
    pub fn layer(self) -> u8 {
        (self.0[0] & 1) << 5 | self.0[1] >> 3
    }

    /// `TemporalId`.
    pub fn temporal_id(self) -> u8 {
        (self.0[1] & 7).saturating_sub(1)
    }
}

impl NalUnitType {
    /// Whether it holds part of a coded picture.
    pub const fn is_slice(self) -> bool {
        matches!(self, Self::Slice { .. } | Self::RandomAccessSlice)
    }

    /// Whether it belongs into an access unit's payload: no parameter sets, delimiters, fillers or end marks.
    pub const fn is_payload(self) -> bool {
        match self {
            Self::Slice { .. } | Self::RandomAccessSlice | Self::Sei | Self::Other => true,
            Self::Vps | Self::Sps | Self::Pps | Self::Delimiter | Self::End | Self::Filler => false,
        }
    }
}
