//! The `Transport` header (RFC 2326 §12.39): how packets go.

use std::fmt;

/// One way that a client offers, or the one that a server took.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransportSpec {
    /// As written: `RTP/AVP`, `RTP/AVP/TCP`.
    pub protocol: String,
    /// To a group of receivers.
    pub is_multicast: bool,
    /// Channels of the RTSP connection.
    pub interleaved: Option<(u8, u8)>,
    /// The client's ports.
    pub client_port: Option<(u16, u16)>,
    /// The server's ports.
    pub server_port: Option<(u16, u16)>,
    /// The server's host, where it is not the connection's.
    pub source: Option<String>,
    /// To where, if not to whoever asks.
    pub destination: Option<String>,
    /// How many routers a group's packets may pass, and one more.
    pub ttl: Option<u8>,
    /// The group's ports.
    pub port: Option<(u16, u16)>,
    /// For recording.
    pub is_record: bool,
}

/// A way that we can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// On these channels of the connection; `None` leaves the choice to us.
    Interleaved(Option<(u8, u8)>),
    /// To these ports of whoever asks.
    Udp(u16, u16),
    /// To a group of receivers, which the server chooses.
    Multicast,
}

impl TransportSpec {
    /// The ways that a header offers, in order.
    pub fn parse(header: &str) -> impl Iterator<Item = Self> {
        header.split(',').take(MOST_OFFERS).map(Self::parse_one)
    }

    fn parse_one(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let mut spec = Self { protocol: parts.next().unwrap_or_default().to_owned(), ..Self::default() };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim_matches('"');
            match name.to_ascii_lowercase().as_str() {
                "multicast" => spec.is_multicast = true,
                "interleaved" => spec.interleaved = pair(value),
                "client_port" => spec.client_port = pair(value),
                "server_port" => spec.server_port = pair(value),
                "port" => spec.port = pair(value),
                "source" => spec.source = Some(value.to_owned()),
                "ttl" => spec.ttl = value.parse().ok(),
                "destination" => spec.destination = Some(value.to_owned()),
                "mode" => {
                    let modes = ["record", "receive"];
                    spec.is_record = modes.iter().any(|mode| value.eq_ignore_ascii_case(mode));
                }
                _ => {}
            }
        }
        spec
    }

    /// The way that it is, if we can go it.
    pub fn transport(&self) -> Option<Transport> {
        let protocol = self.protocol.to_ascii_uppercase();
        match protocol.as_str() {
            "RTP/AVP" | "RTP/AVP/UDP" if self.is_multicast => Some(Transport::Multicast),
            _ if self.is_multicast => None,
            "RTP/AVP/TCP" => Some(Transport::Interleaved(self.interleaved)),
            "RTP/AVP" | "RTP/AVP/UDP" => {
                let (rtp, rtcp) = self.client_port?;
                (rtp != 0 && rtcp != 0).then_some(Transport::Udp(rtp, rtcp))
            }
            _ => None,
        }
    }
}

impl fmt::Display for TransportSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.protocol, if self.is_multicast { "multicast" } else { "unicast" })?;
        for (name, ports) in
            [("client_port", self.client_port), ("server_port", self.server_port), ("port", self.port)]
        {
            if let Some((rtp, rtcp)) = ports {
                write!(f, ";{name}={rtp}-{rtcp}")?;
            }
        }
        if let Some(destination) = &self.destination {
            write!(f, ";destination={destination}")?;
        }
        if let Some(ttl) = self.ttl {
            write!(f, ";ttl={ttl}")?;
        }
        if let Some((rtp, rtcp)) = self.interleaved {
            write!(f, ";interleaved={rtp}-{rtcp}")?;
        }
        f.write_str(if self.is_record { ";mode=record" } else { "" })
    }
}

/// `0-1`, or `0` for 0 and 1.
fn pair<T>(text: &str) -> Option<(T, T)>
where
    T: std::str::FromStr + Copy + TryFrom<u32> + Into<u32>,
{
    let (first, second) = match text.split_once('-') {
        Some((first, second)) => (first.trim().parse().ok()?, second.trim().parse().ok()?),
        None => {
            let first: T = text.trim().parse().ok()?;
            (first, T::try_from(first.into() + 1).ok()?)
        }
    };
    Some((first, second))
}

/// Ways that are looked at.
const MOST_OFFERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn transports(header: &str) -> Vec<Option<Transport>> {
        TransportSpec::parse(header).map(|spec| spec.transport()).collect()
    }

    #[test]
    fn the_ways_that_players_offer_are_understood() {
        // ffmpeg, GStreamer, VLC.
        assert_eq!(
            transports("RTP/AVP/UDP;unicast;client_port=17452-17453"),
            [Some(Transport::Udp(17_452, 17_453))]
        );
        assert_eq!(
            transports("RTP/AVP/TCP;unicast;interleaved=2-3;mode=record"),
            [Some(Transport::Interleaved(Some((2, 3))))]
        );
        assert_eq!(
            transports("RTP/AVP;multicast,RTP/AVP;unicast;client_port=5000,RTP/SAVP;unicast;client_port=1-2"),
            [Some(Transport::Multicast), Some(Transport::Udp(5_000, 5_001)), None]
        );
        assert_eq!(transports("RTP/AVP/TCP"), [Some(Transport::Interleaved(None))]);
    }

    #[test]
    fn numbers_that_are_none_are_as_if_not_there() {
        for header in
            ["RTP/AVP;client_port=65536-1", "RTP/AVP;client_port=0-1", "RTP/AVP;client_port=65535", ""]
        {
            assert_eq!(transports(header), [None], "{header}");
        }
        assert_eq!(transports("RTP/AVP/TCP;interleaved=255"), [Some(Transport::Interleaved(None))]);
    }

    #[test]
    fn what_was_taken_is_read_as_it_was_written() {
        let spec = TransportSpec {
            protocol: "RTP/AVP".to_owned(),
            client_port: Some((1, 2)),
            server_port: Some((3, 4)),
            is_record: true,
            ..TransportSpec::default()
        };
        assert_eq!(spec.to_string(), "RTP/AVP;unicast;client_port=1-2;server_port=3-4;mode=record");
        assert_eq!(TransportSpec::parse(&spec.to_string()).collect::<Vec<_>>(), [spec]);
    }
}
