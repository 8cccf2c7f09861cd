//! Text into sections that know where they stand.
//!
//! Nothing here knows what a key means; it keeps the line of every value so that whoever does can point at it.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::error::ConfigError;

/// A configuration's text and where it came from.
#[derive(Debug, Clone)]
pub struct Text {
    /// Shown before the line in every error: a path, or "command line".
    pub origin: String,
    /// TOML.
    pub toml: String,
}

/// One value of the configuration with its place.
#[derive(Debug, Clone)]
pub struct Section<'t> {
    text: &'t Text,
    key: String,
    span: Range<usize>,
    value: Spanned<DeValue<'t>>,
}

impl Text {
    /// The top-level sections, in the order of the text.
    ///
    /// # Errors
    /// [`ConfigError`] at the first place that is not TOML.
    pub fn sections(&self) -> Result<Vec<(String, Section<'_>)>, ConfigError> {
        let table = DeTable::parse(&self.toml).map_err(|e| self.error(e.span(), "", e.message()))?;
        Ok(self.entries("", table.into_inner()))
    }

    fn entries<'t>(&'t self, parent: &str, table: DeTable<'t>) -> Vec<(String, Section<'t>)> {
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .map(|(key, value)| {
                let name = key.get_ref().to_string();
                let path = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
                (name, Section { text: self, key: path, span: key.span(), value })
            })
            .collect()
    }

    fn error(&self, span: Option<Range<usize>>, key: &str, message: &str) -> ConfigError {
        let line = span.map(|s| {
            self.toml.as_bytes()[..s.start.min(self.toml.len())].iter().filter(|b| **b == b'\n').count() + 1
        });
        ConfigError {
            origin: self.origin.clone(),
            line,
            key: key.to_owned(),
            message: message.trim().to_owned(),
        }
    }
}

impl<'t> Section<'t> {
    /// Dotted key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The text, if the value is one.
    pub fn as_str(&self) -> Option<&str> {
        self.value.get_ref().as_str()
    }

    /// Where it stands, for people: file and line.
    pub fn place(&self) -> String {
        let error = self.error("");
        error.line.map_or_else(|| error.origin.clone(), |line| format!("{}:{line}", error.origin))
    }

    /// The members, if the value is a table, in the order of the text.
    ///
    /// # Errors
    /// [`ConfigError`] if it is no table.
    pub fn into_entries(self) -> Result<Vec<(String, Self)>, ConfigError> {
        let wrong = self.error("expected a table");
        match self.value.into_inner() {
            DeValue::Table(table) => Ok(self.text.entries(&self.key, table)),
            _ => Err(wrong),
        }
    }

    /// The elements, if the value is a list; else the value alone.
    pub fn into_items(self) -> Vec<Self> {
        let Self { text, key, span, value } = self;
        let place = value.span();
        match value.into_inner() {
            DeValue::Array(items) => {
                let item = |item: Spanned<DeValue<'t>>| Self {
                    text,
                    key: key.clone(),
                    span: item.span(),
                    value: item,
                };
                items.into_iter().map(item).collect()
            }
            other => vec![Self { text, key, span, value: Spanned::new(place, other) }],
        }
    }

    /// The value as a `T`.
    ///
    /// # Errors
    /// [`ConfigError`] pointing at the member that is wrong.
    pub fn parse<T: Deserialize<'t>>(self) -> Result<T, ConfigError> {
        let Self { text, key, span, value } = self;
        T::deserialize(ValueDeserializer::from(value))
            .map_err(|e| text.error(Some(e.span().unwrap_or(span)), &key, e.message()))
    }

    /// An error about this value.
    pub fn error(&self, message: impl AsRef<str>) -> ConfigError {
        self.text.error(Some(self.span.clone()), &self.key, message.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(toml: &str) -> Text {
        Text { origin: "test.toml".to_owned(), toml: toml.to_owned() }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Http {
        port: u16,
    }

    #[test]
    fn a_wrong_value_is_named_with_its_line() {
        let text = text("[a]\nx = 1\n\n[http]\nport = 70000\n");
        let (_, section) = text.sections().unwrap().pop().unwrap();
        let error = section.parse::<Http>().unwrap_err();
        assert_eq!((error.line, error.key.as_str()), (Some(5), "http"));
        assert!(error.message.contains("70000"), "{}", error.message);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let text = text("[http]\nport = 1\nprot = 2\n");
        let (_, section) = text.sections().unwrap().pop().unwrap();
        let error = section.parse::<Http>().unwrap_err();
        assert_eq!(error.line, Some(3));
        assert!(error.message.contains("prot"), "{}", error.message);
    }

    #[test]
    fn text_that_is_no_toml_is_refused_with_its_line() {
        let error = text("[http]\nport = = 1\n").sections().unwrap_err();
        assert_eq!(error.line, Some(2));
    }
}
