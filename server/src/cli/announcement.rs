//! What the program says when it runs: where to look. On standard output, since it is the answer to the command.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::say;
use crate::net::machine::{hostname, outward};

/// Where to look.
#[derive(Debug)]
pub(super) struct Announcement<'a> {
    pub(super) addresses: &'a [SocketAddr],
    /// Where to look by HTTPS.
    pub(super) secure: &'a [SocketAddr],
    /// The streams.
    pub(super) names: &'a [String],
    /// Made for this run; whoever has it may watch.
    pub(super) token: Option<&'a str>,
    /// Whether everybody may do everything.
    pub(super) open: bool,
}

impl Announcement<'_> {
    /// Says it.
    pub(super) fn make(&self) {
        let query = self.token.map(|token| format!("?token={token}")).unwrap_or_default();
        let plain = self.addresses.iter().map(|address| ("http", address));
        let secure = self.secure.iter().map(|address| ("https", address));
        for (scheme, address) in plain.chain(secure) {
            let (place, name) = places(*address, self.token.is_some());
            say(format_args!("firstlight {}: open {scheme}://{place}/{query}", env!("CARGO_PKG_VERSION")));
            if let Some(name) = name {
                say(format_args!("  or, where this machine's name is known, {scheme}://{name}/"));
            }
            for name in self.names {
                say(format_args!("  {name}: {scheme}://{place}/{name}/{query}"));
            }
            // In a file or a pipe nobody can point a phone at it.
            if self.token.is_some() && io::stdout().is_terminal() {
                say(format_args!("{}", code(&format!("{scheme}://{place}/{query}"))));
            }
        }
        if self.token.is_some() {
            say(format_args!(
                "Whoever has this address can watch and publish until firstlight ends; without it nobody can."
            ));
        } else if self.open
            && self.addresses.iter().chain(self.secure).any(|a| !a.ip().to_canonical().is_loopback())
        {
            say(format_args!(
                "Everybody who can reach this machine can watch and change everything: auth is \"open\"."
            ));
        }
    }
}

/// Host and port as other machines write them: an address that works wherever this machine is reached, and its name, which may not be known there. Only the
/// address where it stands `alone`, as in a code for a phone.
pub(super) fn places(address: SocketAddr, alone: bool) -> (String, Option<String>) {
    if !address.ip().is_unspecified() {
        return (address.to_string(), None);
    }
    let named = format!("{}:{}", hostname(), address.port());
    match outward() {
        Some(own) => (SocketAddr::new(own, address.port()).to_string(), Some(named).filter(|_| !alone)),
        None => (named, None),
    }
}

/// A QR code in block characters, dark on light, as phones expect it, whatever the terminal's colours are.
fn code(text: &str) -> String {
    let Ok(code) = QrCode::new(text) else { return String::new() };
    let picture = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    let lines = picture.lines().map(|line| format!("\x1b[97;40m{line}\x1b[0m"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_listens_everywhere_is_reached_by_an_address_and_perhaps_by_a_name() {
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 8080));
        let (place, name) = places(everywhere, false);
        if let Some(own) = outward() {
            assert_eq!(place, format!("{own}:8080"));
            assert_eq!(name, Some(format!("{}:8080", hostname())));
            assert_eq!(places(everywhere, true), (place, None));
        } else {
            assert_eq!((place, name), (format!("{}:8080", hostname()), None));
        }
        let one = SocketAddr::from(([192, 168, 1, 5], 80));
        assert_eq!(places(one, false), ("192.168.1.5:80".to_owned(), None));
    }
}
