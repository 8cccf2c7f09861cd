//! Our UDP ports for one track of another server: packets and reports, from that server alone.

use std::net::IpAddr;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// Two ports side by side, the first even.
#[derive(Debug)]
pub(super) struct Ports {
    sockets: [UdpSocket; 2],
    first: u16,
    /// A server whose ports are not known.
    expected: Option<IpAddr>,
}

impl Ports {
    /// Two that are free.
    pub(super) async fn bind(local: IpAddr) -> std::io::Result<Self> {
        let mut last = std::io::Error::from(std::io::ErrorKind::AddrInUse);
        for _ in 0..TRIES {
            let first = std::net::UdpSocket::bind((local, 0))?.local_addr()?.port() & !1;
            match (UdpSocket::bind((local, first)).await, UdpSocket::bind((local, first + 1)).await) {
                (Ok(rtp), Ok(rtcp)) => {
                    let _ = socket2::SockRef::from(&rtp).set_recv_buffer_size(RECEIVE_BUFFER);
                    return Ok(Self { sockets: [rtp, rtcp], first, expected: None });
                }
                (Err(error), _) | (_, Err(error)) => last = error,
            }
        }
        Err(last)
    }

    /// As a transport's parameter says them.
    pub(super) fn range(&self) -> String {
        format!("{}-{}", self.first, self.first + 1)
    }

    /// From now on hears the server's ports alone, and opens a way to itself through a firewall in between.
    pub(super) async fn connect(&self, server: IpAddr, ports: (u16, u16)) -> std::io::Result<()> {
        for (socket, port) in self.sockets.iter().zip([ports.0, ports.1]) {
            socket.connect((server, port)).await?;
            let _ = socket.try_send(&[0x80, 0, 0, 0]);
        }
        Ok(())
    }

    /// Hears this server whatever ports it sends from; reports are not sent to any of them.
    pub(super) const fn expect(&mut self, server: IpAddr) {
        self.expected = Some(server);
    }

    /// Sends a report; one that does not go is lost.
    pub(super) fn report(&self, report: &[u8]) {
        let _ = self.sockets[1].try_send(report);
    }

    /// The next datagram: whether it is a report, and how long.
    pub(super) fn poll_datagram(&self, buffer: &mut [u8], context: &mut Context<'_>) -> Poll<(bool, usize)> {
        for (socket, is_report) in self.sockets.iter().zip([false, true]) {
            // Each is looked at until there is nothing in it, or something that counts.
            loop {
                let mut into = ReadBuf::new(buffer);
                match socket.poll_recv_from(context, &mut into) {
                    Poll::Ready(Ok(from)) if self.expected.is_none_or(|server| server == from.ip()) => {
                        return Poll::Ready((is_report, into.filled().len()));
                    }
                    // A stranger's; or an error, which is what came of something we sent.
                    Poll::Ready(_) => {}
                    Poll::Pending => break,
                }
            }
        }
        Poll::Pending
    }
}

/// Holds a second of 16 Mbit/s.
const RECEIVE_BUFFER: usize = 2 << 20;
/// Pairs of ports that are tried.
const TRIES: usize = 64;
