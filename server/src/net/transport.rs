//! What a connection runs on: TCP, or TLS on it.
//!
//! A protocol reads and writes a [`Transport`] as it would a socket and need not know which it is. Media goes out on a [`Socket`], which
//! many tasks may use and which never waits by itself.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use rustix::net::SendFlags;
use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// TCP, or TLS on it from one side or the other.
#[derive(Debug)]
pub enum Carrier<T> {
    /// TCP alone.
    Plain(TcpStream),
    /// TLS, its handshake done.
    Tls(Box<T>),
}

/// A connection of ours as protocols read and write it.
pub type Transport = Carrier<TlsStream<TcpStream>>;

impl Transport {
    /// The TCP connection below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// Whether what goes over it is encrypted.
    pub const fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// For media alone.
    pub fn into_socket(self) -> Socket {
        match self {
            Self::Plain(tcp) => Socket::Plain(tcp),
            Self::Tls(tls) => {
                let (tcp, tls) = tls.into_inner();
                Socket::Tls(Box::new(TlsSocket { tcp, tls: Mutex::new(tls) }))
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Carrier<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(context, into),
            Self::Tls(tls) => Pin::new(tls).poll_read(context, into),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Carrier<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(context, slices),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Self::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}

/// A connection as media is sent on it: by whoever's turn it is, without waiting.
#[derive(Debug)]
pub enum Socket {
    /// TCP alone.
    Plain(TcpStream),
    /// TLS on it.
    Tls(Box<TlsSocket>),
}

impl Socket {
    /// Sends as much as goes at once.
    ///
    /// # Errors
    /// `WouldBlock` if that is nothing; else the connection is broken.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write(bytes),
            Self::Tls(tls) => tls.try_write(bytes),
        }
    }

    /// Sends as much of the slices as goes at once.
    ///
    /// # Errors
    /// As [`Self::try_write`].
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write_vectored(slices),
            // Each piece would be a record of its own.
            Self::Tls(tls) => {
                tls.try_write(&slices.iter().flat_map(|s| s.iter().copied()).collect::<Vec<_>>())
            }
        }
    }

    /// Sends as much as goes at once, past the runtime's book-keeping, which costs a cache line for each socket; whoever then waits for
    /// room finds out for themselves that there is none.
    ///
    /// # Errors
    /// As [`Self::try_write`].
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => Ok(rustix::net::send(tcp, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?),
            Self::Tls(tls) => tls.try_write(bytes),
        }
    }

    /// Sends what was taken and is not out yet; TLS may keep the end of a record back. Whoever sends the last of something calls this.
    ///
    /// # Errors
    /// `WouldBlock` if something is left.
    pub fn try_flush(&self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.flush(&mut tls.lock()),
        }
    }

    /// Says that nothing more will come, where that is said: TLS tells an end from a connection that was cut (RFC 8446 §6.1).
    pub fn conclude(&self) {
        if let Self::Tls(tls) = self {
            let mut state = tls.lock();
            state.send_close_notify();
            // Whoever does not read it does not miss it.
            let _ = tls.flush(&mut state);
        }
    }

    /// Until there may be room.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn writable(&self) -> io::Result<()> {
        self.tcp().writable().await
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// `WouldBlock` if that is nothing; else the connection is broken.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_read(into),
            Self::Tls(tls) => tls.try_read(into),
        }
    }

    /// Whether there may be something to read.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => tcp.poll_read_ready(context),
            Self::Tls(tls) => tls.poll_read_ready(context),
        }
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &tls.tcp,
        }
    }
}

/// Bytes of one record (RFC 8446 §5.1). No more is encrypted before it is known that the socket takes it: what waits in a stalled viewer's
/// connection is one record.
const RECORD: usize = 16 * 1_024;

/// The TLS state of a socket.
#[derive(Debug)]
pub struct TlsSocket {
    tcp: TcpStream,
    tls: Mutex<ServerConnection>,
}

impl TlsSocket {
    fn lock(&self) -> MutexGuard<'_, ServerConnection> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut tls = self.lock();
        self.flush(&mut tls)?;
        let mut taken = 0;
        for record in bytes.chunks(RECORD) {
            tls.writer().write_all(record)?;
            taken += record.len();
            match self.flush(&mut tls) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                flushed => flushed?,
            }
        }
        Ok(taken)
    }

    fn flush(&self, tls: &mut ServerConnection) -> io::Result<()> {
        while tls.wants_write() {
            tls.write_tls(&mut Raw(&self.tcp))?;
        }
        Ok(())
    }

    fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut tls = self.lock();
        loop {
            match tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            if tls.read_tls(&mut Raw(&self.tcp))? == 0 {
                return Ok(0);
            }
            let state = tls.process_new_packets().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e));
            // An alert or an answer to a key update; what does not go now goes with the next write.
            let flushed = self.flush(&mut tls).or_else(|e| match e.kind() {
                io::ErrorKind::WouldBlock => Ok(()),
                _ => Err(e),
            });
            state?;
            flushed?;
        }
    }

    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut tls = self.lock();
        // Something that was read with what came before.
        match tls.process_new_packets() {
            Ok(state) if state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed() => {}
            _ => return Poll::Ready(Ok(())),
        }
        self.tcp.poll_read_ready(context)
    }
}

/// The TCP socket as `rustls` reads and writes it.
struct Raw<'s>(&'s TcpStream);

impl Read for Raw<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
