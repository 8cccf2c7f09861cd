//! Packetized elementary stream packets, ISO/IEC 13818-1 §2.4.3.6, put together from transport packets of one PID.
//!
//! A PES packet ends where its length says. Video mostly has none (length 0) and then ends where the next one starts,
//! which is a whole picture later. Three [`Sign`]s save that wait. A packet with a gap in it is dropped whole: half a
//! picture is worth less than a known loss.

use super::packet::{PACKET_LEN, Packet};
use super::pauses::Pauses;
use super::timestamp::read_stamp;

/// By what a PES packet without a length was taken as complete before the next one began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// Stuffing: a multiplexer stuffs only when it has nothing more of the picture. Holds for ffmpeg and GStreamer, and
    /// for every multiplexer that aligns pictures to packets.
    Stuffing,
    /// A packet of another stream, or a table.
    Interlude,
    /// The input fell silent.
    Silence,
}

/// Puts PES packets together; bounded to 8 MiB.
#[derive(Debug)]
pub(super) struct PesAssembler {
    buffer: Vec<u8>,
    state: State,
    /// Stuffing has not been seen within a picture yet.
    aligned: bool,
    interludes: Pauses,
    silences: Pauses,
    counter: Option<u8>,
    /// Payload of the last transport packet: a repetition has the same counter and the same payload.
    last: Vec<u8>,
    /// Transport packets missing since the last complete PES packet.
    lost: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing can be used until the next start.
    Waiting,
    Open,
    /// Given out before the next start proved that it was over.
    EndedEarly(Sign),
}

/// What a transport packet did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Damage was found, and so many bytes are thrown away.
    pub(super) damaged: Option<usize>,
    /// The early end turned out wrong; from now on pictures end at the next start.
    pub(super) was_premature: bool,
}

/// One complete PES packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pes<'a> {
    pub(super) pts: Option<u64>,
    pub(super) dts: Option<u64>,
    pub(super) payload: &'a [u8],
    /// Transport packets known to be lost before it.
    pub(super) lost: u16,
}

impl PesAssembler {
    pub(super) fn new() -> Self {
        Self {
            buffer: Vec::new(),
            state: State::Waiting,
            aligned: true,
            interludes: Pauses::new(),
            silences: Pauses::new(),
            counter: None,
            last: Vec::with_capacity(PACKET_LEN),
            lost: 0,
        }
    }

