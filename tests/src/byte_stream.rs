//! H.264 byte streams: which NAL units, and where access units end.

use codec::nal::annexb;

/// NAL unit types, in order.
pub fn nal_types(bytes: &[u8]) -> Vec<u8> {
    annexb::split(bytes).map(nal_type).collect()
}

/// The access units of a stream whose pictures have one slice each.
pub fn access_units(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut units = Vec::new();
    let mut unit = Vec::new();
    for nal in annexb::split(bytes) {
        annexb::write(nal, &mut unit);
        if matches!(nal_type(nal), 1 | 5) {
            units.push(std::mem::take(&mut unit));
        }
    }
    units
}

/// Leaves out parameter sets (and what encoders say of themselves), as an encoder does that sends them once.
pub fn without_parameter_sets(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for nal in annexb::split(bytes).filter(|nal| !matches!(nal_type(nal), 6..=8)) {
        annexb::write(nal, &mut out);
    }
    out
}

/// `nal_unit_type` (ITU-T H.264 table 7-1).
pub fn nal_type(nal: &[u8]) -> u8 {
    nal[0] & 0x1f
}
