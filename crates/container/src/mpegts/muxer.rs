//! Groups of units into whole transport packets.
//!
//! Times are the stream's, at 90 kHz and modulo 2³³, moved up so that the clock, which runs ahead of decoding by the
//! time a receiver may buffer, begins above 0.

use std::collections::VecDeque;

use bytes::BufMut;
use media::{AccessUnit, Chunk, Codec, CodecParameters, MediaTime, MuxError, Timescale};

use super::packets::{PacketWriter, packets_size};
use super::pes::PesHeader;
use super::tables::Tables;
use super::{AUDIO_PID, PACKET, VIDEO_PID};
use crate::annexb::{DELIMITER, START_CODE, nal_length, write_parameter_sets, write_start_code_before};
use crate::av::{ADTS_HEADER, adts_header};
use crate::packager::{GroupWriter, Tracks};

/// Writes transport streams.
#[derive(Debug, Default)]
pub(crate) struct TransportStreamWriter {
    tracks: Tracks,
    tables: Tables,
    version: u8,
    parameter_sets: Vec<u8>,
    continuity: Continuity,
    tables_due: Option<MediaTime>,
}

/// The next continuity counter of each PID.
#[derive(Debug, Default)]
struct Continuity {
    pat: u8,
    pmt: u8,
    video: u8,
    audio: u8,
}

impl TransportStreamWriter {
    fn put_tables(&mut self, out: &mut Vec<u8>) {
        for (packet, continuity) in
            [(&self.tables.pat, &mut self.continuity.pat), (&self.tables.pmt, &mut self.continuity.pmt)]
        {
            let start = out.len();
            out.put_slice(packet);
            out[start + 3] |= *continuity;
            *continuity = (*continuity + 1) & 0x0f;
        }
    }

    /// Bytes of the PES packet of `unit`, at most.
    fn size(&self, unit: &AccessUnit) -> usize {
        let before = if unit.random_access { self.parameter_sets.len() } else { 0 };
        19 + H265_DELIMITER.len().max(ADTS_HEADER)
            + before
            + opus_size_bytes(unit.data.len())
            + unit.data.len()
    }

    fn is_leading(&self, unit: &AccessUnit) -> bool {
        self.tracks.leading().is_some_and(|track| track.id == unit.track.id)
    }

    fn put_unit(&mut self, unit: &AccessUnit, out: &mut Vec<u8>) -> Result<(), MuxError> {
        let clock = self.is_leading(unit).then(|| clock_of(unit.dts).wrapping_sub(BUFFERING));
        match &unit.track.parameters {
            CodecParameters::H264(_) => self.put_picture(unit, &DELIMITER, clock, out),
            CodecParameters::H265(_) => self.put_picture(unit, &H265_DELIMITER, clock, out),
            CodecParameters::Aac(parameters) => {
                let header = adts_header(parameters, unit)?;
                self.put_sound(unit, 0xc0, &header, clock, out);
                Ok(())
            }
            CodecParameters::Opus(_) => {
                let (header, length) = opus_control_header(unit.data.len())?;
                self.put_sound(unit, 0xbd, &header[..length], clock, out);
                Ok(())
            }
            parameters @ (CodecParameters::Av1(_)
            | CodecParameters::Vp8(_)
            | CodecParameters::Vp9(_)
            | CodecParameters::Jpeg(_)
            | CodecParameters::MpegVideo(_)
            | CodecParameters::G711(_)
            | CodecParameters::MpegAudio(_)) => {
                Err(MuxError::UnsupportedCodec { format: "mpegts", codec: parameters.codec().name() })
            }
        }
    }

