//! Addresses to connect to.

/// `host:port`, where the host is a name, an IPv4 address, or an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAndPort(pub String);

impl std::str::FromStr for HostAndPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim_end_matches('/');
        let wrong =
            || format!("{text:?} is no address to connect to: write host:port, as in 192.168.1.20:8000");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty()
            || port == 0
            || host.contains(['/', '@', ' '])
            || (host.contains(':') && !bracketed)
        {
            return Err(wrong());
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_a_host_and_a_port() {
        for good in ["10.0.0.5:8000", "camera.local:1", "[::1]:8000", "10.0.0.5:8000/"] {
            assert!(good.parse::<HostAndPort>().is_ok(), "{good}");
        }
        for bad in ["", "10.0.0.5", ":8000", "host:0", "host:99999", "a/b:1", "::1:8000", "user@host:1"] {
            assert!(bad.parse::<HostAndPort>().is_err(), "{bad}");
        }
    }
}
