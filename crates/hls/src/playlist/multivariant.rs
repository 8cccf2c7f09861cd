//! The Multivariant Playlist (§4.4.6): one Variant Stream, which is all there is of a camera.

use std::fmt::Write as _;

/// What a client must know before it picks the variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// `CODECS`, RFC 6381.
    pub codecs: String,
    /// `RESOLUTION`, of the picture if there is one.
    pub resolution: Option<(u32, u32)>,
    /// `FRAME-RATE`, of the picture if there is one.
    pub frame_rate: Option<f64>,
    /// `BANDWIDTH` and `AVERAGE-BANDWIDTH`, bits per second.
    pub bit_rates: (u64, u64),
}

/// Writes the playlist; the variant's Media Playlist is at `uri`.
pub fn multivariant(variant: &Variant, uri: &str) -> String {
    let (peak, mean) = variant.bit_rates;
    let mut text =
        format!("#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={mean}");
    // Writing into a `String` cannot fail.
    let _ = write!(text, ",CODECS=\"{}\"", variant.codecs);
    if let Some((width, height)) = variant.resolution {
        let _ = write!(text, ",RESOLUTION={width}x{height}");
    }
    if let Some(rate) = variant.frame_rate {
        let _ = write!(text, ",FRAME-RATE={rate:.3}");
    }
    let _ = write!(text, "\n{uri}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_alone_has_no_resolution_and_no_frame_rate() {
        let variant = Variant {
            codecs: "avc1.42c01f,mp4a.40.2".to_owned(),
            resolution: Some((1280, 720)),
            frame_rate: Some(29.97),
            bit_rates: (2_500_000, 2_000_000),
        };
        let head =
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-STREAM-INF:BANDWIDTH=2500000,AVERAGE-BANDWIDTH=2000000,";
        assert_eq!(
            multivariant(&variant, "live.m3u8"),
            format!(
                "{head}CODECS=\"avc1.42c01f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970\nlive.m3u8\n"
            )
        );
        let sound = Variant { codecs: "opus".to_owned(), resolution: None, frame_rate: None, ..variant };
        assert_eq!(multivariant(&sound, "live.m3u8"), format!("{head}CODECS=\"opus\"\nlive.m3u8\n"));
    }
}
