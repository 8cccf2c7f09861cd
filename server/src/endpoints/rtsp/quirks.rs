//! What cameras do that RTSP (RFC 2326) does not say, or says otherwise, and that we go along with.
//!
//! Each has a name. What shows by itself is found out while a camera is asked, and said in the log; what does not is said of it by
//! `quirks = ["…"]`, and what is said need not be found out each time.
//!
//! Not here: what is done about it, which stands where it is done, in [`source`](super::source) and [`ports`](super::ports); and what needs no
//! policy, since nothing is believed that could be wrong: `RTP-Info`, a session's timeout, sender reports, parameter sets in the description.

use serde::Deserialize;
use tracing::info;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Quirk {
    /// Its `Content-Base` names another place than the one it was asked by, as cameras behind a router do, and it knows no tracks there. They are
    /// asked for below the address that was configured. Found out: the first `SETUP` is refused.
    ForeignBase,
    /// `GET_PARAMETER` is offered and then refused, or ends the session. `OPTIONS` is the sign of life instead. Found out where it is refused.
    KeepAliveByOptions,
    /// `PLAY` with a `Range` is refused, though the range is all there is. Found out.
    NoRange,
    /// `PLAY` for all tracks at once is refused (459, 460), and asked for each of them. Found out.
    EachTrack,
    /// Packets come on other channels than was agreed: on 0 and 1 for the first track, 2 and 3 for the second. Found out.
    OwnChannels,
    /// Over UDP packets come from other ports than it says, or it says none. Found out where it says none.
    AnyPort,
    /// Hearing how it is received (RTCP) confuses it, so it is not told.
    NoReports,
}

impl Quirk {
    /// As it is written in a configuration.
    const fn name(self) -> &'static str {
        match self {
            Self::ForeignBase => "foreign-base",
            Self::KeepAliveByOptions => "keep-alive-by-options",
            Self::NoRange => "no-range",
            Self::EachTrack => "each-track",
            Self::OwnChannels => "own-channels",
            Self::AnyPort => "any-port",
            Self::NoReports => "no-reports",
        }
    }
}

/// Those of one camera.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Quirks(Vec<Quirk>);

impl Quirks {
    pub(super) fn has(&self, quirk: Quirk) -> bool {
        self.0.contains(&quirk)
    }

    /// This one showed.
    pub(super) fn found(&mut self, quirk: Quirk, source: &str) {
        if !self.has(quirk) {
            self.0.push(quirk);
            info!(source, quirk = quirk.name(), "the camera has a way of its own, and is met there");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_log_says_can_be_written_into_a_configuration() {
        #[derive(Deserialize)]
        struct Table {
            quirks: Quirks,
        }
        use Quirk::*;
        for quirk in [ForeignBase, KeepAliveByOptions, NoRange, EachTrack, OwnChannels, AnyPort, NoReports] {
            let table: Table = toml::from_str(&format!("quirks = [\"{}\"]", quirk.name())).unwrap();
            assert_eq!(table.quirks, Quirks(vec![quirk]));
        }
    }
}
