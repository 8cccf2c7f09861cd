//! `[rtsp]`.

use std::time::Duration;

use hub::LagPolicy;
use serde::Deserialize;

use super::multicast::{Addresses4, Multicast};
use crate::config::file::Section;
use crate::config::values::{ListenAddress, ListenAddresses, Span};
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
    /// The same of `listen_tls`.
    pub(super) is_default_tls: bool,
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
    listen: Option<ListenAddresses>,
    listen_tls: Option<ListenAddresses>,
    rtp_port: Option<u16>,
    multicast: Option<Addresses4>,
    multicast_ttl: Option<u8>,
    send_timeout: Option<Span>,
    max_lag: Option<Span>,
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
        let is_default_tls = written.listen_tls.is_none();
        let or = |written: Option<ListenAddresses>, default: &str| {
            let default = || vec![default.parse().expect("the default address is one")];
            written.map_or_else(default, |written| written.0)
        };
        Ok(Self {
            listen: or(written.listen, DEFAULT_LISTEN),
            listen_tls: or(written.listen_tls, DEFAULT_LISTEN_TLS),
            is_default,
            is_default_tls,
            rtp_port: written.rtp_port,
            multicast,
            send_timeout: written.send_timeout.map_or(Duration::from_secs(10), |span| span.0),
            max_lag: written.max_lag.map_or(LagPolicy::default().max_lag, |span| span.0),
        })
    }
}

/// Where RTSP is if nobody says otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:8554";
/// And by TLS, where HTTP is.
const DEFAULT_LISTEN_TLS: &str = "127.0.0.1:8322";
