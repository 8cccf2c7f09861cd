//! The initialization segment: `ftyp` and `moov`, ISO/IEC 14496-12 §4.3 and §8.2; sample entries by ISO/IEC 14496-15
//! (`avc1`, `hvc1`), 14496-14 (`mp4a`) and "Encapsulation of Opus in ISO Base Media File Format" (`Opus`).
//!
//! A live presentation has no duration and no samples here, so every table is empty and every duration is zero.

use bytes::{BufMut, Bytes};
use media::{CodecParameters, G711Law, InitSegment, MediaKind, MuxError, OpusParameters, Timescale, Track};

use super::boxes::{write_box, write_full_box};
use crate::parameters::{
    av1_configuration, avc_configuration, hevc_configuration, vp8_configuration, vp9_configuration,
};

/// Movie fragments with 64-bit `tfdt` and offsets from the `moof`.
const BRANDS: (&[u8; 4], u32, &[&[u8; 4]]) = (b"iso6", 0, &[b"iso6", b"mp41"]);

/// One track of the movie.
pub(super) struct MovieTrack<'a> {
    /// `track_ID`.
    pub(super) id: u32,
    /// The timescale of its `mdhd`, in which its fragments count.
    pub(super) timescale: Timescale,
    pub(super) parameters: &'a CodecParameters,
    /// See [`configuration`].
    pub(super) configuration: Bytes,
    /// Bits per second for `btrt`, where that is wanted.
    pub(super) bitrate: Option<u32>,
}

/// The initialization segment of these tracks.
pub(super) fn init_segment<'a>(tracks: impl Iterator<Item = &'a Track>) -> Result<InitSegment, MuxError> {
    let movie_track = |track: &'a Track| {
        Ok(MovieTrack {
            id: track.id.0,
            timescale: track.timescale,
            parameters: &track.parameters,
            configuration: configuration(&track.parameters)?,
            bitrate: None,
        })
    };
    let tracks = tracks.map(movie_track).collect::<Result<Vec<_>, MuxError>>()?;
    let mut bytes = Vec::with_capacity(1024);
    write_ftyp(&mut bytes, BRANDS.0, BRANDS.1, BRANDS.2);
    write_moov(&mut bytes, &tracks, |_| ());
    Ok(InitSegment { mime: mime(&tracks), bytes: bytes.into() })
}

/// What the sample entry has of the codec's own: the `avcC`, `hvcC`, `av1C` or `vpcC` record, or the AudioSpecificConfig; empty for Opus.
pub(super) fn configuration(parameters: &CodecParameters) -> Result<Bytes, MuxError> {
    match parameters {
        CodecParameters::H264(parameters) => avc_configuration(parameters),
        CodecParameters::H265(parameters) => hevc_configuration(parameters),
        CodecParameters::Av1(parameters) => Ok(av1_configuration(parameters)),
        CodecParameters::Aac(parameters) => Ok(parameters.config().clone()),
        CodecParameters::Vp8(parameters) => Ok(vp8_configuration(*parameters)),
        CodecParameters::Vp9(parameters) => Ok(vp9_configuration(*parameters)),
        CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_)
        | CodecParameters::Opus(_)
        | CodecParameters::G711(_)
        | CodecParameters::MpegAudio(_) => Ok(Bytes::new()),
    }
}

