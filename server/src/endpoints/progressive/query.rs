//! What a viewer asks for in the query of `/{stream}/stream.mp4` and `stream.ts`.

use container::FormatOptions;

/// From the text after `?`. Names that are not ours are ignored: pages add numbers to get round caches.
///
/// The error names the parameter and what it takes.
pub(super) fn options(text: &str) -> Result<FormatOptions, String> {
    let mut options = FormatOptions::default();
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let carried = match name {
            "video" => &mut options.video,
            "audio" => &mut options.audio,
            _ => continue,
        };
        *carried = match value {
            "1" | "true" => true,
            "0" | "false" => false,
            _ => return Err(format!("{name}: {value:?} is neither 0 nor 1")),
        };
    }
    if !options.video && !options.audio {
        return Err("video=0 and audio=0 leave nothing".to_owned());
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_can_be_left_out_but_not_both() {
        assert_eq!(options("t=1"), Ok(FormatOptions::default()));
        assert!(!options("audio=0").unwrap().audio);
        for (wrong, named) in [("audio=loud", "audio"), ("video=0&audio=0", "video=0 and audio=0")] {
            assert!(options(wrong).unwrap_err().contains(named), "{wrong}");
        }
    }
}
