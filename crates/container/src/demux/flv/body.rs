//! What the first bytes of a tag of picture or sound say: the codec and which of its parts follows.
//!
//! Both forms: the old one with a number for the codec, and the enhanced one with four characters. Not here: what the parts mean.

use super::super::error::FourCc;

/// A tag's codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// By its number in the old form.
    Number(u8),
    /// By four characters.
    FourCc(FourCc),
}

/// What a tag brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// What a decoder must have first.
    SequenceHeader(&'a [u8]),
    /// A unit, shown so many milliseconds after it is decoded.
    Coded { composition: i32, data: &'a [u8] },
    /// Nothing that is of use: the end of a sequence, colours, a command to the player.
    Other,
}

/// Why a tag cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It ends before it has said all.
    Short,
    /// It is of a form that is left out, in words.
    Form(&'static str),
}

pub(super) type Read<'a> = Result<(Named, Part<'a>), Unreadable>;

/// Reads a tag of picture.
pub(super) fn video(body: &[u8]) -> Read<'_> {
    let (&first, rest) = body.split_first().ok_or(Unreadable::Short)?;
    let frame = first >> 4 & 7;
    if first & ENHANCED != 0 {
        let (packet, rest) = modified(first & 0xf, rest)?;
        if packet == MULTITRACK {
            return Err(Unreadable::Form("tags of several tracks of video"));
        }
        let (fourcc, rest) = fourcc(rest)?;
        let composed = matches!(&fourcc.0, b"avc1" | b"hvc1" | b"vvc1");
        let part = match packet {
            _ if frame == COMMAND => Part::Other,
            SEQUENCE_START => Part::SequenceHeader(rest),
            CODED if composed => {
                let (composition, data) = composition(rest)?;
                Part::Coded { composition, data }
            }
            CODED | CODED_WITHOUT_COMPOSITION => Part::Coded { composition: 0, data: rest },
            _ => Part::Other,
        };
        return Ok((Named::FourCc(fourcc), part));
    }
    let codec = first & 0xf;
    if frame == COMMAND {
        return Ok((Named::Number(codec), Part::Other));
    }
    if !matches!(codec, AVC | HEVC) {
        return Ok((Named::Number(codec), Part::Coded { composition: 0, data: rest }));
    }
    let (&packet, rest) = rest.split_first().ok_or(Unreadable::Short)?;
    let (composition, data) = composition(rest)?;
    let part = match packet {
        SEQUENCE_START => Part::SequenceHeader(data),
        CODED => Part::Coded { composition, data },
        _ => Part::Other,
    };
    Ok((Named::Number(codec), part))
}

/// Reads a tag of sound.
pub(super) fn audio(body: &[u8]) -> Read<'_> {
    let (&first, rest) = body.split_first().ok_or(Unreadable::Short)?;
    match first >> 4 {
        ENHANCED_SOUND => {
            let (packet, rest) = modified(first & 0xf, rest)?;
            if packet == MULTITRACK_SOUND {
                return Err(Unreadable::Form("tags of several tracks of sound"));
            }
            let (fourcc, rest) = fourcc(rest)?;
            let part = match packet {
                SEQUENCE_START => Part::SequenceHeader(rest),
                CODED => Part::Coded { composition: 0, data: rest },
                _ => Part::Other,
            };
            Ok((Named::FourCc(fourcc), part))
        }
        AAC => {
            let (&packet, rest) = rest.split_first().ok_or(Unreadable::Short)?;
            let part = match packet {
                SEQUENCE_START => Part::SequenceHeader(rest),
                CODED => Part::Coded { composition: 0, data: rest },
                _ => Part::Other,
            };
            Ok((Named::Number(AAC), part))
        }
        codec => Ok((Named::Number(codec), Part::Coded { composition: 0, data: rest })),
    }
}

