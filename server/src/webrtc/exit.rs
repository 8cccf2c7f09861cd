//! Where what a session sends leaves.

use super::Running;
use super::port::{Outbox, Port, Way};
use super::streams::Streams;

/// The way out of one session, for as long as it is served.
#[derive(Debug)]
pub(super) struct Exit<'e> {
    way: Way,
    outbox: &'e mut Outbox,
    ports: &'e [Port],
    streams: &'e Streams,
    /// Something was lost, since the peer is too slow: it came by TCP.
    pub(super) is_full: bool,
}

impl<'e> Exit<'e> {
    pub(super) fn new(way: Way, outbox: &'e mut Outbox, running: &'e Running) -> Self {
        Self::through(way, outbox, &running.ports, &running.streams)
    }

    pub(super) fn through(way: Way, outbox: &'e mut Outbox, ports: &'e [Port], streams: &'e Streams) -> Self {
        Self { way, outbox, ports, streams, is_full: false }
    }

    /// Sends a packet of so many bytes, which `write` puts behind what is there; nothing if that fails.
    pub(super) fn send<E>(
        &mut self,
        length: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.way.is_tcp {
            let mut packet = Vec::with_capacity(length);
            write(&mut packet)?;
            self.is_full |= !self.streams.send(&self.way, &packet);
            return Ok(());
        }
        self.outbox.place(self.way, length, self.ports, write)
    }
}
