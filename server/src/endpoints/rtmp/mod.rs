//! RTMP: players and publishers at `rtmp://host/{stream}` (see `docs/ref/endpoints/rtmp.md`).
//!
//! Maps what a peer asks for onto a stream (`names`), a publisher onto its seat (`publisher`), and a player onto a packaging of messages that
//! all players share (`player`); and streams from other servers (`source`) and onto them (`push`). The protocol is the crate `rtmp`'s, sending is `viewers`'.

mod connection;
mod intake;
mod names;
mod player;
mod publisher;
mod push;
mod remote;
mod source;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use futures_core::future::BoxFuture;
use hub::LagPolicy;
use rtmp::Secrets;
use serde::Deserialize;

use crate::config::file::Section;
use crate::config::values::{ListenAddresses, Span};
use crate::endpoint::{Context, Egress, Endpoint, Listen, Parts, Serve, Source};
use crate::error::ConfigError;
use crate::net::connections::Permit;
use crate::net::dial::{Place, Trust};
use crate::net::peer::Peer;
use crate::net::transport::Transport;
use crate::supervise::accept::Protocol;
use crate::viewers::Viewers;

/// The RTMP endpoint.
#[derive(Debug)]
pub struct Rtmp;

/// `[rtmp]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Where it is listened: where HTTP is, if not said; nowhere with an empty list.
    listen: Option<ListenAddresses>,
    /// And where with TLS (RTMPS).
    listen_tls: Option<ListenAddresses>,
    /// A write without progress for this long ends a player's session.
    send_timeout: Span,
    /// A player further behind skips to a newer random access point, if there is one.
    max_lag: Span,
}

/// The port of RTMP, for this machine alone.
const DEFAULT_LISTEN: &str = "127.0.0.1:1935";
/// And by TLS, where HTTP is.
const DEFAULT_LISTEN_TLS: &str = "127.0.0.1:1936";

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: None,
            listen_tls: None,
            send_timeout: Span(Duration::from_secs(10)),
            max_lag: Span(LagPolicy::default().max_lag),
        }
    }
}

impl Endpoint for Rtmp {
    fn name(&self) -> &'static str {
        "rtmp"
    }

    fn is_open_to_api(&self) -> bool {
        true
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["rtmp", "rtmps"]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            r#""rtmp://192.168.1.40/live/key""#,
            r#"{ rtmp = { url = "rtmps://192.168.1.40:1936/live/key", fingerprint = "c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2" } }"#,
        ]
    }

    fn source(&self, spec: Section<'_>) -> Result<Box<dyn Source>, ConfigError> {
        Ok(Box::new(source::RtmpSource::parse(spec)?))
    }

    fn push_schemes(&self) -> &'static [&'static str] {
        &["rtmp", "rtmps"]
    }

    fn egress(&self, place: Place, trust: &Trust) -> Result<Box<dyn Egress>, String> {
        Ok(Box::new(push::Push::new(place, trust)?))
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        let _: Settings = section.map_or_else(|| Ok(Settings::default()), Section::parse)?;
        Ok(Box::new(|_| Parts::default()))
    }

    fn listen(&self, section: Option<Section<'_>>) -> Result<Vec<Listen>, ConfigError> {
        let settings: Settings = section.map_or_else(|| Ok(Settings::default()), Section::parse)?;
        let listen = |written: &Option<ListenAddresses>, default: &str, tls: bool| {
            let addresses = written.as_ref().map_or_else(
                || vec![default.parse().expect("the default address is one")],
                |written| written.0.clone(),
            );
            let is_default = written.is_none();
            addresses.into_iter().map(move |address| (address, is_default, tls)).collect::<Vec<_>>()
        };
        let plain = listen(&settings.listen, DEFAULT_LISTEN, false);
        let secure = listen(&settings.listen_tls, DEFAULT_LISTEN_TLS, true);
        let listen = |(address, is_default, tls)| {
            let settings = settings.clone();
            let protocol =
                move |context: &Context| -> Arc<dyn Protocol> { Arc::new(Service::new(settings, context)) };
            Listen {
                name: if tls { "RTMPS" } else { "RTMP" },
                address,
                tls,
                datagrams: false,
                is_default,
                protocol: Box::new(protocol),
            }
        };
        Ok(plain.into_iter().chain(secure).map(listen).collect())
    }
}

/// What is spoken on a listening address.
#[derive(Debug)]
struct Service {
    shared: Arc<Shared>,
}

/// What every connection works with.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    context: Context,
    viewers: Viewers,
}

impl Service {
    fn new(settings: Settings, context: &Context) -> Self {
        let viewers = Viewers::new(context.tasks.clone(), context.stop.clone());
        Self { shared: Arc::new(Shared { settings, context: context.clone(), viewers }) }
    }
}

impl Protocol for Service {
    fn task(&self) -> &'static str {
        "rtmp-connection"
    }

    fn serve(&self, io: Transport, peer: Peer, permit: Permit) -> BoxFuture<'static, ()> {
        Box::pin(connection::serve(Arc::clone(&self.shared), io, peer, permit))
    }
}

/// What a handshake needs.
fn secrets() -> Secrets {
    fn sign(key: &[u8], message: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
        tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
    let mut seed = [0; 32];
    // Without randomness the bytes are the same each time, which harms nobody: nothing rests on them.
    let _ = SystemRandom::new().fill(&mut seed);
    Secrets { hmac: sign, seed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::Text;

    fn listen(toml: &str) -> Result<Vec<(String, bool)>, String> {
        let text = Text { origin: "test".to_owned(), toml: toml.to_owned() };
        let section =
            text.sections().map_err(|e| e.to_string())?.into_iter().next().map(|(_, section)| section);
        let listens = Rtmp.listen(section).map_err(|e| e.to_string())?;
        Ok(listens.iter().map(|listen| (listen.address.0[0].to_string(), listen.is_default)).collect())
    }

    #[test]
    fn it_listens_where_it_is_told_and_else_for_this_machine() {
        let both = |plain: &str, plain_default, secure: &str, secure_default| {
            Ok(vec![(plain.to_owned(), plain_default), (secure.to_owned(), secure_default)])
        };
        assert_eq!(listen(""), both("127.0.0.1:1935", true, "127.0.0.1:1936", true));
        assert_eq!(listen("[rtmp]\nlisten = \":1935\""), both("[::]:1935", false, "127.0.0.1:1936", true));
        assert_eq!(
            listen("[rtmp]\nlisten_tls = \":1936\""),
            both("127.0.0.1:1935", true, "[::]:1936", false)
        );
        assert_eq!(listen("[rtmp]\nlisten = []\nlisten_tls = []"), Ok(Vec::new()));
        assert!(listen("[rtmp]\nport = 1935").unwrap_err().contains("port"));
    }
}
