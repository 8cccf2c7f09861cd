//! coturn, the TURN server that nearly everybody runs.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::rtmp::Program;

/// Who may use it.
pub const USER: &str = "anna";
/// With what.
pub const PASSWORD: &str = "pass-it-on";

/// From which its addresses are: no program here is given one of these by the system.
pub const PORTS: &str = "20000-20999";

/// A TURN server; it vanishes when it is dropped.
#[derive(Debug)]
pub struct TurnServer {
    address: SocketAddr,
    _program: Program,
}

impl TurnServer {
    /// At this address of the machine, by UDP, for [`USER`].
    pub fn at(ip: IpAddr) -> Self {
        let taken = UdpSocket::bind((ip, 0)).expect("a port is free");
        let address = taken.local_addr().expect("it is bound");
        drop(taken);
        let (ip, port) = (ip.to_string(), address.port().to_string());
        let user = format!("{USER}:{PASSWORD}");
        let (first, last) = PORTS.split_once('-').expect("it is a range");
        let ports = ["--min-port", first, "--max-port", last];
        let place = ["--listening-ip", &ip, "--relay-ip", &ip, "--listening-port", &port];
        let who = ["--lt-cred-mech", "--user", &user, "--realm", "firstlight.test"];
        // All there is is on this machine, which it would not pass anything on to.
        let how = ["-n", "--allow-loopback-peers", "--no-cli", "--no-tls", "--no-dtls", "--no-tcp"];
        let files = ["--log-file", "/dev/null", "--pidfile", "/dev/null"];
        let program = Program::start("turnserver", &[&place[..], &ports, &who, &how, &files].concat());
        crate::eventually("the TURN server answers", || answers(address));
        Self { address, _program: program }
    }

    /// Where it is asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As a line of `ice_servers`.
    pub fn config(&self, password: &str) -> String {
        format!("{{ url = \"turn:{}\", user = \"{USER}\", password = \"{password}\" }}", self.address)
    }
}

/// Whether it answers a STUN binding request (RFC 8489 §5).
fn answers(address: SocketAddr) -> Option<()> {
    let socket = UdpSocket::bind((address.ip(), 0)).expect("a port is free");
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("it is not zero");
    let question = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    socket.send_to(&question, address).ok()?;
    socket.recv(&mut [0; 512]).ok().map(|_| ())
}
