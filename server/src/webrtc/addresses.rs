//! The addresses of ours that a peer is told: candidates (RFC 8445 §5.1.1), all of them at once, since nobody is asked for any.

use std::net::{IpAddr, SocketAddr};

use peer::addresses::{MOST, of_this_machine};

/// Addresses of this machine that a peer may be able to reach, for ports that listen on these.
pub(super) fn local(ports: &[SocketAddr]) -> Vec<SocketAddr> {
    let machine = of_this_machine();
    let mut all: Vec<SocketAddr> = ports.iter().flat_map(|port| beneath(*port, &machine)).collect();
    all.dedup();
    all.truncate(MOST);
    all
}

/// What an address that is listened on stands for, on a machine with these.
fn beneath(port: SocketAddr, machine: &[IpAddr]) -> Vec<SocketAddr> {
    if !port.ip().is_unspecified() {
        return vec![SocketAddr::new(port.ip().to_canonical(), port.port())];
    }
    let of_family = machine.iter().copied().filter(|ip| port.is_ipv6() || ip.is_ipv4());
    let (loopback, others): (Vec<_>, Vec<_>) = of_family.partition(IpAddr::is_loopback);
    // Whoever is on this machine finds its other addresses as well.
    let chosen = if others.is_empty() { loopback } else { others };
    chosen.into_iter().map(|ip| SocketAddr::new(ip, port.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beneath_of(port: &str, interfaces: &[&str]) -> Vec<String> {
        let interfaces: Vec<_> = interfaces.iter().map(|ip| ip.parse().unwrap()).collect();
        beneath(port.parse().unwrap(), &interfaces).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_address_stands_for_those_of_the_machine_that_others_can_use() {
        let machine = ["192.0.2.5", "2001:db8::5", "127.0.0.1", "::1"];
        assert_eq!(beneath_of("[::]:8555", &machine), ["192.0.2.5:8555", "[2001:db8::5]:8555"]);
        assert_eq!(beneath_of("0.0.0.0:8555", &machine), ["192.0.2.5:8555"]);
        assert_eq!(beneath_of("0.0.0.0:8555", &["127.0.0.1"]), ["127.0.0.1:8555"]);
        assert_eq!(beneath_of("127.0.0.1:1", &machine), ["127.0.0.1:1"]);
        assert_eq!(beneath_of("[::ffff:192.0.2.5]:1", &machine), ["192.0.2.5:1"]);
    }
}
