//! Parameters as they go out.

use bytes::BufMut;
use media::H264Parameters;

pub(crate) fn avcc(p: &H264Parameters) -> Vec<u8> {
    let mut out = vec![1, p.profile_idc(), p.constraints(), p.level_idc(), 0xff, 0xe1];
    out.put_u16(p.sps().len() as u16);
    out.put_slice(p.sps());
    out.put_u8(1);
    out.put_u16(p.pps()[0].len() as u16);
    out.put_slice(&p.pps()[0]);
    out
}

pub(crate) fn without_reordering(_: &H264Parameters) -> Option<H264Parameters> {
    None
}
