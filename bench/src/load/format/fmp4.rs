//! Movie fragments (ISO/IEC 14496-12): initialization segment, then one `moof` and `mdat` a message.
//!
//! Decodable is the first fragment whose first video sample is a sync sample; a fragment that is missing shows in the
//! sequence number of `mfhd`. A body without messages (plain HTTP) shows neither.

use super::super::seen::{Moment, Seen};
use super::{Format, Head, MessageKind, be32};

/// A reader of fragments.
#[derive(Debug, Default)]
pub(super) struct Fmp4 {
    head: Head,
    video_track: Option<u32>,
    decodable: bool,
    sequence: Option<u32>,
}

impl Format for Fmp4 {
    fn begin(&mut self, _: MessageKind, _: Option<u64>) {
        self.head.begin(if self.decodable { AFTER } else { LOOK });
    }

    fn payload(&mut self, bytes: &[u8]) {
        self.head.extend(bytes);
    }

    fn end(&mut self, _: &Moment, seen: &mut Seen) {
        let head = &self.head.bytes[..];
        for (kind, body) in Boxes(head) {
            match &kind {
                b"moov" => self.video_track = video_track(body),
                b"moof" => {
                    if let Some(sequence) = be32(body, 12) {
                        if let Some(last) = self.sequence {
                            seen.missing += u64::from(sequence.wrapping_sub(last).saturating_sub(1));
                        }
                        self.sequence = Some(sequence);
                    }
                    if !self.decodable && starts_at_sync_sample(body, self.video_track) {
                        self.decodable = true;
                        seen.decodable = true;
                    }
                }
                _ => {}
            }
        }
    }
}

/// The boxes in a piece of bytes; the last one may be cut short.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let size = be32(self.0, 0)? as usize;
        let kind = *self.0.get(4..)?.first_chunk()?;
        let end = size.max(8).min(self.0.len());
        let body = &self.0[8..end];
        self.0 = &self.0[end..];
        Some((kind, body))
    }
}

fn child<'a>(body: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    Boxes(body).find(|(k, _)| k == kind).map(|(_, body)| body)
}

/// The id of the first track whose handler is `vide`.
fn video_track(moov: &[u8]) -> Option<u32> {
    Boxes(moov).filter(|(kind, _)| kind == b"trak").find_map(|(_, trak)| {
        let handler = child(child(trak, b"mdia")?, b"hdlr")?;
        if handler.get(8..12)? != b"vide" {
            return None;
        }
        let header = child(trak, b"tkhd")?;
        be32(header, if header.first()? == &1 { 20 } else { 12 })
    })
}

/// Does the video of this fragment begin with a sync sample? Without a video track every fragment does.
fn starts_at_sync_sample(moof: &[u8], video: Option<u32>) -> bool {
    let Some(video) = video else { return true };
    Boxes(moof).filter(|(kind, _)| kind == b"traf").any(|(_, traf)| sync_of(traf, video).unwrap_or(false))
}

/// Whether the first sample of this `traf` is a sync sample of the track. `None`: another track, or cut short.
fn sync_of(traf: &[u8], track: u32) -> Option<bool> {
    let tfhd = child(traf, b"tfhd")?;
    if be32(tfhd, 4)? != track {
        return None;
    }
    let present = be32(tfhd, 0)?;
    let skipped = [(0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4)];
    let at = 8 + skipped.iter().filter(|(flag, _)| present & flag != 0).map(|(_, size)| size).sum::<usize>();
    let default = if present & 0x20 != 0 { be32(tfhd, at)? } else { 0 };

    let trun = child(traf, b"trun")?;
    let present = be32(trun, 0)?;
    let mut at = 8 + if present & 0x1 != 0 { 4 } else { 0 };
    let flags = if present & 0x4 != 0 {
        be32(trun, at)?
    } else if present & 0x400 != 0 {
        at += if present & 0x100 != 0 { 4 } else { 0 };
        at += if present & 0x200 != 0 { 4 } else { 0 };
        be32(trun, at)?
    } else {
        default
    };
    Some(flags & NON_SYNC == 0)
}

const NON_SYNC: u32 = 0x0001_0000;
/// Enough for an initialization segment and for the `moof` of a long group.
const LOOK: usize = 16 * 1024;
/// Up to the sequence number in `mfhd`.
const AFTER: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = (body.len() as u32 + 8).to_be_bytes().to_vec();
        bytes.extend(kind);
        bytes.extend(body);
        bytes
    }

    fn init() -> Vec<u8> {
        let tkhd = boxed(b"tkhd", &[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
        let mdia = boxed(b"mdia", &boxed(b"hdlr", b"\0\0\0\0\0\0\0\0vide"));
        let mut bytes = boxed(b"ftyp", b"iso5");
        bytes.extend(boxed(b"moov", &boxed(b"trak", &[tkhd, mdia].concat())));
        bytes
    }

    fn fragment(sequence: u32, sample_flags: u32) -> Vec<u8> {
        let mfhd = boxed(b"mfhd", &[[0; 4], sequence.to_be_bytes()].concat());
        let tfhd = boxed(b"tfhd", &[[0, 2, 0, 0x20], [0, 0, 0, 5], [1, 1, 0, 0]].concat());
        let trun =
            boxed(b"trun", &[[0, 0, 0, 5], [0, 0, 0, 1], [0, 0, 0, 9], sample_flags.to_be_bytes()].concat());
        let mut bytes = boxed(b"moof", &[mfhd, boxed(b"traf", &[tfhd, trun].concat())].concat());
        bytes.extend(boxed(b"mdat", &[1, 2, 3]));
        bytes
    }

    fn feed(messages: &[Vec<u8>]) -> (Seen, Vec<bool>) {
        let (mut reader, mut seen) = (Fmp4::default(), Seen::default());
        let decodable = messages
            .iter()
            .map(|message| {
                seen.decodable = false;
                reader.begin(MessageKind::Binary, None);
                message.chunks(7).for_each(|part| reader.payload(part));
                reader.end(&Moment::now(), &mut seen);
                seen.decodable
            })
            .collect();
        (seen, decodable)
    }

    #[test]
    fn the_first_sync_sample_is_decodable() {
        let messages = [init(), fragment(4, NON_SYNC), fragment(5, 0x0200_0000), fragment(6, 0x0200_0000)];
        assert_eq!(feed(&messages).1, [false, false, true, false]);
    }

    #[test]
    fn missing_fragments_show_in_the_sequence_numbers() {
        let messages = [init(), fragment(4, 0), fragment(5, NON_SYNC), fragment(9, NON_SYNC)];
        assert_eq!(feed(&messages).0.missing, 3);
    }

    #[test]
    fn garbage_is_not_decodable_and_does_not_panic() {
        let messages = [init(), vec![0, 0, 0, 3, b'm', b'o', b'o', b'f', 1], vec![0xff; 40], vec![]];
        assert_eq!(feed(&messages).1, [false; 4]);
    }
}
