//! Values that several sections use, each checked where it is read.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// A span as people write it: `"10s"`, `"250ms"`, `"1.5s"`, `"5m"`, `"2h"`, `"7d"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor = match &text[digits.len()..] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => {
                return Err(format!(
                    "{text:?} is no duration: write a number with ms, s, m, h or d, as in \"10s\""
                ));
            }
        };
        let number: f64 =
            digits.parse().map_err(|_| format!("{text:?} is no duration: {digits:?} is no number"))?;
        Duration::try_from_secs_f64(number * factor)
            .map(Self)
            .map_err(|_| format!("{text:?} is no duration: it is negative or too long"))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a duration, as in \"10s\", \"250ms\" or \"2h\"")]
        enum Written {
            Text(String),
        }
        let Written::Text(text) = Written::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Anything that is written as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<T>(pub T);

impl<'de, T: std::str::FromStr<Err = String>> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// Bits per second as people write them: `2000000`, `"500k"`, `"2M"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bitrate(pub u32);

impl<'de> Deserialize<'de> for Bitrate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "bits per second, as in 2000000, \"500k\" or \"2M\"")]
        enum Written {
            Number(u32),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(number) => return Ok(Self(number)),
            Written::Text(text) => text,
        };
        let wrong =
            || D::Error::custom(format!("{text:?} is no bit rate: write it as 2000000, \"500k\" or \"2M\""));
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor = match &text[digits.len()..] {
            "" => 1.0,
            "k" | "K" => 1_000.0,
            "M" => 1_000_000.0,
            _ => return Err(wrong()),
        };
        let number: f64 = digits.parse().map_err(|_| wrong())?;
        let bits = number * factor;
        if !(1.0..=1e9).contains(&bits) {
            return Err(wrong());
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within 1..=10^9, checked above
        Ok(Self(bits as u32))
    }
}

/// Bytes as people write them: `65536`, `"64k"`, `"4M"`, `"1G"`, each step 1,024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a number of bytes, as in 65536, \"64k\", \"4M\" or \"1G\"")]
        enum Written {
            Number(u64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(number) => return Ok(Self(number)),
            Written::Text(text) => text,
        };
        let wrong =
            || D::Error::custom(format!("{text:?} is no size: write it as 65536, \"64k\", \"4M\" or \"1G\""));
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor: u64 = match &text[digits.len()..] {
            "" => 1,
            "k" | "K" => 1 << 10,
            "M" => 1 << 20,
            "G" => 1 << 30,
            _ => return Err(wrong()),
        };
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

/// An address to listen on: `"127.0.0.1:8080"`, `"[::]:8080"`, or `":8080"` for every interface, IPv4 and IPv6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress(pub Vec<std::net::SocketAddr>);

impl ListenAddress {
    /// Whether other machines reach it.
    pub fn is_reachable(&self) -> bool {
        self.0.iter().any(|address| !address.ip().to_canonical().is_loopback())
    }

    /// The same port at the addresses of `others`.
    pub fn beside(&self, others: &[Self]) -> Self {
        let mut ips: Vec<_> = others.iter().flat_map(|other| &other.0).map(|address| address.ip()).collect();
        ips.sort_unstable();
        ips.dedup();
        let port = self.0.first().map_or(0, std::net::SocketAddr::port);
        Self(ips.into_iter().map(|ip| (ip, port).into()).collect())
    }
}

impl std::str::FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "{text:?} is no address to listen on: write \"127.0.0.1:8080\", \"[::1]:8080\" or \":8080\""
            )
        };
        if let Some(port) = text.strip_prefix(':') {
            let port: u16 = port.parse().map_err(|_| wrong())?;
            // IPv6's any-address takes IPv4 as well where the socket is not told otherwise; `net::listen` sees to it.
            return Ok(Self(vec![(std::net::Ipv6Addr::UNSPECIFIED, port).into()]));
        }
        if let Some(port) = text.strip_prefix("localhost:") {
            let port: u16 = port.parse().map_err(|_| wrong())?;
            return Ok(Self(vec![
                (std::net::Ipv4Addr::LOCALHOST, port).into(),
                (std::net::Ipv6Addr::LOCALHOST, port).into(),
            ]));
        }
        text.parse().map(|address| Self(vec![address])).map_err(|_| wrong())
    }
}

/// One address to listen on, or a list of them, which may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddresses(pub Vec<ListenAddress>);

impl<'de> Deserialize<'de> for ListenAddresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an address to listen on, as in \":8080\", or a list of them")]
        enum Written {
            One(String),
            Many(Vec<String>),
        }
        let texts = match Written::deserialize(deserializer)? {
            Written::One(text) => vec![text],
            Written::Many(texts) => texts,
        };
        let addresses = texts.iter().map(|text| text.parse());
        addresses.collect::<Result<_, _>>().map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What a byte stream is, where it should not be found by looking: `"annexb"` (or `"h264"`), `"mpegts"`, `"mp4"`, `"adts"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input(pub container::demux::InputFormat);

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = if name == "h264" { "annexb" } else { &name };
        known.parse().map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in
            [("10s", 10_000), ("250ms", 250), ("1.5s", 1_500), ("5m", 300_000), ("7d", 604_800_000)]
        {
            assert_eq!(text.parse::<Span>().unwrap().0, Duration::from_millis(millis), "{text}");
        }
        for text in ["", "10", "ten s", "-1s", "10 parsecs", "s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        #[derive(Deserialize)]
        struct Table {
            size: Size,
        }
        let size = |text: &str| toml::from_str::<Table>(&format!("size = {text}")).map(|table| table.size.0);
        for (text, bytes) in [("1000", 1_000), ("\"64k\"", 65_536), ("\"2M\"", 2 << 20), ("\"1G\"", 1 << 30)]
        {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for text in ["-1", "1.5", "\"\"", "\"M\"", "\"1T\"", "\"99999999999G\"", "true"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_port_alone_listens_everywhere() {
        assert!(":8080".parse::<ListenAddress>().unwrap().0[0].ip().is_unspecified());
        assert!("localhost:1".parse::<ListenAddress>().unwrap().0.iter().all(|a| a.ip().is_loopback()));
        assert!("8080".parse::<ListenAddress>().is_err());
    }

    #[test]
    fn a_default_port_is_opened_where_the_others_are_and_nowhere_else() {
        let address = |text: &str| text.parse::<ListenAddress>().unwrap();
        let others = [address("192.0.2.2:8080"), address("127.0.0.1:8081"), address("192.0.2.2:8082")];
        assert_eq!(
            address("127.0.0.1:8554").beside(&others).0,
            [address("127.0.0.1:8554").0[0], address("192.0.2.2:8554").0[0]]
        );
        assert_eq!(address("127.0.0.1:8554").beside(&[address(":8080")]), address(":8554"));
    }

    #[test]
    fn one_address_needs_no_list() {
        #[derive(Deserialize)]
        struct Written {
            listen: ListenAddresses,
        }
        let read = |text: &str| toml::from_str::<Written>(text).map(|written| written.listen.0.len());
        assert_eq!((read("listen = ':80'"), read("listen = [':80', '[::1]:81']")), (Ok(1), Ok(2)));
        assert!(read("listen = 80").unwrap_err().to_string().contains("an address to listen on"));
    }
}
