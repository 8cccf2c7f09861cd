//! Program specific information: sections, ISO/IEC 13818-1 §2.4.4, and the two tables that say what a multiplex holds.
//!
//! A section counts only if its CRC is right. Not here: what to do with a program (see the demuxer).

/// Puts the sections of one PID together from packet payloads.
#[derive(Debug, Default)]
pub(super) struct SectionAssembler {
    buffer: Vec<u8>,
    started: bool,
}

impl SectionAssembler {
    /// Takes one packet's payload. Complete sections with a right CRC go to `section`, header to CRC exclusive; returns
    /// how many were damaged.
    pub(super) fn push(&mut self, payload: &[u8], unit_start: bool, mut section: impl FnMut(&[u8])) -> usize {
        let mut damaged = 0;
        if unit_start {
            let Some((pointer, rest)) = payload.split_first() else { return 0 };
            let Some((end, begin)) = rest.split_at_checked(usize::from(*pointer)) else {
                self.reset();
                return 1;
            };
            if self.started {
                self.buffer.extend_from_slice(end);
                damaged += self.drain(&mut section);
            }
            self.buffer.clear();
            self.started = true;
            self.buffer.extend_from_slice(begin);
        } else if self.started {
            self.buffer.extend_from_slice(payload);
        }
        damaged + self.drain(&mut section)
    }

    /// Forgets a section in the making: packets of it are missing.
    pub(super) fn reset(&mut self) {
        self.buffer.clear();
        self.started = false;
    }

    fn drain(&mut self, section: &mut impl FnMut(&[u8])) -> usize {
        let mut damaged = 0;
        let mut at = 0;
        while let Some(&[table, high, low]) = self.buffer.get(at..at + 3) {
            if table == STUFFING {
                self.reset();
                return damaged;
            }
            let end = at + 3 + (usize::from(high & 0x0f) << 8 | usize::from(low));
            let Some(bytes) = self.buffer.get(at..end) else { break };
            if bytes.len() >= 12 && crc32(bytes) == 0 {
                section(&bytes[..bytes.len() - 4]);
            } else {
                damaged += 1;
            }
            at = end;
        }
        self.buffer.drain(..at.min(self.buffer.len()));
        damaged
    }
}

/// One section of the program association table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProgramAssociation {
    pub(super) version: u8,
    /// Program number and the PID of its map, without the network entry.
    pub(super) programs: Vec<(u16, u16)>,
}

impl ProgramAssociation {
    /// From a section whose CRC was right; `None` if it is another table or not yet in force.
    pub(super) fn parse(section: &[u8]) -> Option<Self> {
        if section.first() != Some(&0x00) || section.get(5)? & 1 == 0 {
            return None;
        }
        let programs = section
            .get(8..)?
            .chunks_exact(4)
            .map(|entry| (u16::from_be_bytes([entry[0], entry[1]]), pid(entry[2], entry[3])))
            .filter(|(number, _)| *number != 0)
            .collect();
        Some(Self { version: section[5] >> 1 & 0x1f, programs })
    }
}

/// The program map table: the elementary streams of one program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProgramMap {
    pub(super) program: u16,
    pub(super) streams: Vec<StreamEntry>,
}

/// One elementary stream in a program map.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StreamEntry {
    pub(super) stream_type: u8,
    pub(super) pid: u16,
    /// `format_identifier` of its registration descriptor.
    pub(super) registration: Option<[u8; 4]>,
    /// `channel_config_code` of its Opus extension descriptor.
    pub(super) opus_channels: Option<u8>,
}