    /// Takes one transport packet with payload; each PES packet completed by it goes to `complete`.
    pub(super) fn push(&mut self, packet: &Packet<'_>, mut complete: impl FnMut(Pes<'_>)) -> Outcome {
        let Some(payload) = packet.payload else {
            if packet.discontinuity {
                self.counter = None;
            }
            return Outcome::default();
        };
        let mut outcome = Outcome::default();
        match self.missing_before(packet, payload) {
            Continuity::Duplicate => return outcome,
            Continuity::Missing(packets) => {
                self.lost = self.lost.saturating_add(packets);
                outcome.damaged = Some(self.abandon());
            }
            Continuity::Follows => {}
        }
        if packet.unit_start {
            self.finish_at_start(&mut outcome, &mut complete);
            self.state = State::Open;
        } else if let State::EndedEarly(sign) = self.state {
            self.distrust(sign);
            self.state = State::Waiting;
            self.lost = self.lost.saturating_add(1);
            outcome = Outcome { damaged: Some(payload.len()), was_premature: sign == Sign::Stuffing };
        } else {
            self.interludes.picture_goes_on();
            self.silences.picture_goes_on();
        }
        if self.state != State::Open {
            return outcome;
        }
        if self.buffer.len() + payload.len() > MAX_PES_LEN {
            self.lost = self.lost.saturating_add(1);
            outcome.damaged = Some(payload.len() + self.abandon());
            return outcome;
        }
        self.buffer.extend_from_slice(payload);
        match self.stated_len() {
            Some(len) if self.buffer.len() >= len => {
                self.buffer.truncate(len);
                self.finish(&mut outcome, &mut complete);
                self.state = State::Waiting;
            }
            None if packet.stuffed && self.aligned => {
                self.finish(&mut outcome, &mut complete);
                self.state = State::EndedEarly(Sign::Stuffing);
            }
            _ => {}
        }
        outcome
    }

    /// The input is silent: what is buffered of a picture without length is probably all of it.
    pub(super) fn idle(&mut self, complete: impl FnMut(Pes<'_>)) -> Outcome {
        self.pause(Sign::Silence, complete)
    }

    /// A packet of another stream came, which may mean the same.
    pub(super) fn interlude(&mut self, complete: impl FnMut(Pes<'_>)) -> Outcome {
        self.pause(Sign::Interlude, complete)
    }

    fn pause(&mut self, sign: Sign, complete: impl FnMut(Pes<'_>)) -> Outcome {
        let mut outcome = Outcome::default();
        let unbounded =
            self.state == State::Open && self.stated_len().is_none() && self.buffer.len() >= HEADER_LEN;
        if unbounded && self.aligned {
            let pauses = if sign == Sign::Silence { &mut self.silences } else { &mut self.interludes };
            if pauses.ends_picture(self.buffer.len()) {
                self.finish(&mut outcome, complete);
                self.state = State::EndedEarly(sign);
            }
        }
        outcome
    }

    /// The sign was no end.
    fn distrust(&mut self, sign: Sign) {
        match sign {
            Sign::Stuffing => self.aligned = false,
            Sign::Interlude => self.interludes.lied(),
            Sign::Silence => self.silences.lied(),
        }
    }

    /// The input is over.
    pub(super) fn end(&mut self, complete: impl FnMut(Pes<'_>)) -> Outcome {
        let mut outcome = Outcome::default();
        self.finish_at_start(&mut outcome, complete);
        self.state = State::Waiting;
        outcome
    }

    fn missing_before(&mut self, packet: &Packet<'_>, payload: &[u8]) -> Continuity {
        let before = self.counter.replace(packet.counter);
        let repeated = self.last == payload;
        self.last.clear();
        self.last.extend_from_slice(payload);
        let Some(before) = before.filter(|_| !packet.discontinuity) else { return Continuity::Follows };
        match packet.counter.wrapping_sub(before) & 0x0f {
            0 if repeated => Continuity::Duplicate,
            1 => Continuity::Follows,
            step => Continuity::Missing((u16::from(step) + 15) % 16),
        }
    }

    /// Throws away what is buffered; returns how much that was.
    fn abandon(&mut self) -> usize {
        let discarded = self.buffer.len();
        self.buffer.clear();
        self.state = State::Waiting;
        discarded
    }

    fn finish_at_start(&mut self, outcome: &mut Outcome, complete: impl FnMut(Pes<'_>)) {
        if self.state != State::Open {
            return;
        }
        if self.stated_len().is_some() {
            // A stated length that was never reached: bytes are missing although the counter did not tell.
            self.lost = self.lost.saturating_add(1);
            outcome.damaged = Some(self.abandon());
        } else {
            self.finish(outcome, complete);
        }
    }

    fn finish(&mut self, outcome: &mut Outcome, mut complete: impl FnMut(Pes<'_>)) {
        self.interludes.picture_is_whole(self.buffer.len());
        self.silences.picture_is_whole(self.buffer.len());
        match Pes::parse(&self.buffer, self.lost) {
            Some(pes) => {
                self.lost = 0;
                complete(pes);
            }
            None => {
                self.lost = self.lost.saturating_add(1);
                outcome.damaged = Some(outcome.damaged.unwrap_or(0) + self.buffer.len());
            }
        }
        self.buffer.clear();
    }

    /// Length of the whole packet, header included; `None` while unknown or if there is none.
    fn stated_len(&self) -> Option<usize> {
        let &[0, 0, 1, _, high, low] = self.buffer.get(..6)? else { return None };
        Some(usize::from(high) << 8 | usize::from(low)).filter(|len| *len != 0).map(|len| len + 6)
    }
}

impl<'a> Pes<'a> {
    fn parse(bytes: &'a [u8], lost: u16) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER_LEN)?;
        if header[..3] != [0, 0, 1] || header[6] & 0xc0 != 0x80 {
            return None;
        }
        let (fields, payload) = rest.split_at_checked(usize::from(header[8]))?;
        let pts = if header[7] & 0x80 != 0 { read_stamp(fields) } else { None };
        let dts = if header[7] & 0xc0 == 0xc0 { fields.get(5..).and_then(read_stamp) } else { None };
        Some(Self { pts, dts, payload, lost })
    }
}

enum Continuity {
    Follows,
    Duplicate,
    Missing(u16),
}

/// Start code, stream id, length, flags and header length.
const HEADER_LEN: usize = 9;
const MAX_PES_LEN: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    struct Run {
        assembler: PesAssembler,
        counter: u8,
        payloads: Vec<(Vec<u8>, u16)>,
    }

    impl Run {
        fn new() -> Self {
            Self { assembler: PesAssembler::new(), counter: 0, payloads: Vec::new() }
        }

        fn packet(&mut self, unit_start: bool, stuffed: bool, payload: &[u8]) -> Outcome {
            let packet = Packet {
                pid: 0x100,
                unit_start,
                damaged: false,
                scrambled: false,
                counter: self.counter,
                discontinuity: false,
                stuffed,
                payload: Some(payload),
            };
            self.counter = (self.counter + 1) & 0x0f;
            self.assembler.push(&packet, |pes| self.payloads.push((pes.payload.to_vec(), pes.lost)))
        }

        fn idle(&mut self) {
            self.assembler.idle(|pes| self.payloads.push((pes.payload.to_vec(), pes.lost)));
        }
    }

    fn start(len: u8, payload: &[u8]) -> Vec<u8> {
        let len = if len == 0 { 0 } else { len + 8 };
        [&[0, 0, 1, 0xe0, 0, len, 0x80, 0x80, 5, 0x21, 0x00, 0x07, 0xd8, 0x61], payload].concat()
    }

    #[test]
    fn a_packet_with_a_length_is_complete_at_once() {
        let mut run = Run::new();
        run.packet(true, false, &start(4, b"ab"));
        assert!(run.payloads.is_empty());
        run.packet(false, false, b"cdJUNK");
        assert_eq!(run.payloads, [(b"abcd".to_vec(), 0)]);
    }

    #[test]
    fn a_packet_without_length_ends_at_stuffing() {
        let mut run = Run::new();
        run.packet(true, false, &start(0, b"ab"));
        run.packet(false, true, b"cd");
        assert_eq!(run.payloads, [(b"abcd".to_vec(), 0)]);
    }

    #[test]
    fn a_multiplexer_that_stuffs_within_a_picture_is_remembered() {
        let mut run = Run::new();
        run.packet(true, true, &start(0, b"ab"));
        let outcome = run.packet(false, false, b"cd");
        assert_eq!(outcome, Outcome { damaged: Some(2), was_premature: true });
        run.packet(true, true, &start(0, b"ef"));
        run.packet(false, true, b"gh");
        run.packet(true, false, &start(0, b"ij"));
        assert_eq!(run.payloads, [(b"ab".to_vec(), 0), (b"efgh".to_vec(), 1)]);
    }

    /// Four pictures of 40 bytes, each by its own stuffing.
    fn of_whole_pictures() -> Run {
        let mut run = Run::new();
        for _ in 0..4 {
            run.packet(true, false, &start(0, &[1; 20]));
            run.packet(false, true, &[2; 20]);
        }
        assert_eq!(std::mem::take(&mut run.payloads).len(), 4);
        run
    }

    #[test]
    fn a_picture_that_fills_its_packets_ends_at_silence_once_larger_ones_came_without() {
        let mut run = Run::new();
        run.packet(true, false, &start(0, b"ab"));
        run.idle();
        assert!(run.payloads.is_empty(), "nothing is known of the sender");
        let mut run = of_whole_pictures();
        run.packet(true, false, &start(9, b"ef"));
        run.idle();
        assert!(run.payloads.is_empty(), "its length says that more is to come");
        run.packet(true, false, &start(0, b"ab"));
        run.idle();
        assert_eq!(run.payloads, [(b"ab".to_vec(), 1)]);
    }

    #[test]
    fn a_picture_that_fills_its_packets_ends_at_a_packet_of_another_stream() {
        let mut run = of_whole_pictures();
        run.packet(true, false, &start(0, b"ab"));
        run.assembler.interlude(|pes| run.payloads.push((pes.payload.to_vec(), pes.lost)));
        assert_eq!(run.payloads, [(b"ab".to_vec(), 0)]);
    }

    #[test]
    fn silence_taken_for_an_end_in_vain_costs_one_picture_and_leaves_stuffing_believed() {
        let mut run = of_whole_pictures();
        run.packet(true, false, &start(0, b"ab"));
        run.idle();
        assert_eq!(
            run.packet(false, true, b"cd"),
            Outcome { damaged: Some(2), was_premature: false },
            "the operator need not be told of a larger delay"
        );
        run.packet(true, false, &start(0, b"ef"));
        run.idle();
        run.packet(false, true, b"gh");
        assert_eq!(run.payloads, [(b"ab".to_vec(), 0), (b"efgh".to_vec(), 1)]);
    }

    #[test]
    fn a_sender_that_pauses_within_pictures_loses_none_of_them() {
        let mut run = Run::new();
        for _ in 0..5 {
            run.packet(true, false, &start(0, b"ab"));
            run.idle();
            assert_eq!(run.packet(false, false, b"cd"), Outcome::default());
            run.idle();
            assert_eq!(run.packet(false, true, b"ef"), Outcome::default());
        }
        assert_eq!(run.payloads, vec![(b"abcdef".to_vec(), 0); 5]);
    }

    #[test]
    fn a_gap_drops_the_torn_packet_and_is_told_with_the_next() {
        let mut run = Run::new();
        run.packet(true, false, &start(0, b"ab"));
        run.counter += 3;
        assert_eq!(run.packet(false, true, b"cd").damaged, Some(16));
        run.packet(true, true, &start(0, b"ef"));
        assert_eq!(run.payloads, [(b"ef".to_vec(), 3)]);
    }

    #[test]
    fn a_repeated_packet_is_ignored() {
        let mut run = Run::new();
        run.packet(true, false, &start(0, b"ab"));
        run.counter -= 1;
        run.packet(true, false, &start(0, b"ab"));
        run.packet(false, true, b"cd");
        assert_eq!(run.payloads, [(b"abcd".to_vec(), 0)]);
    }

    #[test]
    fn another_packet_with_the_same_counter_is_a_gap() {
        let mut run = Run::new();
        run.packet(true, true, &start(0, b"ab"));
        run.counter -= 1;
        run.packet(true, true, &start(0, b"cd"));
        assert_eq!(run.payloads, [(b"ab".to_vec(), 0), (b"cd".to_vec(), 15)]);
    }

    #[test]
    fn a_declared_discontinuity_is_no_loss() {
        let mut assembler = PesAssembler::new();
        let mut lost = Vec::new();
        for (counter, discontinuity) in [(0, false), (9, true), (10, false)] {
            let payload = start(0, &[counter]);
            let packet = Packet {
                pid: 0x100,
                unit_start: true,
                damaged: false,
                scrambled: false,
                counter,
                discontinuity,
                stuffed: true,
                payload: Some(&payload),
            };
            assembler.push(&packet, |pes| lost.push(pes.lost));
        }
        assert_eq!(lost, [0, 0, 0]);
    }

    #[test]
    fn a_packet_beyond_the_bound_is_dropped() {
        let mut run = Run::new();
        run.packet(true, false, &start(0, b""));
        let block = vec![0; 1 << 20];
        let damaged: Vec<_> = (0..9).filter_map(|_| run.packet(false, false, &block).damaged).collect();
        assert_eq!(damaged, [(8 << 20) + 14]);
        assert!(run.assembler.buffer.is_empty());
    }
}
