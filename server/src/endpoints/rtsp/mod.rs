//! Every stream by RTSP: `rtsp://host:8554/{stream}`, to watch and to publish, over TCP and UDP.
//!
//! What may be said when is `rtsp`'s ([`rtsp::Server`]), packets are `rtp`'s and made once for all sessions. Who watches over TCP is handed
//! to the engine that sends every other output as well, and answers through [`playing`]; over UDP a conversation begins, and those who have all
//! there is are sent to together by a [`cast`]. Other servers are asked for their streams by [`source`], and sent ours by [`push`], both on a [`session`].

mod cast;
mod conversation;
mod datagrams;
mod described;
mod multicast;
mod playing;
mod ports;
mod push;
mod quirks;
mod recording;
mod remote;
mod session;
mod settings;
mod source;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use rtsp::TunnelHead;
use tokio::io::AsyncReadExt;

use self::cast::Casts;
use self::conversation::Conversation;
use self::datagrams::Datagrams;
use self::multicast::Groups;
use self::settings::Settings;
use self::source::RtspSource;
use self::tunnel::Tunnels;
use crate::config::file::Section;
use crate::endpoint::{Context, Egress, Endpoint, Listen, Parts, Serve, Source};
use crate::error::ConfigError;
use crate::net::connections::Permit;
use crate::net::dial::{Place, Trust};
use crate::net::peer::Peer;
use crate::net::transport::Transport;
use crate::supervise::accept::Protocol;
use crate::viewers::Viewers;

/// RTSP, both ways.
#[derive(Debug)]
pub struct Rtsp;

/// What all conversations share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    context: Context,
    viewers: Viewers,
    datagrams: Datagrams,
    casts: Casts,
    tunnels: Tunnels,
    groups: Groups,
}

impl Endpoint for Rtsp {
    fn name(&self) -> &'static str {
        "rtsp"
    }

    fn is_open_to_api(&self) -> bool {
        true
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["rtsp", "rtsps"]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            r#""rtsp://user:password@192.168.1.30/stream1""#,
            r#"{ rtsp = { url = "rtsps://192.168.1.30/stream1", fingerprint = "c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2" } }"#,
            r#"{ rtsp = { url = "rtsp://192.168.1.30/stream1", transport = "udp", user = "user", password = "password" } }"#,
        ]
    }

    fn source(&self, spec: Section<'_>) -> Result<Box<dyn Source>, ConfigError> {
        Ok(Box::new(RtspSource::parse(spec)?))
    }

    fn push_schemes(&self) -> &'static [&'static str] {
        &["rtsp", "rtsps"]
    }

    fn egress(&self, place: Place, trust: &Trust) -> Result<Box<dyn Egress>, String> {
        Ok(Box::new(push::Push::new(place, trust)?))
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        Settings::parse(section)?;
        Ok(Box::new(|_| Parts::default()))
    }

    fn listen(&self, section: Option<Section<'_>>) -> Result<Vec<Listen>, ConfigError> {
        let settings = Settings::parse(section)?;
        let plain = settings.listen.iter().map(|address| (address, false, settings.is_default));
        let secure = settings.listen_tls.iter().map(|address| (address, true, settings.is_default_tls));
        let listen = plain.chain(secure).map(|(address, tls, is_default)| {
            let settings = settings.clone();
            Listen {
                name: if tls { "RTSPS" } else { "RTSP" },
                address: address.clone(),
                tls,
                datagrams: false,
                is_default,
                protocol: Box::new(move |context| Arc::new(Door::new(settings, context))),
            }
        });
        Ok(listen.collect())
    }
}

struct Door {
    shared: Arc<Shared>,
}

impl Door {
    fn new(settings: Settings, context: &Context) -> Self {
        let viewers = Viewers::new(context.tasks.clone(), context.stop.clone());
        let datagrams = Datagrams::new(settings.rtp_port, context.tasks.clone());
        let casts = Casts::new(context.tasks.clone());
        let groups = Groups::new(settings.multicast);
        let context = context.clone();
        Self {
            shared: Arc::new(Shared {
                settings,
                context,
                viewers,
                datagrams,
                casts,
                tunnels: Tunnels::default(),
                groups,
            }),
        }
    }
}

impl Protocol for Door {
    fn task(&self) -> &'static str {
        "rtsp-connection"
    }

    fn serve(&self, connection: Transport, peer: Peer, permit: Permit) -> BoxFuture<'static, ()> {
        Box::pin(serve(Arc::clone(&self.shared), connection, peer, permit))
    }
}

/// Finds out whether a connection is RTSP or a half of RTSP in HTTP, and serves it.
async fn serve(shared: Arc<Shared>, mut connection: Transport, peer: Peer, permit: Permit) {
    let stop = shared.context.stop.clone();
    let mut read = Vec::new();
    let began = async {
        loop {
            if let Some(is_http) = TunnelHead::is_begun(&read) {
                return Some(is_http);
            }
            if !matches!(connection.read_buf(&mut read).await, Ok(1..)) {
                return None;
            }
        }
    };
    let began = tokio::select! {
        began = tokio::time::timeout(LONGEST_SILENCE_AT_FIRST, began) => began,
        () = stop.cancelled() => return,
    };
    let playing = match began {
        Ok(Some(true)) => {
            let tunnel = Box::pin(tunnel::serve(shared, connection, read, peer, permit));
            return tokio::select! {
                () = tunnel => {}
                () = stop.cancelled() => {}
            };
        }
        // What a conversation needs is several times what a player does, so it is gone before the player plays.
        Ok(Some(false)) => {
            Box::pin(Conversation::new(shared, peer).having_read(&read).run(connection, permit)).await
        }
        Ok(None) | Err(_) => return,
    };
    drop(read);
    if let Some(playing) = playing {
        playing.await;
    }
}

/// Somebody who connects has something to say.
const LONGEST_SILENCE_AT_FIRST: Duration = Duration::from_secs(15);
