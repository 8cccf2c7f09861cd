//! The addresses of this machine that another one may be able to reach.

use std::net::IpAddr;

/// IPv4 first, which on most networks is what surely works; the machine's own last, for peers on it.
pub fn of_this_machine() -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> =
        if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|one| one.ip()).collect();
    order(&mut all);
    all
}

fn order(all: &mut Vec<IpAddr>) {
    // Such an address means something only together with an interface, which a candidate has no place for.
    all.retain(|ip| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()));
    all.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    all.dedup();
    all.truncate(MOST);
}

/// Every pair of addresses is tried; a machine with many containers has many.
pub const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_reach_comes_first() {
        let mut all = ["127.0.0.1", "fe80::1", "2001:db8::5", "::1", "192.0.2.5"]
            .map(|ip| ip.parse().unwrap())
            .to_vec();
        order(&mut all);
        let ordered: Vec<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(ordered, ["192.0.2.5", "2001:db8::5", "127.0.0.1", "::1"]);
    }
}
