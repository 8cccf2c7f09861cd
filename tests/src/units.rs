//! The `webcodecs` format: units with headers, and what makes a byte stream of them.

use base64::Engine as _;
use codec::h264::DecoderConfigurationRecord;
use codec::nal::annexb;
use serde_json::Value;

/// One unit of a message.
#[derive(Debug, Clone, Copy)]
pub struct Unit<'a> {
    /// 1 video, 2 sound.
    pub track: u8,
    /// Microseconds on the stream's clock.
    pub time: i64,
    /// Microseconds since 1970.
    pub captured: i64,
    /// Length-prefixed NAL units, a raw data block or a packet.
    pub payload: &'a [u8],
}

/// The units of a message; one that is not whole fails the test.
pub fn units(message: &[u8]) -> Vec<Unit<'_>> {
    let mut units = Vec::new();
    let mut rest = message;
    while let Some((head, tail)) = rest.split_first_chunk::<24>() {
        assert_eq!((head[0], head[3]), (1, 0), "version and reserved byte");
        let number =
            |at: usize| i64::from_be_bytes(*head[at..].first_chunk().expect("a header has 24 bytes"));
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let (payload, more) = tail.split_at_checked(length).expect("a message ends with a whole unit");
        units.push(Unit { track: head[1], time: number(8), captured: number(16), payload });
        rest = more;
    }
    assert!(rest.is_empty(), "half a header at the end of a message");
    units
}

/// The pictures of messages as a byte stream, with the parameter sets of their `configuration` before them.
pub fn byte_stream(configuration: &Value, messages: &[Vec<u8>]) -> Vec<u8> {
    let video = configuration["tracks"].as_array().and_then(|tracks| tracks.iter().find(|t| t["id"] == 1));
    let record = video.and_then(|track| track["description"].as_str()).expect("H.264 has a description");
    let record = base64::engine::general_purpose::STANDARD.decode(record).expect("a description is base64");
    let record = DecoderConfigurationRecord::parse(&record).expect("the description is an avcC record");
    let mut bytes = Vec::new();
    record.sps().iter().chain(record.pps()).for_each(|set| annexb::write(set, &mut bytes));
    for unit in messages.iter().flat_map(|message| units(message)).filter(|unit| unit.track == 1) {
        let mut rest = unit.payload;
        while let Some((length, tail)) = rest.split_first_chunk() {
            let length = u32::from_be_bytes(*length) as usize;
            let (nal, more) = tail.split_at_checked(length).expect("a NAL unit ends within its picture");
            annexb::write(nal, &mut bytes);
            rest = more;
        }
    }
    bytes
}
