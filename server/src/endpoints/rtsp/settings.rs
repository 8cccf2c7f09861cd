//! `[rtsp]`.

use std::time::Duration;

use hub::LagPolicy;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::multicast::{Addresses4, Multicast};
use crate::config::file::Section;
use crate::config::values::{ListenAddress, Span};
use crate::error::ConfigError;

/// The section's values.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Addresses; none if it is off.
    pub(super) listen: Vec<ListenAddress>,
    /// Addresses where every connection is TLS.
    pub(super) listen_tls: Vec<ListenAddress>,
    /// Nobody said where.
    pub(super) is_default: bool,
    /// The even port that RTP over UDP goes through, and the next one for RTCP; any that is free if not said.
    pub(super) rtp_port: Option<u16>,
    /// Where streams go to groups of receivers, if they may.
    pub(super) multicast: Option<Multicast>,
    /// A write without progress for this long ends the session.
    pub(super) send_timeout: Duration,
    /// A viewer further behind skips to a newer random access point, if there is one.
    pub(super) max_lag: Duration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    listen: Option<Addresses>,
    listen_tls: Option<Addresses>,
    rtp_port: Option<u16>,
    multicast: Option<Addresses4>,
    multicast_ttl: Option<u8>,
    send_timeout: Option<Span>,
    max_lag: Option<Span>,
}

/// One address, or a list of them.
#[derive(Debug)]
struct Addresses(Vec<ListenAddress>);

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an address to listen on, as in \":8554\", or a list of them")]
        enum OneOrMany {
            One(String),
            Many(Vec<String>),
        }
        let texts = match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts,
        };
        texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Self).map_err(D::Error::custom)
    }
}

impl Settings {
    pub(super) fn parse(section: Option<Section<'_>>) -> Result<Self, ConfigError> {
        let place = section.clone();
        let written: Written = section.map_or_else(|| Ok(Written::default()), Section::parse)?;
        if let Some(place) = place
            && written.rtp_port.is_some_and(|port| port == 0 || port % 2 != 0)
        {
            return Err(place.error("rtp_port must be an even port; the one behind it is for RTCP"));
        }
        let ttl = written.multicast_ttl.unwrap_or(1);
        let multicast = written.multicast.map(|addresses| Multicast { addresses, ttl });
        let is_default = written.listen.is_none();
        let default = || vec![DEFAULT_LISTEN.parse().expect("the default address is one")];
        Ok(Self {
            listen: written.listen.map_or_else(default, |Addresses(listen)| listen),
            listen_tls: written.listen_tls.map_or_else(Vec::new, |Addresses(listen)| listen),
            is_default,
            rtp_port: written.rtp_port,
            multicast,
            send_timeout: written.send_timeout.map_or(Duration::from_secs(10), |span| span.0),
            max_lag: written.max_lag.map_or(LagPolicy::default().max_lag, |span| span.0),
        })
    }
}

/// Where RTSP is if nobody says otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:8554";
