//! The viewer's side of the floor by UDP: it says on which port it listens, and reads.

use std::net::UdpSocket;

use super::packets::Packets;
use super::protocol::{Ended, Protocol, take_head};
use super::seen::{Moment, Seen};

/// One listener.
pub(crate) struct Datagrams {
    asks_for: &'static str,
    port: u16,
    socket: Option<UdpSocket>,
    packets: Option<Packets>,
    head: Vec<u8>,
    established: bool,
}

impl Datagrams {
    pub(crate) fn new() -> Self {
        // Without a port nothing comes, and that is seen.
        let socket = UdpSocket::bind("127.0.0.1:0").ok();
        let address = socket.as_ref().and_then(|socket| socket.local_addr().ok());
        let port = address.map_or(0, |address| address.port());
        Self { asks_for: "UDP", port, socket, packets: None, head: Vec::new(), established: false }
    }

    /// One for packets with AES-GCM, read as WebRTC's are. They stay sealed.
    pub(crate) fn sealed(together: bool) -> Self {
        let packets = Packets::bind(together).ok();
        let port = packets.as_ref().map_or(0, Packets::port);
        Self { asks_for: "SRTP", port, socket: None, packets, head: Vec::new(), established: false }
    }
}

impl Protocol for Datagrams {
    fn request(&self) -> Vec<u8> {
        format!("{} {} \r\n\r\n", self.asks_for, self.port).into_bytes()
    }

    fn receive(&mut self, bytes: &[u8], _: &Moment, _: &mut Seen, _: &mut Vec<u8>) -> Result<(), Ended> {
        self.established |= take_head(&mut self.head, bytes)?.is_some();
        Ok(())
    }

    fn established(&self) -> bool {
        self.established
    }

    fn take_sockets(&mut self) -> Vec<UdpSocket> {
        let of_packets = self.packets.as_ref().and_then(|packets| packets.handle().ok());
        self.socket.take().or(of_packets).into_iter().collect()
    }

    fn read_datagrams(&mut self, buffer: &mut [u8], seen: &mut Seen) -> Option<Result<(), Ended>> {
        let packets = self.packets.as_ref()?;
        let mut count = 0;
        seen.bytes += packets.receive(buffer, |_, _| count += 1) as u64;
        seen.messages += count;
        seen.decodable = count > 0;
        Some(Ok(()))
    }
}
