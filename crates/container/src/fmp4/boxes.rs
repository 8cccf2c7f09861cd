//! Writing boxes, ISO/IEC 14496-12 §4.2: a size, four characters, a body.

use bytes::BufMut;

/// A box: `body` writes what is in it, the size is filled in afterwards.
pub(super) fn write_box(out: &mut Vec<u8>, name: &[u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.put_u32(0);
    out.put_slice(name);
    body(out);
    // Init segments are a few hundred bytes; the parameter sets in them are checked to fit 16 bits.
    let size = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// A box with version and flags.
pub(super) fn write_full_box(
    out: &mut Vec<u8>,
    name: &[u8; 4],
    version: u8,
    flags: u32,
    body: impl FnOnce(&mut Vec<u8>),
) {
    write_box(out, name, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        body(out);
    });
}
