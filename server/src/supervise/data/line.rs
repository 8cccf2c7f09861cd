//! Whatever is said, as one line of JSON.
//!
//! The file stands alone, since it is fuzzed by itself.

use bytes::Bytes;

/// A message as one line of JSON: as it is if it is JSON, as a string of it else.
pub(super) fn line_of(text: &str) -> Bytes {
    let text = text.trim();
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_json && text.contains(['\n', '\r']) {
        // Inside of a string they cannot stand: here they are space.
        return text.replace(['\n', '\r'], " ").into();
    }
    if is_json {
        Bytes::copy_from_slice(text.as_bytes())
    } else {
        serde_json::Value::from(text).to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_json_whatever_was_said() {
        for (said, line) in [
            ("{\"a\":1}", "{\"a\":1}"),
            ("{\n  \"a\": \"b c\"\r\n}", "{   \"a\": \"b c\"  }"),
            ("go left", "\"go left\""),
            ("two\nlines", "\"two\\nlines\""),
            ("", "\"\""),
            ("1.50", "1.50"),
        ] {
            assert_eq!(line_of(said), line.as_bytes(), "{said:?}");
        }
    }
}
