//! What this machine is called.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// The address that other machines of the network know this one by. Nothing is sent: the system is only asked which way it would go.
pub fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_unspecified())
}

/// What this machine calls itself.
pub fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |n| n.trim().to_owned())
}
