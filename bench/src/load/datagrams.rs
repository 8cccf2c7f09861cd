//! The viewer's side of the floor by UDP: it says on which port it listens, and reads.

use std::net::UdpSocket;

use super::protocol::{Ended, Protocol, take_head};
use super::seen::{Moment, Seen};

/// One listener.
pub(crate) struct Datagrams {
    port: u16,
    socket: Option<UdpSocket>,
    head: Vec<u8>,
    established: bool,
}

impl Datagrams {
    pub(crate) fn new() -> Self {
        // Without a port nothing comes, and that is seen.
        let socket = UdpSocket::bind("127.0.0.1:0").ok();
        let address = socket.as_ref().and_then(|socket| socket.local_addr().ok());
        Self {
            port: address.map_or(0, |address| address.port()),
            socket,
            head: Vec::new(),
            established: false,
        }
    }
}

impl Protocol for Datagrams {
    fn request(&self) -> Vec<u8> {
        format!("UDP {} \r\n\r\n", self.port).into_bytes()
    }

    fn receive(&mut self, bytes: &[u8], _: &Moment, _: &mut Seen, _: &mut Vec<u8>) -> Result<(), Ended> {
        self.established |= take_head(&mut self.head, bytes)?.is_some();
        Ok(())
    }

    fn established(&self) -> bool {
        self.established
    }

    fn take_sockets(&mut self) -> Vec<UdpSocket> {
        self.socket.take().into_iter().collect()
    }
}
