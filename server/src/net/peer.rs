//! Who is at the other end of a connection.

use std::net::{IpAddr, SocketAddr};

/// The address a connection came from. In the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl Peer {
    /// The address that limits are counted by: IPv4 as such even where it came to an IPv6 socket, and of IPv6 the first 64 bits,
    /// since whoever has one address of a network has them all.
    pub fn bucket(&self) -> IpAddr {
        match self.0.ip().to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let mut segments = address.segments();
                segments[4..].fill(0);
                IpAddr::V6(segments.into())
            }
        }
    }
}

/// In the extensions of a request that came by TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_are_counted_together() {
        let bucket = |address: &str| Peer(SocketAddr::new(address.parse().unwrap(), 1)).bucket();
        assert_eq!(bucket("::ffff:10.0.0.5"), bucket("10.0.0.5"));
        assert_eq!(bucket("2001:db8::1"), bucket("2001:db8::2:3"));
        assert_ne!(bucket("2001:db8::1"), bucket("2001:db8:0:1::1"));
        assert_ne!(bucket("10.0.0.5"), bucket("10.0.0.6"));
    }
}