impl ProgramMap {
    /// From a section whose CRC was right; `None` if it is another table, not yet in force or cut short.
    pub(super) fn parse(section: &[u8]) -> Option<Self> {
        if section.first() != Some(&0x02) || section.get(5)? & 1 == 0 {
            return None;
        }
        let program = u16::from_be_bytes([section[3], section[4]]);
        let info = usize::from(section.get(10)? & 0x0f) << 8 | usize::from(*section.get(11)?);
        let mut rest = section.get(12 + info..)?;
        let mut streams = Vec::new();
        while let Some((&[stream_type, a, b, c, d], tail)) = rest.split_first_chunk() {
            let (descriptors, tail) = tail.split_at_checked(usize::from(c & 0x0f) << 8 | usize::from(d))?;
            let mut entry =
                StreamEntry { stream_type, pid: pid(a, b), registration: None, opus_channels: None };
            entry.read_descriptors(descriptors);
            streams.push(entry);
            rest = tail;
        }
        Some(Self { program, streams })
    }
}

impl StreamEntry {
    fn read_descriptors(&mut self, mut descriptors: &[u8]) {
        while let Some((&[tag, len], tail)) = descriptors.split_first_chunk() {
            let Some((body, tail)) = tail.split_at_checked(usize::from(len)) else { return };
            match (tag, body) {
                (REGISTRATION, &[a, b, c, d, ..]) => self.registration = Some([a, b, c, d]),
                (EXTENSION, &[EXTENSION_OPUS, channels, ..]) => self.opus_channels = Some(channels),
                _ => {}
            }
            descriptors = tail;
        }
    }
}

/// CRC of ISO/IEC 13818-1 annex A; zero over a section with its right CRC.
fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| (crc << 8) ^ CRC_TABLE[usize::from((crc >> 24) as u8 ^ byte)])
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from(high & 0x1f) << 8 | u16::from(low)
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 << 31 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};
const STUFFING: u8 = 0xff;
const REGISTRATION: u8 = 0x05;
const EXTENSION: u8 = 0x7f;
const EXTENSION_OPUS: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    /// The PAT that ffmpeg writes: program 1, map on PID 0x1000.
    const PAT: [u8; 16] =
        [0x00, 0xb0, 0x0d, 0x00, 0x01, 0xc1, 0x00, 0x00, 0x00, 0x01, 0xf0, 0x00, 0x2a, 0xb1, 0x04, 0xb2];

    fn collect(assembler: &mut SectionAssembler, payload: &[u8], unit_start: bool) -> (usize, Vec<Vec<u8>>) {
        let mut sections = Vec::new();
        let damaged = assembler.push(payload, unit_start, |section| sections.push(section.to_vec()));
        (damaged, sections)
    }

    #[test]
    fn a_section_is_read_and_stuffing_after_it_ignored() {
        let payload = [&[0], &PAT[..], &[0xff; 100]].concat();
        let (damaged, sections) = collect(&mut SectionAssembler::default(), &payload, true);
        assert_eq!((damaged, sections.len()), (0, 1));
        let table = ProgramAssociation::parse(&sections[0]).unwrap();
        assert_eq!(table, ProgramAssociation { version: 0, programs: vec![(1, 0x1000)] });
    }

    #[test]
    fn a_section_may_end_behind_the_pointer_of_the_next_packet() {
        let mut assembler = SectionAssembler::default();
        assert_eq!(collect(&mut assembler, &[&[0], &PAT[..10]].concat(), true), (0, vec![]));
        let (damaged, sections) = collect(&mut assembler, &[&[6], &PAT[10..], &PAT[..]].concat(), true);
        assert_eq!((damaged, sections.len()), (0, 2));
    }

    #[test]
    fn a_wrong_checksum_drops_the_section() {
        let mut bytes = PAT;
        bytes[9] ^= 1;
        let (damaged, sections) =
            collect(&mut SectionAssembler::default(), &[&[0], &bytes[..]].concat(), true);
        assert_eq!((damaged, sections.len()), (1, 0));
    }

    #[test]
    fn a_program_map_cut_in_its_descriptors_is_refused() {
        let mut section =
            vec![0x02, 0xb0, 0, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0x00, 0xf0, 0x00];
        let entry = StreamEntry { stream_type: 0x1b, pid: 0x100, registration: None, opus_channels: None };
        assert_eq!(ProgramMap::parse(&section).unwrap().streams, [entry]);
        section[16] = 4;
        assert_eq!(ProgramMap::parse(&section), None);
    }
}
