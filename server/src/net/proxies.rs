//! Who is behind a proxy: what `X-Forwarded-For` and `Forwarded` (RFC 7239) say, believed of the proxies that the configuration names.
//!
//! Anybody can write these headers, so they count for nothing unless the connection came from a trusted address; and of the chain that they
//! hold only what trusted proxies have added is believed: read from the end, the first address that is no trusted one. A
//! proxy passes on the header that it does not know, whoever wrote it: where both are there and do not agree, neither is believed.
//!
//! It stands alone, so that it can be fuzzed without the server.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Networks whose word about others is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Network>);

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Proxies {
    /// These.
    pub const fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether an address is one of theirs.
    pub fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.has(address))
    }

    /// Who made a request that came from `peer`: the peer, or whom it speaks for. The port is 0 where no header says it. Of each
    /// header all lines, in their order.
    pub fn client<'h>(
        &self,
        peer: SocketAddr,
        x_forwarded_for: impl Iterator<Item = &'h str>,
        forwarded: impl Iterator<Item = &'h str>,
    ) -> SocketAddr {
        if !self.trust(peer.ip()) {
            return peer;
        }
        let plain = self.nearest(x_forwarded_for.flat_map(|line| line.split(',')).map(str::trim));
        let standard = self.nearest(forwarded.flat_map(|line| line.split(',')).map(of_element));
        match (plain, standard) {
            (Chain::Client(client), Chain::Absent) | (Chain::Absent, Chain::Client(client)) => client,
            (Chain::Client(plain), Chain::Client(standard)) if plain.ip() == standard.ip() => standard,
            // Nothing is said, or nothing that can be believed.
            _ => peer,
        }
    }

    fn nearest<'h>(&self, chain: impl Iterator<Item = &'h str>) -> Chain {
        let chain: Vec<&str> = chain.collect();
        let mut result = Chain::Absent;
        for text in chain.into_iter().rev() {
            // `unknown`, a hidden name, or nonsense: what stands before it was added by nobody we know.
            let Some(address) = node(text) else { return Chain::Unknown };
            result = Chain::Client(address);
            if !self.trust(address.ip()) {
                break;
            }
        }
        result
    }
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chain {
    Absent,
    Client(SocketAddr),
    Unknown,
}

impl Network {
    fn has(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same(u128::from(own.to_bits()), u128::from(other.to_bits()), 32 - self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128 - self.prefix),
            _ => false,
        }
    }
}

/// Whether two numbers are the same but for so many bits at the end.
const fn same(one: u128, other: u128, free: u8) -> bool {
    free >= 128 || (one ^ other) >> free == 0
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "{text:?} is no address or network: write it as \"10.0.0.5\", \"10.0.0.0/8\" or \"fd00::/8\""
            )
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| wrong())?.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), |prefix| prefix.parse::<u8>().map_err(|_| wrong()))?;
        if prefix > most { Err(wrong()) } else { Ok(Self { address, prefix }) }
    }
}

/// The `for` of one element of `Forwarded`; nothing that is an address if it has none.
fn of_element(element: &str) -> &str {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let value =
        pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value.trim());
    value.unwrap_or_default().trim_matches('"')
}

/// `192.0.2.43`, `192.0.2.43:47011`, `2001:db8::1`, `[2001:db8::1]:4711`.
fn node(text: &str) -> Option<SocketAddr> {
    let bare =
        |text: &str| text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address.to_canonical(), 0));
    let with_port = || {
        let node = text.parse::<SocketAddr>().ok()?;
        Some(SocketAddr::new(node.ip().to_canonical(), node.port()))
    };
    let bracketed = || bare(text.strip_prefix('[')?.strip_suffix(']')?);
    bare(text).or_else(with_port).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str]) -> Proxies {
        Proxies::new(networks.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn client(proxies: &Proxies, peer: &str, plain: &[&str], standard: &[&str]) -> String {
        let peer = format!("{peer}:1").parse().unwrap();
        proxies.client(peer, plain.iter().copied(), standard.iter().copied()).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let trusted = proxies(&["127.0.0.1", "10.0.0.0/8"]);
        assert_eq!(client(&trusted, "127.0.0.1", &["192.0.2.1"], &[]), "192.0.2.1:0");
        assert_eq!(client(&trusted, "192.0.2.9", &["192.0.2.1"], &["for=192.0.2.1"]), "192.0.2.9:1");
        assert_eq!(client(&Proxies::default(), "127.0.0.1", &["192.0.2.1"], &[]), "127.0.0.1:1");
        assert_eq!(client(&trusted, "127.0.0.1", &[], &[]), "127.0.0.1:1");
    }

    #[test]
    fn what_a_client_wrote_itself_is_not_believed() {
        let trusted = proxies(&["127.0.0.1", "10.0.0.0/8"]);
        let chain = ["1.1.1.1, 192.0.2.1, 10.3.2.1", "10.0.0.2"];
        assert_eq!(client(&trusted, "127.0.0.1", &chain, &[]), "192.0.2.1:0");
        assert_eq!(client(&trusted, "127.0.0.1", &["192.0.2.1"], &["for=1.1.1.1"]), "127.0.0.1:1");
        assert_eq!(client(&trusted, "127.0.0.1", &["unknown, 10.0.0.1"], &[]), "127.0.0.1:1");
        assert_eq!(client(&trusted, "127.0.0.1", &["10.0.0.1"], &[]), "10.0.0.1:0");
    }

    #[test]
    fn the_standard_header_is_read_with_all_its_forms() {
        let trusted = proxies(&["::1", "fd00::/8"]);
        let standard = |line| {
            let peer = "[::1]:1".parse().unwrap();
            trusted.client(peer, [].into_iter(), [line].into_iter()).to_string()
        };
        assert_eq!(standard("proto=http; For=\"[2001:db8::1]:4711\" ;by=x"), "[2001:db8::1]:4711");
        assert_eq!(standard("for=192.0.2.1, for=\"[fd00::5]\""), "192.0.2.1:0");
        for hidden in ["for=_secret", "for=unknown", "by=192.0.2.1", ",", "for=\"\""] {
            assert_eq!(standard(hidden), "[::1]:1", "{hidden}");
        }
    }

    #[test]
    fn networks_are_counted_in_bits() {
        let trusted = proxies(&["192.168.4.0/22", "0.0.0.0/32", "2001:db8::/33"]);
        for (address, inside) in [
            ("192.168.7.255", true),
            ("::ffff:192.168.4.1", true),
            ("192.168.8.0", false),
            ("2001:db8:7fff::1", true),
            ("2001:db8:8000::1", false),
        ] {
            assert_eq!(trusted.trust(address.parse().unwrap()), inside, "{address}");
        }
        assert!(proxies(&["0.0.0.0/0"]).trust("1.2.3.4".parse().unwrap()));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "host", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
