//! SETUP: how the packets of a track go.

use std::net::IpAddr;
use std::sync::Arc;

use rtsp::{Role, SetUp, TransportSpec};

use super::Conversation;
use crate::endpoints::rtsp::datagrams::Way;
use crate::endpoints::rtsp::described::{Refusal, usual_channels};
use crate::endpoints::rtsp::multicast::Group;
use crate::net::transport::Transport;

impl Conversation {
    pub(super) async fn set_up(&mut self, set_up: &SetUp, io: &Transport) -> Result<TransportSpec, Refusal> {
        let tracks = match set_up.role {
            Role::Play => {
                let path = &set_up.asked.target.path;
                let is_known = self
                    .described
                    .as_ref()
                    .is_some_and(|known| known.camera.stream().name().as_str() == path);
                if !is_known {
                    self.described = Some(self.describe(&set_up.asked).await?);
                }
                self.described.as_ref().map_or(0, |known| known.tracks.len())
            }
            Role::Record => self.server.announcement().map_or(0, |announced| announced.media.len()),
        };
        if set_up.track >= tracks {
            return Err((404, "there is no such track".to_owned()));
        }
        let is_record = set_up.role == Role::Record;
        match set_up.transport {
            rtsp::Transport::Interleaved(channels) => {
                let channels = channels
                    .or_else(|| usual_channels(set_up.track))
                    .ok_or((461, "no channel is left".to_owned()))?;
                let taken = |(track, known): &(usize, rtsp::Transport)| {
                    let rtsp::Transport::Interleaved(Some((rtp, rtcp))) = known else { return false };
                    *track != set_up.track
                        && [channels.0, channels.1].iter().any(|one| one == rtp || one == rtcp)
                };
                if channels.0 == channels.1 || self.server.tracks().iter().any(taken) {
                    return Err((461, "another track has these channels".to_owned()));
                }
                let protocol = "RTP/AVP/TCP".to_owned();
                Ok(TransportSpec {
                    protocol,
                    interleaved: Some(channels),
                    is_record,
                    ..TransportSpec::default()
                })
            }
            rtsp::Transport::Multicast => {
                let group = match &self.group {
                    Some(group) => Arc::clone(group),
                    None => self.find_group(set_up, io)?,
                };
                let port = group.port(set_up.track);
                let spec = TransportSpec {
                    protocol: "RTP/AVP".to_owned(),
                    is_multicast: true,
                    destination: Some(group.address().to_string()),
                    port: Some((port, port + 1)),
                    ttl: Some(group.ttl()),
                    ..TransportSpec::default()
                };
                self.group = Some(group);
                Ok(spec)
            }
            rtsp::Transport::Udp(rtp, rtcp) => {
                let way = self.way(set_up.track, (rtp, rtcp), io)?;
                let port = way.port();
                self.ways.retain(|(track, _)| *track != set_up.track);
                self.ways.push((set_up.track, way));
                Ok(TransportSpec {
                    protocol: "RTP/AVP".to_owned(),
                    client_port: Some((rtp, rtcp)),
                    server_port: Some((port, port + 1)),
                    is_record,
                    ..TransportSpec::default()
                })
            }
        }
    }

    /// The group that the stream goes to.
    fn find_group(&self, set_up: &SetUp, io: &Transport) -> Result<Arc<Group>, Refusal> {
        let described = self.described.as_ref().filter(|_| set_up.role == Role::Play);
        let described = described.ok_or((461, "nobody publishes by multicast".to_owned()))?;
        self.only_with_the_connection(io)?;
        let local = io.tcp().local_addr().map(|address| address.ip().to_canonical());
        let Ok(IpAddr::V4(local)) = local else {
            return Err((461, "multicast is for IPv4".to_owned()));
        };
        self.shared.groups.find(described.camera.stream().name(), local).map_err(|why| (461, why))
    }

    /// Refuses other ways where nothing else would be kept from others, or come through.
    fn only_with_the_connection(&self, io: &Transport) -> Result<(), Refusal> {
        let over = match (io.is_encrypted(), self.is_tunnelled) {
            (true, _) => "TLS",
            (false, true) => "HTTP",
            (false, false) => return Ok(()),
        };
        Err((461, format!("over {over} packets go with the connection")))
    }

    fn way(&mut self, track: usize, ports: (u16, u16), io: &Transport) -> Result<Way, Refusal> {
        self.only_with_the_connection(io)?;
        if ports.0 < 1_024 || ports.1 < 1_024 {
            return Err((461, "ports below 1024 are sent nothing".to_owned()));
        }
        let local = io.tcp().local_addr().map(|address| address.ip().to_canonical());
        let pair = local.and_then(|local| self.shared.datagrams.pair(local));
        let pair = pair.map_err(|error| (461, format!("no port for UDP: {error}")))?;
        self.ways.retain(|(known, _)| *known != track);
        pair.register(self.peer.0.ip(), ports, track, &self.inlet)
            .ok_or_else(|| (461, "another session has these ports".to_owned()))
    }
}