    fn put_picture(
        &mut self,
        unit: &AccessUnit,
        delimiter: &[u8],
        clock: Option<u64>,
        out: &mut Vec<u8>,
    ) -> Result<(), MuxError> {
        check_lengths(&unit.data)?;
        let parameter_sets = if unit.random_access { &self.parameter_sets[..] } else { &[] };
        let payload = delimiter.len() + parameter_sets.len() + unit.data.len();
        let header = PesHeader::new(0xe0, payload, clock_of(unit.pts), clock_of(unit.dts));
        let length = header.bytes().len() + payload;
        let continuity = &mut self.continuity.video;
        let mut packets = PacketWriter::begin(out, VIDEO_PID, continuity, length, unit.random_access, clock);
        packets.put(header.bytes());
        packets.put(delimiter);
        packets.put(parameter_sets);
        let mut rest = &unit.data[..];
        while !rest.is_empty() {
            let (nal, later) = rest.split_at(4 + nal_length(rest)?);
            packets.put(&START_CODE);
            packets.put(&nal[4..]);
            rest = later;
        }
        Ok(())
    }

    fn put_sound(
        &mut self,
        unit: &AccessUnit,
        stream_id: u8,
        before: &[u8],
        clock: Option<u64>,
        out: &mut Vec<u8>,
    ) {
        let payload = before.len() + unit.data.len();
        let header = PesHeader::new(stream_id, payload, clock_of(unit.pts), clock_of(unit.pts));
        let length = header.bytes().len() + payload;
        let continuity = &mut self.continuity.audio;
        let mut packets = PacketWriter::begin(out, AUDIO_PID, continuity, length, true, clock);
        packets.put(header.bytes());
        packets.put(before);
        packets.put(&unit.data);
    }
}

impl GroupWriter for TransportStreamWriter {
    fn carries(codec: Codec) -> bool {
        match codec {
            Codec::H264 | Codec::H265 | Codec::Aac | Codec::Opus => true,
            Codec::Av1
            | Codec::Vp8
            | Codec::Vp9
            | Codec::Jpeg
            | Codec::MpegVideo
            | Codec::G711
            | Codec::MpegAudio => false,
        }
    }

    fn start(&mut self, tracks: &Tracks) -> Result<(), MuxError> {
        self.parameter_sets.clear();
        match tracks.video.as_ref().map(|track| &track.parameters) {
            Some(CodecParameters::H264(parameters)) => {
                write_parameter_sets(parameters, &mut self.parameter_sets);
            }
            Some(CodecParameters::H265(parameters)) => {
                parameters.sets().for_each(|set| write_start_code_before(set, &mut self.parameter_sets));
            }
            Some(
                CodecParameters::Av1(_)
                | CodecParameters::Vp8(_)
                | CodecParameters::Vp9(_)
                | CodecParameters::Jpeg(_)
                | CodecParameters::MpegVideo(_)
                | CodecParameters::Aac(_)
                | CodecParameters::Opus(_)
                | CodecParameters::G711(_)
                | CodecParameters::MpegAudio(_),
            )
            | None => {}
        }
        self.tracks = tracks.clone();
        self.tables = Tables::new(tracks, self.version);
        self.version = (self.version + 1) & 0x1f;
        self.tables_due = None;
        Ok(())
    }

    fn write(&mut self, group: &[AccessUnit], out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        let size: usize = group.iter().map(|unit| 2 * PACKET + packets_size(self.size(unit))).sum();
        let mut bytes = Vec::with_capacity(size);
        let mut result = Ok(());
        let mut begins_with_tables = false;
        for unit in group {
            if self.is_leading(unit) {
                let due = self.tables_due.is_none_or(|due| unit.dts >= due);
                // With sound alone every unit is a random access point: there the time alone decides.
                if due || (unit.random_access && self.tracks.video.is_some()) {
                    begins_with_tables |= bytes.is_empty();
                    self.put_tables(&mut bytes);
                    self.tables_due = Some(unit.dts.saturating_add(TABLES_EVERY));
                }
            }
            result = result.and(self.put_unit(unit, &mut bytes));
        }
        if !bytes.is_empty() {
            out.extend(
                self.tracks
                    .chunk(group, None, bytes.into())
                    .map(|chunk| Chunk { random_access: chunk.random_access && begins_with_tables, ..chunk }),
            );
        }
        result
    }
}