/// Passes over the modifiers before a packet type of the enhanced form, and gives the type.
fn modified(mut packet: u8, mut rest: &[u8]) -> Result<(u8, &[u8]), Unreadable> {
    while packet == MODIFIER {
        let (&size, after) = rest.split_first().ok_or(Unreadable::Short)?;
        let (size, after) = if size == u8::MAX {
            let (size, after) = after.split_first_chunk::<2>().ok_or(Unreadable::Short)?;
            (usize::from(u16::from_be_bytes(*size)), after)
        } else {
            (usize::from(size), after)
        };
        let after = after.get(size + 1..).ok_or(Unreadable::Short)?;
        let (&next, after) = after.split_first().ok_or(Unreadable::Short)?;
        packet = next & 0xf;
        rest = after;
    }
    Ok((packet, rest))
}

fn fourcc(bytes: &[u8]) -> Result<(FourCc, &[u8]), Unreadable> {
    let (fourcc, rest) = bytes.split_first_chunk::<4>().ok_or(Unreadable::Short)?;
    Ok((FourCc(*fourcc), rest))
}

/// SI24.
fn composition(bytes: &[u8]) -> Result<(i32, &[u8]), Unreadable> {
    let ([a, b, c], rest) = bytes.split_first_chunk::<3>().ok_or(Unreadable::Short)?;
    Ok((i32::from_be_bytes([*a, *b, *c, 0]) >> 8, rest))
}

/// H.264's number.
pub(super) const AVC: u8 = 7;
/// H.265's, as some encoders wrote it before there was a form for it.
pub(super) const HEVC: u8 = 12;
/// AAC's number.
pub(super) const AAC: u8 = 10;
const ENHANCED: u8 = 0x80;
const ENHANCED_SOUND: u8 = 9;
/// A frame type: not a picture, but something to be done by the player.
const COMMAND: u8 = 5;
const SEQUENCE_START: u8 = 0;
const CODED: u8 = 1;
const CODED_WITHOUT_COMPOSITION: u8 = 3;
const MULTITRACK: u8 = 6;
const MULTITRACK_SOUND: u8 = 5;
const MODIFIER: u8 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_picture_are_read() {
        let coded = |composition, data| Part::Coded { composition, data };
        assert_eq!(video(&[0x17, 1, 0xff, 0xff, 0xfe, 9]), Ok((Named::Number(AVC), coded(-2, &[9][..]))));
        assert_eq!(video(b"\x17\0\0\0\0\x01"), Ok((Named::Number(AVC), Part::SequenceHeader(&[1]))));
        let avc1 = Named::FourCc(FourCc(*b"avc1"));
        assert_eq!(video(b"\x91avc1\0\0\x05\x09"), Ok((avc1, coded(5, &[9][..]))));
        assert_eq!(video(b"\xa3avc1\x09"), Ok((avc1, coded(0, &[9][..]))));
        assert_eq!(video(b"\x91av01\x09"), Ok((Named::FourCc(FourCc(*b"av01")), coded(0, &[9][..]))));
        assert_eq!(video(b"\x90av01\x09"), Ok((Named::FourCc(FourCc(*b"av01")), Part::SequenceHeader(&[9]))));
        assert_eq!(video(b"\xd1avc1\0"), Ok((avc1, Part::Other)));
    }

    #[test]
    fn modifiers_are_passed_over() {
        // One of one byte: nanoseconds of an offset, then a coded unit without composition time.
        let named = Named::FourCc(FourCc(*b"avc1"));
        assert_eq!(
            video(b"\x97\x02\x01\x02\x03\x03avc1\x09"),
            Ok((named, Part::Coded { composition: 0, data: &[9] }))
        );
        assert_eq!(audio(b"\x97\xff\x00\x01\x00\x01"), Err(Unreadable::Short));
    }

    #[test]
    fn sound_is_read_and_what_ends_early_is_not() {
        assert_eq!(audio(&[0xaf, 0, 0x11]), Ok((Named::Number(AAC), Part::SequenceHeader(&[0x11]))));
        let opus = Named::FourCc(FourCc(*b"Opus"));
        assert_eq!(audio(b"\x91Opus\x09"), Ok((opus, Part::Coded { composition: 0, data: &[9] })));
        for short in [&b""[..], b"\xaf", b"\x91Opu"] {
            assert_eq!(audio(short), Err(Unreadable::Short));
        }
        for short in [&b""[..], b"\x17", b"\x17\x01\0\0", b"\x91hvc", b"\x91hvc1\0\0"] {
            assert_eq!(video(short), Err(Unreadable::Short));
        }
    }
}
