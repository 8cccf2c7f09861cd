//! What stands around a tag's body.

use super::TagKind;

/// Puts tags into bytes.
pub trait TagFraming: Send + std::fmt::Debug + 'static {
    /// Writes a tag whose body is `head` and then `data`.
    fn write(&self, kind: TagKind, timestamp: u32, head: &[u8], data: &[u8], out: &mut Vec<u8>);
}

/// As a file has it: a header before each tag, and its size behind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileFraming;

impl TagFraming for FileFraming {
    fn write(&self, kind: TagKind, timestamp: u32, head: &[u8], data: &[u8], out: &mut Vec<u8>) {
        // Bodies are bounded by `TagWriter`.
        let size = u32::try_from(head.len() + data.len()).unwrap_or(0);
        let [_, s0, s1, s2] = size.to_be_bytes();
        let [t3, t0, t1, t2] = timestamp.to_be_bytes();
        out.extend([kind.number(), s0, s1, s2, t0, t1, t2, t3, 0, 0, 0]);
        out.extend_from_slice(head);
        out.extend_from_slice(data);
        out.extend((TAG_HEADER + size).to_be_bytes());
    }
}

/// The header of a file whose first tags are these, an init segment of `Format::Flv`: it says whether there are picture and sound, and
/// players wait for what it says.
pub fn file_header(init: &[u8]) -> [u8; 13] {
    let (mut flags, mut rest) = (0, init);
    while let [kind, s0, s1, s2, ..] = rest {
        flags |= match TagKind::from_number(*kind) {
            Some(TagKind::Audio) => 4,
            Some(TagKind::Video) => 1,
            Some(TagKind::Script) | None => 0,
        };
        let tag = TAG_HEADER as usize + u32::from_be_bytes([0, *s0, *s1, *s2]) as usize + 4;
        rest = rest.get(tag..).unwrap_or_default();
    }
    [b'F', b'L', b'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0]
}

const TAG_HEADER: u32 = 11;
