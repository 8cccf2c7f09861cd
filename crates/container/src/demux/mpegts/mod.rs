//! MPEG-TS to access units: ISO/IEC 13818-1, one program, as encoders, cameras and ffmpeg push it over pipes and UDP.
//!
//! Takes bytes in any chunking, finds packets by three sync bytes in step, reads PAT and PMT (a section counts only with
//! its CRC) and plays the first H.264 and the first AAC (ADTS) or Opus stream of the first program that has any.
//! Everything else in the multiplex is told once and passed over. Damage is counted, never fatal: a torn PES packet is
//! dropped and told by the next unit's `lost_before`.
//!
//! Only packets of 188 bytes: the 192 of Blu-ray and the 204 of broadcast do not come over the ways in that we have.
//! Clock references are not used: arrival times are better for a live input.

mod elementary;
mod opus;
mod packet;
mod pauses;
mod pes;
mod section;
mod timestamp;

use media::TrackId;

use self::elementary::{Elementary, StreamKind};
use self::packet::{Packet, SYNC_BYTE};
use self::pes::{Outcome, PesAssembler};
use self::section::{ProgramAssociation, ProgramMap, SectionAssembler};
use self::timestamp::Unwrapper;
use super::collector::Collector;

/// Length of a transport packet.
pub(super) const PACKET_LEN: usize = packet::PACKET_LEN;

/// The demuxer of one transport stream.
#[derive(Debug)]
pub(super) struct MpegtsDemuxer {
    /// Bytes of an incomplete packet, or while out of step the bytes being searched.
    carry: Vec<u8>,
    in_step: bool,
    multiplex: Multiplex,
}

/// The state behind the packets.
#[derive(Debug)]
struct Multiplex {
    pat: SectionAssembler,
    pat_version: Option<u8>,
    maps: Vec<MapPid>,
    /// The program played, and its map as last read.
    program: Option<(u16, ProgramMap)>,
    streams: Vec<PlayedStream>,
    time: Unwrapper,
}

/// A PID that carries the map of a program.
#[derive(Debug)]
struct MapPid {
    pid: u16,
    assembler: SectionAssembler,
}

/// One elementary stream of the program played.
#[derive(Debug)]
struct PlayedStream {
    pid: u16,
    kind: StreamKind,
    pes: PesAssembler,
    elementary: Elementary,
}

impl MpegtsDemuxer {
    pub(super) fn new() -> Self {
        let multiplex = Multiplex {
            pat: SectionAssembler::default(),
            pat_version: None,
            maps: Vec::new(),
            program: None,
            streams: Vec::new(),
            time: Unwrapper::default(),
        };
        Self { carry: Vec::new(), in_step: false, multiplex }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], collector: &mut Collector) {
        while !bytes.is_empty() {
            if !self.in_step {
                let room = SEARCH_LEN.saturating_sub(self.carry.len()).min(bytes.len());
                self.carry.extend_from_slice(&bytes[..room]);
                bytes = &bytes[room..];
                if !self.search(false, collector) {
                    continue;
                }
            }
            bytes = self.packets(bytes, collector);
        }
    }

    /// The input has fallen silent: gives out pictures that are probably complete.
    pub(super) fn idle(&mut self, collector: &mut Collector) {
        if !self.carry.is_empty() {
            return;
        }
        let Multiplex { streams, time, .. } = &mut self.multiplex;
        for PlayedStream { pes, elementary, .. } in streams {
            let outcome = pes.idle(|pes| elementary.pes(&pes, time, collector));
            count(outcome, collector);
        }
    }

    /// The input is over.
    pub(super) fn finish(&mut self, collector: &mut Collector) {
        if !self.in_step && self.search(true, collector) {
            self.packets(&[], collector);
        }
        let Multiplex { streams, time, .. } = &mut self.multiplex;
        for PlayedStream { pes, elementary, .. } in streams {
            let outcome = pes.end(|pes| elementary.pes(&pes, time, collector));
            count(outcome, collector);
        }
        if self.multiplex.program.is_none() {
            collector.note("the transport stream ended without a program we can play");
        }
        collector.discarded(self.carry.len());
        self.carry.clear();
    }

    /// Looks for packets in `carry`; what stands before them is thrown away.
    fn search(&mut self, complete: bool, collector: &mut Collector) -> bool {
        if let Some(start) = in_step(&self.carry, complete) {
            collector.discarded(start);
            self.carry.drain(..start);
            self.in_step = true;
        } else if self.carry.len() >= SEARCH_LEN {
            // Nothing starts in the first packet's length, or it would have been found.
            collector.discarded(PACKET_LEN);
            self.carry.drain(..PACKET_LEN);
        }
        self.in_step
    }

    /// Takes whole packets from `carry` and then from `bytes`; returns what it has not looked at when step is lost.
    fn packets<'a>(&mut self, bytes: &'a [u8], collector: &mut Collector) -> &'a [u8] {
        let mut rest = bytes;
        if !self.carry.is_empty() {
            let mut carry = std::mem::take(&mut self.carry);
            let missing = (PACKET_LEN - carry.len() % PACKET_LEN) % PACKET_LEN;
            let taken = missing.min(rest.len());
            carry.extend_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            let used = self.whole_packets(&carry, collector);
            carry.drain(..used);
            self.carry = carry;
            if !self.carry.is_empty() {
                return rest;
            }
        }
        let used = self.whole_packets(rest, collector);
        if self.in_step {
            self.carry.extend_from_slice(&rest[used..]);
            return &[];
        }
        &rest[used..]
    }

    /// Returns how many bytes were used: all whole packets, or those up to where step was lost.
    fn whole_packets(&mut self, bytes: &[u8], collector: &mut Collector) -> usize {
        let (packets, _) = bytes.as_chunks::<PACKET_LEN>();
        for (index, packet) in packets.iter().enumerate() {
            if packet[0] != SYNC_BYTE {
                self.in_step = false;
                collector.damaged(0);
                return index * PACKET_LEN;
            }
            match Packet::parse(packet) {
                Some(packet) if !packet.damaged => self.multiplex.packet(&packet, collector),
                _ => collector.damaged(PACKET_LEN),
            }
        }
        packets.len() * PACKET_LEN
    }
}

