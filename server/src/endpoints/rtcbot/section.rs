//! `[rtcbot]`.

use hub::StreamName;
use serde::Deserialize;

use super::incoming::Pattern;
use crate::config::file::Section;
use crate::error::ConfigError;

/// The section's values.
#[derive(Debug)]
pub(super) struct Values {
    /// What browsers that load `/rtcbot.js` ask for their own addresses.
    pub(super) ice_servers: Vec<String>,
    /// What a connection shows; the first camera, if nobody says.
    pub(super) stream: Option<StreamName>,
    /// Where what a connection sends goes.
    pub(super) incoming: Pattern,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    ice_servers: Vec<String>,
    stream: Option<String>,
    incoming: Option<String>,
}

impl Values {
    pub(super) fn parse(section: Option<Section<'_>>) -> Result<Self, ConfigError> {
        let place = section.clone();
        let written: Written = section.map_or_else(|| Ok(Written::default()), Section::parse)?;
        let values = Self::judge(written);
        match (values, place) {
            (Ok(values), _) => Ok(values),
            (Err(wrong), Some(place)) => Err(place.error(wrong)),
            (Err(_), None) => unreachable!("the defaults are right"),
        }
    }

    fn judge(written: Written) -> Result<Self, String> {
        let Written { ice_servers, stream, incoming } = written;
        let name = |text: String| StreamName::new(&text).map_err(|error| format!("stream: {error}"));
        let incoming = incoming.as_deref().unwrap_or(INCOMING).parse();
        Ok(Self {
            ice_servers,
            stream: stream.map(name).transpose()?,
            incoming: incoming.map_err(|wrong: String| format!("incoming: {wrong}"))?,
        })
    }
}

/// Where a browser's camera goes, as RTCBot's pages know nothing of it.
const INCOMING: &str = "connect/{id}";

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(stream: Option<&str>, incoming: Option<&str>) -> Result<Values, String> {
        let [stream, incoming] = [stream, incoming].map(|text| text.map(str::to_owned));
        Values::judge(Written { stream, incoming, ..Written::default() })
    }

    #[test]
    fn what_is_no_stream_is_refused_with_its_key() {
        assert!(judged(None, None).is_ok() && judged(Some("front"), Some("guests/{id}")).is_ok());
        assert!(judged(Some("front door"), None).unwrap_err().starts_with("stream: "));
        for wrong in ["", "a b", "api/{id}", "connect", "{id", "guest/{id}/ws"] {
            assert!(judged(None, Some(wrong)).unwrap_err().starts_with("incoming: "), "{wrong}");
        }
    }
}