/// `video/mp4; codecs="…"` as `MediaSource.isTypeSupported` wants it.
pub(super) fn mime(tracks: &[MovieTrack<'_>]) -> String {
    let kind = if tracks.iter().any(|t| t.parameters.kind() == MediaKind::Video) { "video" } else { "audio" };
    let codecs: Vec<_> = tracks.iter().map(|track| track.parameters.rfc6381()).collect();
    format!("{kind}/mp4; codecs=\"{}\"", codecs.join(","))
}

/// `ftyp`.
pub(super) fn write_ftyp(out: &mut Vec<u8>, major: &[u8; 4], minor: u32, compatible: &[&[u8; 4]]) {
    write_box(out, b"ftyp", |out| {
        out.put_slice(major);
        out.put_u32(minor);
        for brand in compatible {
            out.put_slice(*brand);
        }
    });
}

/// `moov` with one `trak` and one `trex` a track; `tail` writes what is to follow them.
pub(super) fn write_moov(out: &mut Vec<u8>, tracks: &[MovieTrack<'_>], tail: impl FnOnce(&mut Vec<u8>)) {
    let next_track = tracks.iter().map(|track| track.id).max().unwrap_or(0).saturating_add(1);
    write_box(out, b"moov", |out| {
        write_full_box(out, b"mvhd", 0, 0, |out| {
            out.put_bytes(0, 8); // creation and modification time
            out.put_u32(1_000);
            out.put_u32(0); // duration
            out.put_u32(0x0001_0000); // rate
            out.put_u16(0x0100); // volume
            out.put_bytes(0, 10);
            write_matrix(out);
            out.put_bytes(0, 24);
            out.put_u32(next_track);
        });
        for track in tracks {
            write_trak(out, track);
        }
        write_box(out, b"mvex", |out| {
            for track in tracks {
                write_full_box(out, b"trex", 0, 0, |out| {
                    out.put_u32(track.id);
                    out.put_u32(1); // sample description
                    out.put_bytes(0, 12); // duration, size, flags: in each fragment
                });
            }
        });
        tail(out);
    });
}

fn write_trak(out: &mut Vec<u8>, track: &MovieTrack<'_>) {
    let kind = track.parameters.kind();
    write_box(out, b"trak", |out| {
        // Flags: enabled, in the movie.
        write_full_box(out, b"tkhd", 0, 3, |out| {
            out.put_bytes(0, 8);
            out.put_u32(track.id);
            out.put_bytes(0, 4 + 4 + 8); // reserved, duration, reserved
            out.put_u16(0); // layer
            out.put_u16(u16::from(kind == MediaKind::Audio)); // alternate group
            out.put_u16(if kind == MediaKind::Audio { 0x0100 } else { 0 });
            out.put_u16(0);
            write_matrix(out);
            let (width, height) = track.parameters.dimensions().unwrap_or((0, 0));
            out.put_u32(width << 16);
            out.put_u32(height << 16);
        });
        write_box(out, b"mdia", |out| write_mdia(out, track));
    });
}

fn write_mdia(out: &mut Vec<u8>, track: &MovieTrack<'_>) {
    let kind = track.parameters.kind();
    write_full_box(out, b"mdhd", 0, 0, |out| {
        out.put_bytes(0, 8);
        out.put_u32(track.timescale.hz());
        out.put_u32(0);
        out.put_u16(0x55c4); // language: und
        out.put_u16(0);
    });
    let (handler, name): (&[u8; 4], &[u8]) = match kind {
        MediaKind::Video => (b"vide", b"VideoHandler\0"),
        MediaKind::Audio => (b"soun", b"SoundHandler\0"),
    };
    write_full_box(out, b"hdlr", 0, 0, |out| {
        out.put_u32(0);
        out.put_slice(handler);
        out.put_bytes(0, 12);
        out.put_slice(name);
    });
    write_box(out, b"minf", |out| {
        match kind {
            MediaKind::Video => write_full_box(out, b"vmhd", 0, 1, |out| out.put_bytes(0, 8)),
            MediaKind::Audio => write_full_box(out, b"smhd", 0, 0, |out| out.put_bytes(0, 4)),
        }
        write_box(out, b"dinf", |out| {
            write_full_box(out, b"dref", 0, 0, |out| {
                out.put_u32(1);
                // Flags: the media is in this file.
                write_full_box(out, b"url ", 0, 1, |_| ());
            });
        });
        write_box(out, b"stbl", |out| {
            write_full_box(out, b"stsd", 0, 0, |out| {
                out.put_u32(1);
                write_sample_entry(out, track);
            });
            write_full_box(out, b"stts", 0, 0, |out| out.put_u32(0));
            write_full_box(out, b"stsc", 0, 0, |out| out.put_u32(0));
            write_full_box(out, b"stsz", 0, 0, |out| out.put_u64(0));
            write_full_box(out, b"stco", 0, 0, |out| out.put_u32(0));
        });
    });
}

fn write_sample_entry(out: &mut Vec<u8>, track: &MovieTrack<'_>) {
    match track.parameters {
        CodecParameters::H264(_) => write_visual_entry(out, (b"avc1", b"avcC"), track),
        CodecParameters::H265(_) => write_visual_entry(out, (b"hvc1", b"hvcC"), track),
        CodecParameters::Av1(_) => write_visual_entry(out, (b"av01", b"av1C"), track),
        CodecParameters::Vp8(_) => write_visual_entry(out, (b"vp08", b"vpcC"), track),
        CodecParameters::Vp9(_) => write_visual_entry(out, (b"vp09", b"vpcC"), track),
        CodecParameters::Aac(parameters) => {
            write_audio_entry(out, b"mp4a", parameters.channels(), parameters.sample_rate(), |out| {
                write_esds(out, &track.configuration);
            });
        }
        CodecParameters::Opus(parameters) => {
            write_audio_entry(out, b"Opus", parameters.channels(), 48_000, |out| {
                write_dops(out, *parameters);
            });
        }
        // As QuickTime names them; no browser takes these, so `carries` leaves them out.
        CodecParameters::Jpeg(_) => write_visual_entry(out, (b"mjpa", b"free"), track),
        CodecParameters::MpegVideo(_) => write_visual_entry(out, (b"mp1v", b"free"), track),
        CodecParameters::MpegAudio(parameters) => {
            write_audio_entry(out, b".mp3", parameters.channels(), parameters.sample_rate(), |_| ());
        }
        CodecParameters::G711(parameters) => {
            let name = match parameters.law() {
                G711Law::Mu => b"ulaw",
                G711Law::A => b"alaw",
            };
            write_audio_entry(out, name, parameters.channels(), parameters.sample_rate(), |_| ());
        }
    }
}

/// ISO/IEC 14496-12 §12.1.3, with the box of the codec's configuration.
fn write_visual_entry(
    out: &mut Vec<u8>,
    (name, configuration): (&[u8; 4], &[u8; 4]),
    track: &MovieTrack<'_>,
) {
    let (width, height) = track.parameters.dimensions().unwrap_or((0, 0));
    write_box(out, name, |out| {
        out.put_bytes(0, 6);
        out.put_u16(1); // data reference
        out.put_bytes(0, 16);
        // No parameters have a larger size than 16384.
        out.put_u16(u16::try_from(width).unwrap_or(u16::MAX));
        out.put_u16(u16::try_from(height).unwrap_or(u16::MAX));
        out.put_u32(0x0048_0000); // 72 dpi
        out.put_u32(0x0048_0000);
        out.put_u32(0);
        out.put_u16(1); // pictures a sample
        out.put_bytes(0, 32); // compressor name
        out.put_u16(0x0018); // depth
        out.put_u16(0xffff);
        write_box(out, configuration, |out| out.put_slice(&track.configuration));
        if let Some(bitrate) = track.bitrate {
            write_box(out, b"btrt", |out| {
                out.put_u32(0);
                out.put_u32(bitrate);
                out.put_u32(bitrate);
            });
        }
    });
}

fn write_audio_entry(
    out: &mut Vec<u8>,
    name: &[u8; 4],
    channels: u8,
    sample_rate: u32,
    configuration: impl FnOnce(&mut Vec<u8>),
) {
    write_box(out, name, |out| {
        out.put_bytes(0, 6);
        out.put_u16(1); // data reference
        out.put_bytes(0, 8);
        out.put_u16(channels.into());
        out.put_u16(16); // bits a sample
        out.put_u32(0);
        // 16.16: a rate that does not fit is left to the codec's own configuration.
        out.put_u32(u16::try_from(sample_rate).map_or(0, u32::from) << 16);
        configuration(out);
    });
}

/// ISO/IEC 14496-1 §7.2.6: the elementary stream descriptor with the AudioSpecificConfig in it.
fn write_esds(out: &mut Vec<u8>, config: &[u8]) {
    write_full_box(out, b"esds", 0, 0, |out| {
        // Each length is written in four bytes, so a descriptor takes five and its body.
        let specific = 5 + config.len();
        let decoder = 13 + specific;
        put_descriptor(out, 0x03, 3 + 5 + decoder + 5 + 1);
        out.put_u16(0); // ES_ID
        out.put_u8(0);
        put_descriptor(out, 0x04, decoder);
        out.put_u8(0x40); // MPEG-4 audio
        out.put_u8(5 << 2 | 1); // audio stream
        out.put_bytes(0, 3 + 4 + 4); // buffer size and bit rates: unknown
        put_descriptor(out, 0x05, config.len());
        out.put_slice(config);
        put_descriptor(out, 0x06, 1);
        out.put_u8(2);
    });
}

fn put_descriptor(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.put_u8(tag);
    for shift in [21, 14, 7] {
        out.put_u8(0x80 | u8::try_from(length >> shift & 0x7f).unwrap_or(0));
    }
    out.put_u8(u8::try_from(length & 0x7f).unwrap_or(0));
}

fn write_dops(out: &mut Vec<u8>, parameters: OpusParameters) {
    write_box(out, b"dOps", |out| {
        out.put_u8(0); // version
        out.put_u8(parameters.channels());
        out.put_u16(parameters.pre_skip());
        out.put_u32(48_000);
        out.put_u16(0); // gain
        out.put_u8(0); // mapping family
    });
}

/// The unity matrix.
fn write_matrix(out: &mut Vec<u8>) {
    for value in [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000] {
        out.put_u32(value);
    }
}
