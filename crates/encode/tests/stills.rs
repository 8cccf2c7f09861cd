//! Still pictures against ffmpeg.
#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use codec::h264::UnitBuilder;
use codec::nal::Stamp;
use encode::{H264Decoder, H264EncoderConfig, JpegEncoder, Picture, Scaler, encode_png};
use media::{AccessUnit, MediaTime, Timescale, TrackId};
use support::{encode_scene, ffmpeg, paint, psnr};

/// Colours far from grey, so that a wrong matrix or range shows.
fn scene() -> Picture {
    let mut picture = Picture::new(320, 240).unwrap();
    paint(&mut picture, 5);
    let planes = picture.planes_mut();
    for (at, (u, v)) in planes.u.iter_mut().zip(planes.v.iter_mut()).enumerate() {
        (*u, *v) = if at % 160 < 80 { (100, 170) } else { (160, 100) };
    }
    picture
}

/// What ffmpeg sees in the file, in a picture's own colours.
fn read(file: &[u8], format: &str) -> Vec<u8> {
    let to_video = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p";
    ffmpeg(&["-f", format, "-i", "-", "-vf", to_video, "-f", "rawvideo", "-"], file)
}

#[test]
fn a_jpeg_has_the_picture_s_colours() {
    let picture = scene();
    let file = JpegEncoder::new(95).unwrap().encode(&picture).unwrap();
    let seen = read(&file, "jpeg_pipe");
    assert!(psnr(&seen, picture.as_i420()) > 35.0, "{}", psnr(&seen, picture.as_i420()));
}

#[test]
fn a_png_has_the_picture_s_colours() {
    let picture = scene();
    let seen = read(&encode_png(&picture).unwrap(), "png_pipe");
    assert!(psnr(&seen, picture.as_i420()) > 35.0, "{}", psnr(&seen, picture.as_i420()));
}

/// The picture coded by x264 in other colours, which its SPS states.
fn coded(picture: &Picture, matrix: &str, range: &str) -> AccessUnit {
    let convert = format!(
        "scale=in_color_matrix=bt709:in_range=tv:out_color_matrix={matrix}:out_range={range}:flags=accurate_rnd,format=yuv420p"
    );
    let input = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "320x240", "-i", "-", "-vf", &convert];
    let coding =
        ["-c:v", "libx264", "-qp", "4", "-colorspace", matrix, "-color_range", range, "-f", "h264", "-"];
    let bytes = Bytes::from(ffmpeg(&[&input[..], &coding].concat(), picture.as_i420()));
    let time = MediaTime::new(0, Timescale::VIDEO_90K);
    let stamp =
        Stamp { dts: time, pts: time, lost_before: 0, captured: None, arrival: std::time::Instant::now() };
    UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K).annexb(&bytes, stamp).unwrap().unwrap()
}

#[test]
fn a_stream_s_own_matrix_and_range_are_kept_to() {
    let picture = scene();
    for (matrix, range) in
        [("bt709", "tv"), ("bt709", "pc"), ("smpte170m", "tv"), ("smpte170m", "pc"), ("bt2020nc", "tv")]
    {
        let mut decoder = H264Decoder::new().unwrap();
        let shown = decoder.decode(&coded(&picture, matrix, range)).unwrap().cloned();
        let shown = &shown.or_else(|| decoder.finish().unwrap().cloned()).unwrap();
        let alike = psnr(shown.as_i420(), picture.as_i420());
        assert!(alike > 38.0, "{matrix} {range}: {alike}");
        let jpeg = JpegEncoder::new(95).unwrap().encode(shown).unwrap();
        let alike = psnr(&read(&jpeg, "jpeg_pipe"), picture.as_i420());
        assert!(alike > 34.0, "{matrix} {range}: {alike}");
    }
}

#[test]
fn a_quality_that_is_none_is_refused_in_words() {
    assert_eq!(
        JpegEncoder::new(0).unwrap_err().to_string(),
        "quality 0 is not possible: it must be within 1 and 100"
    );
}

#[test]
fn a_smaller_picture_is_what_ffmpeg_makes_of_it() {
    let picture = scene();
    let mut scaler = Scaler::new((320, 240), (160, 120)).unwrap();
    let small = scaler.scale(&picture).unwrap();
    let input = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "320x240", "-i", "-"];
    let output = ["-vf", "scale=160:120:flags=area", "-f", "rawvideo", "-"];
    let seen = ffmpeg(&[&input[..], &output[..]].concat(), picture.as_i420());
    assert!(psnr(&seen, small.as_i420()) > 40.0, "{}", psnr(&seen, small.as_i420()));
}

#[test]
fn one_keyframe_is_enough_for_a_picture() {
    let units = encode_scene(
        &H264EncoderConfig { width: 320, height: 240, ..H264EncoderConfig::default() },
        1,
        |_, _| {},
    );
    let mut decoder = H264Decoder::new().unwrap();
    let shown = decoder.decode(&units[0]).unwrap().is_some();
    assert!(shown || decoder.finish().unwrap().is_some());
}