impl Multiplex {
    fn packet(&mut self, packet: &Packet<'_>, collector: &mut Collector) {
        if packet.pid == NULL_PID {
            return;
        }
        for PlayedStream { pes, elementary, .. } in self.streams.iter_mut().filter(|s| s.pid != packet.pid) {
            let outcome = pes.interlude(|pes| elementary.pes(&pes, &mut self.time, collector));
            count(outcome, collector);
        }
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.pid == packet.pid) {
            if packet.scrambled {
                collector.note(format!("PID {} is scrambled and cannot be played", packet.pid));
                collector.discarded(PACKET_LEN);
                return;
            }
            let PlayedStream { pes, elementary, .. } = stream;
            let outcome = pes.push(packet, |pes| elementary.pes(&pes, &mut self.time, collector));
            count(outcome, collector);
        } else if let Some(payload) = packet.payload {
            self.table(packet, payload, collector);
        }
    }

    fn table(&mut self, packet: &Packet<'_>, payload: &[u8], collector: &mut Collector) {
        if packet.pid == PAT_PID {
            let mut tables = Vec::new();
            let damaged = self.pat.push(payload, packet.unit_start, |section| {
                tables.extend(ProgramAssociation::parse(section));
            });
            (0..damaged).for_each(|_| collector.damaged(0));
            tables.into_iter().for_each(|table| self.associate(table));
        } else if let Some(map) = self.maps.iter_mut().find(|map| map.pid == packet.pid) {
            let mut tables = Vec::new();
            let damaged = map.assembler.push(payload, packet.unit_start, |section| {
                tables.extend(ProgramMap::parse(section));
            });
            (0..damaged).for_each(|_| collector.damaged(0));
            tables.into_iter().for_each(|table| self.map(table, collector));
        }
    }

    /// A new version replaces the programs known; further sections of one version add to them.
    fn associate(&mut self, table: ProgramAssociation) {
        let changed = self.pat_version.replace(table.version) != Some(table.version);
        if changed {
            self.maps.retain(|map| table.programs.iter().any(|(_, pid)| *pid == map.pid));
        }
        for (_, pid) in table.programs {
            if self.maps.len() < MAX_PROGRAMS && self.maps.iter().all(|map| map.pid != pid) {
                self.maps.push(MapPid { pid, assembler: SectionAssembler::default() });
            }
        }
        if changed {
            // The program may have another number now; its next map decides.
            self.program = None;
        }
    }

    fn map(&mut self, table: ProgramMap, collector: &mut Collector) {
        match &self.program {
            Some((number, _)) if *number != table.program => {
                collector.note(format!("program {} is left out: program {number} is played", table.program));
                return;
            }
            Some((_, known)) if *known == table => return,
            _ => {}
        }
        let mut played: Vec<(TrackId, u16, StreamKind)> = Vec::new();
        for entry in &table.streams {
            match StreamKind::of(entry) {
                Ok(kind) if played.iter().any(|(id, ..)| *id == kind.track_id()) => {
                    collector.note(format!("PID {} is left out: another of its kind is played", entry.pid));
                }
                Ok(kind) => played.push((kind.track_id(), entry.pid, kind)),
                Err(what) => collector.note(format!("PID {} is left out: {what}", entry.pid)),
            }
        }
        if played.is_empty() {
            return;
        }
        let mut before = std::mem::take(&mut self.streams);
        for &(_, pid, kind) in &played {
            let known = before.iter().position(|stream| stream.pid == pid && stream.kind == kind);
            let stream = match known {
                Some(index) => before.swap_remove(index),
                None => {
                    PlayedStream { pid, kind, pes: PesAssembler::new(), elementary: Elementary::new(kind) }
                }
            };
            self.streams.push(stream);
        }
        let ids: Vec<TrackId> = played.iter().map(|(id, ..)| *id).collect();
        collector.announce(&ids);
        self.program = Some((table.program, table));
    }
}

/// Where packets start in `bytes`: the first place with three sync bytes in step. At the end of the input two, or one,
/// must do.
pub(super) fn in_step(bytes: &[u8], complete: bool) -> Option<usize> {
    let is_sync = |at: usize| bytes.get(at).map(|byte| *byte == SYNC_BYTE);
    (0..bytes.len()).find(|&start| {
        let signs = [start, start + PACKET_LEN, start + 2 * PACKET_LEN].map(is_sync);
        let enough = signs[2].is_some() || (complete && start + PACKET_LEN <= bytes.len());
        enough && signs.iter().all(|sign| sign.unwrap_or(complete))
    })
}

fn count(outcome: Outcome, collector: &mut Collector) {
    if let Some(discarded) = outcome.damaged {
        collector.damaged(discarded);
    }
    if outcome.was_premature {
        collector.note(
            "pictures of this multiplexer end only where the next one starts: one picture of extra delay",
        );
    }
}

/// So many bytes hold three sync bytes in step wherever the first packet starts.
const SEARCH_LEN: usize = 3 * PACKET_LEN;
const PAT_PID: u16 = 0;
const NULL_PID: u16 = 0x1fff;
/// Programs whose maps are read at most.
const MAX_PROGRAMS: usize = 64;
