//! What a viewer asks for in the query of `/{stream}/ws`.

use container::{Ending, Format, FormatOptions};

/// Format and options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) format: Format,
    pub(super) options: FormatOptions,
}

impl Query {
    /// From the text after `?`. Names that are not ours are ignored: proxies and caches add their own.
    ///
    /// The error names the parameter and what it takes.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut format = Format::Annexb;
        let mut options = FormatOptions::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "format" => format = value.parse().map_err(|e| format!("format: {e}"))?,
                "group_ms" => options.grouping = value.parse()?,
                "video" => options.video = switch(name, value)?,
                "audio" => options.audio = switch(name, value)?,
                "ending" => {
                    options.ending = match value {
                        "delimited" => Ending::Delimited,
                        "none" => Ending::None,
                        _ => return Err(format!("ending: {value:?} is neither delimited nor none")),
                    }
                }
                _ => {}
            }
        }
        if !options.video && !options.audio {
            return Err("video=0 and audio=0 leave nothing".to_owned());
        }
        Ok(Self { format, options })
    }
}

fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("{name}: {value:?} is neither 0 nor 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_query_it_is_annex_b() {
        assert_eq!(Query::parse("").unwrap().format, Format::Annexb);
        assert_eq!(Query::parse("t=123").unwrap().format, Format::Annexb);
    }

    #[test]
    fn viewers_who_ask_for_the_same_in_other_words_share_a_packaging() {
        let key = |text| {
            let query = Query::parse(text).unwrap();
            query.format.key(&query.options)
        };
        assert_eq!(key("format=fmp4"), key("audio=1&format=fmp4&video=true"));
        assert_ne!(key("format=fmp4"), key("format=fmp4&audio=0"));
        assert_ne!(key("format=fmp4"), key("format=fmp4&group_ms=0"));
        assert_ne!(key("format=fmp4&group_ms=100"), key("format=fmp4&group_ms=200"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for text in ["format=gif", "group_ms=soon", "video=maybe", "ending=happy", "video=0&audio=0"] {
            let error = Query::parse(text).unwrap_err();
            assert!(error.contains(text.split('=').next().unwrap()), "{error}");
        }
    }
}
