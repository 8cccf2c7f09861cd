//! What stands in our movie fragments, read independently of the crate that writes them (ISO/IEC 14496-12).

/// A box: its type and what is in it.
pub type Box<'b> = ([u8; 4], &'b [u8]);

/// One `moof` and its `mdat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// `mfhd`.
    pub sequence: u32,
    /// One for each `traf`.
    pub tracks: Vec<TrackFragment>,
}

/// One `traf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackFragment {
    /// Track id.
    pub track: u32,
    /// `tfdt`.
    pub decode_time: u64,
    /// Of its `trun`.
    pub samples: Vec<Sample>,
}

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// In the track's timescale.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// Sample flags.
    pub flags: u32,
    /// PTS minus DTS.
    pub composition_offset: i32,
}

impl Sample {
    /// Whether decoding may start here.
    pub fn is_sync(self) -> bool {
        self.flags & 0x0001_0000 == 0
    }
}

/// The boxes that stand one after another in `bytes`; they fill it exactly.
pub fn boxes(mut bytes: &[u8]) -> Vec<Box<'_>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let size = number(bytes, 0) as usize;
        assert!((8..=bytes.len()).contains(&size), "a box of {size} bytes in {}", bytes.len());
        let kind = bytes[4..8].try_into().expect("four bytes");
        found.push((kind, &bytes[8..size]));
        bytes = &bytes[size..];
    }
    found
}

/// The first box at a path, as `["moov", "mvex"]`.
pub fn find<'b>(bytes: &'b [u8], path: &[&str]) -> Option<&'b [u8]> {
    let (first, rest) = path.split_first()?;
    let (_, inside) = boxes(bytes).into_iter().find(|(kind, _)| kind == first.as_bytes())?;
    if rest.is_empty() { Some(inside) } else { find(inside, rest) }
}

/// Whether a message is an initialization segment.
pub fn is_init(message: &[u8]) -> bool {
    message.get(4..8) == Some(b"ftyp")
}

/// Timescales of the tracks of an initialization segment, in its order.
pub fn timescales(init: &[u8]) -> Vec<u32> {
    let moov = find(init, &["moov"]).expect("an initialization segment has a moov");
    boxes(moov)
        .into_iter()
        .filter(|(kind, _)| kind == b"trak")
        .map(|(_, trak)| {
            let mdhd = find(trak, &["mdia", "mdhd"]).expect("a track has a media header");
            number(mdhd, if mdhd[0] == 1 { 20 } else { 12 })
        })
        .collect()
}

/// Width and height that an init segment's first track is shown in.
pub fn dimensions(init: &[u8]) -> (u32, u32) {
    let header = find(init, &["moov", "trak", "tkhd"]).expect("an init segment has a track");
    let (_, sides) = header.split_at(header.len() - 8);
    let side = |at: usize| u32::from_be_bytes(sides[at..at + 4].try_into().expect("four bytes")) >> 16;
    (side(0), side(4))
}

/// Reads a message that is exactly one `moof` and one `mdat`.
pub fn fragment(message: &[u8]) -> Fragment {
    let all = boxes(message);
    let kinds: Vec<&[u8]> = all.iter().map(|(kind, _)| kind.as_slice()).collect();
    assert_eq!(kinds, [b"moof", b"mdat"], "a message is one moof and one mdat");
    let moof = boxes(all[0].1);
    assert_eq!(&moof[0].0, b"mfhd");
    let tracks = moof[1..].iter().map(|(kind, traf)| {
        assert_eq!(kind, b"traf");
        track_fragment(traf)
    });
    Fragment { sequence: number(moof[0].1, 4), tracks: tracks.collect() }
}

fn track_fragment(traf: &[u8]) -> TrackFragment {
    let tfhd = find(traf, &["tfhd"]).expect("a traf has a tfhd");
    let flags = number(tfhd, 0) & 0x00ff_ffff;
    let mut fields = Fields { bytes: tfhd, at: 8 };
    let _base = (flags & 1 != 0).then(|| (fields.next(), fields.next()));
    let _description = (flags & 2 != 0).then(|| fields.next());
    let duration = (flags & 8 != 0).then(|| fields.next());
    let size = (flags & 0x10 != 0).then(|| fields.next());
    let sample_flags = (flags & 0x20 != 0).then(|| fields.next());

    let tfdt = find(traf, &["tfdt"]).expect("a traf has a tfdt");
    let decode_time = match tfdt[0] {
        0 => u64::from(number(tfdt, 4)),
        _ => u64::from(number(tfdt, 4)) << 32 | u64::from(number(tfdt, 8)),
    };

    let trun = find(traf, &["trun"]).expect("a traf has a trun");
    let run = number(trun, 0) & 0x00ff_ffff;
    let count = number(trun, 4);
    let mut fields = Fields { bytes: trun, at: 8 };
    let _data_offset = (run & 1 != 0).then(|| fields.next());
    let mut first_flags = (run & 4 != 0).then(|| fields.next());
    let samples = (0..count).map(|_| {
        let own_duration = (run & 0x100 != 0).then(|| fields.next());
        let own_size = (run & 0x200 != 0).then(|| fields.next());
        let own_flags = (run & 0x400 != 0).then(|| fields.next());
        let offset = (run & 0x800 != 0).then(|| fields.next());
        Sample {
            duration: own_duration.or(duration).unwrap_or(0),
            size: own_size.or(size).unwrap_or(0),
            flags: first_flags.take().or(own_flags).or(sample_flags).unwrap_or(0),
            composition_offset: offset.unwrap_or(0).cast_signed(),
        }
    });
    TrackFragment { track: number(tfhd, 4), decode_time, samples: samples.collect() }
}

struct Fields<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Fields<'_> {
    fn next(&mut self) -> u32 {
        self.at += 4;
        number(self.bytes, self.at - 4)
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