/// Fails where a length field does not fit, before anything is written.
fn check_lengths(data: &[u8]) -> Result<(), MuxError> {
    let mut rest = data;
    while !rest.is_empty() {
        rest = &rest[4 + nal_length(rest)?..];
    }
    Ok(())
}

/// The Opus control header ("Opus in MPEG-TS"): prefix, no trimming, the size in steps of 255.
fn opus_control_header(size: usize) -> Result<([u8; 33], usize), MuxError> {
    let mut header = [0xff; 33];
    header[..2].copy_from_slice(&[0x7f, 0xe0]);
    let length = 2 + opus_size_bytes(size);
    // Room for 120 ms at the highest rate: six frames of 1275 bytes.
    let last = header.get_mut(length - 1);
    let last = last.ok_or_else(|| MuxError::Malformed(format!("an Opus packet of {size} bytes")))?;
    *last = u8::try_from(size % 255).unwrap_or(0);
    Ok((header, length))
}

const fn opus_size_bytes(size: usize) -> usize {
    size / 255 + 1
}

/// 90 kHz ticks moved up by [`OFFSET`], as unsigned: 33 bits of it go out.
fn clock_of(time: MediaTime) -> u64 {
    time.ticks_in(Timescale::VIDEO_90K).wrapping_add(OFFSET).cast_unsigned()
}

/// H.265's access unit delimiter, any slice type (§7.3.2.5).
const H265_DELIMITER: [u8; 7] = [0, 0, 0, 1, 0x46, 0x01, 0x50];

/// Where a stream that begins at 0 begins here: 1.4 s, as ffmpeg has it.
const OFFSET: i64 = 126_000;

/// How far decoding lags the clock: what a receiver may take to get a picture whole. 100 ms.
const BUFFERING: u64 = 9_000;

