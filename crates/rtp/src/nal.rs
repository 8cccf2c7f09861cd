//! NAL units in packets into pictures, where H.264 (RFC 6184) and H.265 (RFC 7798) do the same: a packet is a NAL unit, several with their
//! lengths, or a piece of one.
//!
//! A picture ends with the marker, or where the timestamp changes. Invariant: a picture comes out whole or not at all. After a loss the one
//! in the making is thrown away, what follows is left out up to the next random access point, and that one must begin with its first
//! slice, since what was lost may have been its start.
//!
//! Tolerated: a marker on parameter sets (they are no picture), a missing marker, empty fragments. Not: interleaving.

use std::fmt;
use std::sync::Arc;

use codec::CodecError;
use codec::nal::{MAX_ACCESS_UNIT, Stamp, length_prefixed};
use media::{AccessUnit, Track};

use crate::RtpError;
use crate::depacketizer::{Arrived, Picture, VideoDepacketizer};

/// What a codec knows of its NAL units.
pub(crate) trait NalFormat: fmt::Debug + Send {
    /// The codec, for errors.
    const NAME: &'static str;

    /// The track, once its parameters are known.
    fn track(&self) -> Option<&Arc<Track>>;

    /// Makes a unit of a picture's NAL units, each behind its length in four bytes.
    fn build(&mut self, data: &[u8], stamp: Stamp) -> Result<Option<AccessUnit>, CodecError>;

    /// Takes a payload apart.
    fn take_apart(payload: &[u8]) -> Result<Piece<'_>, String>;

    /// What a NAL unit is that begins so.
    fn kind(nal: &[u8]) -> Kind;
}

/// What a NAL unit is to a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// None that there can be.
    None,
    /// A slice; whether it is the picture's first.
    Slice { first: bool },
    /// Something else.
    Other,
}

/// What is in a payload.
#[derive(Debug)]
pub(crate) enum Piece<'p> {
    /// One NAL unit.
    Whole(&'p [u8]),
    /// Several, each behind its length in two bytes.
    Several(&'p [u8]),
    /// A piece of one.
    Fragment(Fragment<'p>),
}

/// A piece of a NAL unit.
#[derive(Debug)]
pub(crate) struct Fragment<'p> {
    /// The header of the whole: so many of these bytes.
    pub(crate) header: ([u8; 2], usize),
    pub(crate) is_start: bool,
    pub(crate) is_end: bool,
    /// What is of it behind its header.
    pub(crate) body: &'p [u8],
}

/// Makes the access units of one track.
#[derive(Debug)]
pub(crate) struct NalDepacketizer<F> {
    format: F,
    picture: Picture,
    /// Where in the picture's bytes the fragmented NAL unit began whose end has not come.
    fragment: Option<usize>,
}

impl<F: NalFormat> NalDepacketizer<F> {
    pub(crate) fn new(format: F) -> Self {
        Self { format, picture: Picture::default(), fragment: None }
    }
}

impl<F: NalFormat> VideoDepacketizer for NalDepacketizer<F> {
    fn track(&self) -> Option<&Arc<Track>> {
        self.format.track()
    }

    fn lost(&mut self, packets: u16) {
        self.fragment = None;
        self.picture.lost(packets);
    }

    fn end(&mut self, arrived: &Arrived) -> Result<Option<AccessUnit>, RtpError> {
        if self.fragment.take().is_some() {
            self.picture.damage();
        }
        let format = &mut self.format;
        let unit = self.picture.take(|data, stamp| format.build(data, stamp));
        unit.map_err(|source| RtpError::Codec { format: F::NAME, sequence: arrived.sequence, source })
    }

    fn push(&mut self, payload: &[u8], arrived: &Arrived) -> Result<(), RtpError> {
        let Err(problem) = self.take(payload, arrived.stamp) else { return Ok(()) };
        // What was in it is missing.
        self.lost(0);
        Err(RtpError::Payload { format: F::NAME, sequence: arrived.sequence, problem })
    }
}

impl<F: NalFormat> NalDepacketizer<F> {
    fn take(&mut self, payload: &[u8], stamp: Stamp) -> Result<(), String> {
        let piece = F::take_apart(payload)?;
        if !matches!(piece, Piece::Fragment(_)) && self.fragment.take().is_some() {
            self.picture.damage();
        }
        match piece {
            Piece::Whole(nal) => self.add(nal, stamp),
            Piece::Several(mut rest) => {
                while let Some((length, tail)) = rest.split_first_chunk::<2>() {
                    let length = usize::from(u16::from_be_bytes(*length));
                    let nal = tail.get(..length).ok_or_else(|| {
                        format!("a NAL unit of {length} bytes runs past the end ({} left)", tail.len())
                    })?;
                    self.add(nal, stamp)?;
                    rest = &tail[length..];
                }
                Ok(())
            }
            Piece::Fragment(fragment) => self.add_fragment(&fragment, stamp),
        }
    }

    fn add(&mut self, nal: &[u8], stamp: Stamp) -> Result<(), String> {
        if self.begin(nal, stamp) {
            self.room(nal.len() + 4)?;
            length_prefixed::write(nal, self.picture.data());
        }
        Ok(())
    }

    /// A NAL unit begins with these bytes; whether it is one.
    fn begin(&mut self, nal: &[u8], stamp: Stamp) -> bool {
        let slice = match F::kind(nal) {
            Kind::None => return false,
            Kind::Slice { first } => Some(first),
            Kind::Other => None,
        };
        self.picture.begin(stamp, slice);
        true
    }

    fn add_fragment(&mut self, fragment: &Fragment<'_>, stamp: Stamp) -> Result<(), String> {
        let Fragment { header: (header, length), is_start, is_end, body } = *fragment;
        let header = &header[..length.min(2)];
        if is_start {
            if self.fragment.take().is_some() {
                self.picture.damage();
            }
            // The header, and the byte behind it, which says whether a slice is the first.
            let mut beginning = [0; 3];
            beginning[..header.len()].copy_from_slice(header);
            let known = header.len() + usize::from(!body.is_empty());
            beginning[header.len()] = body.first().copied().unwrap_or(0);
            if !self.begin(&beginning[..known], stamp) {
                return Ok(());
            }
            self.room(header.len() + 4)?;
            let data = self.picture.data();
            let start = data.len();
            length_prefixed::write(header, data);
            self.fragment = Some(start);
        }
        let Some(start) = self.fragment else {
            // Its beginning was lost, or never came.
            self.picture.damage();
            return Ok(());
        };
        self.room(body.len())?;
        let data = self.picture.data();
        data.extend_from_slice(body);
        if is_end {
            // Bounded by `room`.
            let length = (data.len() - start - 4) as u32;
            data[start..start + 4].copy_from_slice(&length.to_be_bytes());
            self.fragment = None;
        }
        Ok(())
    }

    fn room(&mut self, more: usize) -> Result<(), String> {
        if self.picture.data().len() + more > MAX_ACCESS_UNIT {
            return Err(format!("the picture is larger than {MAX_ACCESS_UNIT} bytes"));
        }
        Ok(())
    }
}
