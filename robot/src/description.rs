//! Session descriptions as browsers write them in JSON: `{"type": "offer", "sdp": "…"}`.

use std::fmt;
use std::str::FromStr;

use peer::PeerError;
use serde::{Deserialize, Serialize};

use crate::Error;

/// An offer or an answer, on its way to the other side or from it; read from JSON and written as it.
///
/// ```
/// use firstlight_robot::prelude::*;
///
/// let offer: Description = r#"{"type": "offer", "sdp": "v=0"}"#.parse().unwrap();
/// assert_eq!(offer.to_string(), r#"{"type":"offer","sdp":"v=0"}"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// `offer` or `answer`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The session description (RFC 8866).
    pub sdp: String,
}

impl Description {
    pub(crate) fn offer(sdp: String) -> Self {
        Self { kind: OFFER.to_owned(), sdp }
    }

    pub(crate) fn answer(sdp: String) -> Self {
        Self { kind: ANSWER.to_owned(), sdp }
    }

    pub(crate) fn into_offer(self) -> Result<String, Error> {
        self.of(OFFER)
    }

    pub(crate) fn into_answer(self) -> Result<String, Error> {
        self.of(ANSWER)
    }

    fn of(self, expected: &'static str) -> Result<String, Error> {
        if self.kind == expected { Ok(self.sdp) } else { Err(Error::Kind { expected, got: self.kind }) }
    }
}

impl FromStr for Description {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| PeerError::Description(error.to_string()).into())
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

const OFFER: &str = "offer";
const ANSWER: &str = "answer";