/// Readers look for the tables at least this often.
const TABLES_EVERY: MediaTime = MediaTime::new(9_000, Timescale::VIDEO_90K);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mpegts::PMT_PID;
    use crate::samples::{PPS, SPS, aac, mux, opus, picture, sound, video};
    use crate::{Format, FormatOptions, Grouping};

    /// What is in the packets of one PID: its PES packets, after checking sync, counters and stuffing.
    fn pes_packets(chunks: &[Chunk], pid: u16) -> Vec<Vec<u8>> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        let mut expected = None;
        for packet in chunks.iter().flat_map(|chunk| {
            assert_eq!(chunk.bytes.len() % PACKET, 0);
            chunk.bytes.chunks(PACKET)
        }) {
            assert_eq!(packet[0], 0x47);
            if u16::from_be_bytes([packet[1] & 0x1f, packet[2]]) != pid {
                continue;
            }
            let counter = packet[3] & 0x0f;
            assert_eq!(counter, expected.unwrap_or(counter), "continuity");
            expected = Some((counter + 1) & 0x0f);
            let payload = if packet[3] & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
            if packet[1] & 0x40 != 0 {
                found.push(Vec::new());
            }
            found.last_mut().unwrap().extend(&packet[payload..]);
        }
        found
    }

    fn pids(chunk: &Chunk) -> Vec<u16> {
        let mut pids: Vec<_> = chunk
            .bytes
            .chunks(PACKET)
            .map(|packet| u16::from_be_bytes([packet[1] & 0x1f, packet[2]]))
            .collect();
        pids.dedup();
        pids
    }

    #[test]
    fn a_reader_may_start_at_a_random_access_point() {
        let v = video();
        let units = [picture(&v, 0, true, 5), picture(&v, 40, false, 5), picture(&v, 80, true, 5)];
        let chunks = mux(Format::Mpegts, &FormatOptions::default(), &[v], &units);
        assert_eq!(pids(&chunks[0]), [0, PMT_PID, VIDEO_PID]);
        assert_eq!(pids(&chunks[1]), [VIDEO_PID]);
        assert_eq!(pids(&chunks[2]), [0, PMT_PID, VIDEO_PID]);
        let picture =
            [&DELIMITER[..], &START_CODE, SPS, &START_CODE, PPS, &START_CODE, &[0x65, 1, 3, 3, 5]].concat();
        let pes = pes_packets(&chunks, VIDEO_PID);
        assert_eq!(
            pes[0],
            [&[0, 0, 1, 0xe0, 0, 57, 0x84, 0x80, 5, 0x21, 0, 7, 0xd8, 0x61], &picture[..]].concat()
        );
        // The clock, 100 ms before.
        assert_eq!(chunks[0].bytes[2 * PACKET + 5..][..7], [0x50, 0, 0, 0xe4, 0x84, 0x7e, 0]);
    }

    #[test]
    fn the_tables_come_every_tenth_of_a_second() {
        let v = video();
        let units: Vec<_> = (0..8).map(|n| picture(&v, n * 40, n == 0, 5)).collect();
        let chunks = mux(Format::Mpegts, &FormatOptions::default(), &[v], &units);
        let with_tables: Vec<_> = chunks.iter().map(|chunk| pids(chunk)[0] == 0).collect();
        assert_eq!(with_tables, [true, false, false, true, false, false, true, false]);
        assert_eq!(pes_packets(&chunks, 0).len(), 3);
    }

    #[test]
    fn sound_alone_has_the_clock_and_entry_points() {
        let a = aac();
        let units: Vec<_> = (0..12).map(|n| sound(&a, n * 20, 300)).collect();
        let chunks = mux(Format::Mpegts, &FormatOptions::default(), &[a], &units);
        let entries: Vec<_> = chunks.iter().map(|chunk| (chunk.random_access, pids(chunk)[0] == 0)).collect();
        assert_eq!(entries.iter().filter(|entry| **entry == (true, true)).count(), 3);
        assert!(entries.iter().all(|(entry, tables)| entry == tables));
    }

    #[test]
    fn opus_is_framed_by_its_control_header() {
        let o = opus();
        let units = [sound(&o, 0, 255), sound(&o, 20, 3)];
        let options = FormatOptions { grouping: Grouping::EveryUnit, ..FormatOptions::default() };
        let chunks = mux(Format::Mpegts, &options, &[o], &units);
        let pes = pes_packets(&chunks, AUDIO_PID);
        assert_eq!(pes[0][14..], [&[0x7f, 0xe0, 0xff, 0][..], &[0x21; 255]].concat());
        assert_eq!(pes[1][14..], [0x7f, 0xe0, 3, 0x21, 0x21, 0x21]);
        let pmt = &pes_packets(&chunks, PMT_PID)[0];
        assert!(pmt.windows(10).any(|window| window == b"\x05\x04Opus\x7f\x02\x80\x02"));
    }

    #[test]
    fn the_clock_wraps_at_33_bits() {
        let v = video();
        let mut unit = picture(&v, 0, true, 5);
        unit.dts = MediaTime::new((1 << 33) - OFFSET, v.timescale);
        unit.pts = unit.dts;
        let chunks = mux(Format::Mpegts, &FormatOptions::default(), &[v], &[unit]);
        assert_eq!(pes_packets(&chunks, VIDEO_PID)[0][9..14], [0x21, 0, 1, 0, 1]);
    }

    proptest! {
        #[test]
        fn a_picture_of_any_size_fills_whole_packets(sizes in proptest::collection::vec(1usize..2_000, 1..8)) {
            let v = video();
            let units: Vec<_> =
                sizes.iter().enumerate().map(|(n, size)| picture(&v, n as u64 * 40, n == 0, *size)).collect();
            let chunks = mux(Format::Mpegts, &FormatOptions::default(), &[v], &units);
            let pes = pes_packets(&chunks, VIDEO_PID);
            prop_assert_eq!(pes.len(), units.len());
            for (unit, pes) in units.iter().zip(&pes) {
                prop_assert!(pes.ends_with(&unit.data[4..]));
                prop_assert_eq!(usize::from(u16::from_be_bytes([pes[4], pes[5]])), pes.len() - 6);
            }
        }
    }
}
