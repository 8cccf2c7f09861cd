//! Proof of life for the service manager's watchdog.
//!
//! A timer alone would prove that timers work. So before each sign of life the server asks itself something over the network, as any
//! client would: tasks run, connections are accepted, and what is asked is answered.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::net::notify::Notify;

/// Gives signs of life twice in each `patience`, until `stop`.
pub async fn watch(notify: Notify, patience: Duration, addresses: Vec<SocketAddr>, stop: CancellationToken) {
    let pause = patience / 2;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause / 2) => {}
        }
        match tokio::time::timeout(pause / 2, answers(&addresses)).await {
            Ok(Ok(())) => notify.alive(),
            Ok(Err(error)) => warn!(%error, "the server cannot reach itself"),
            Err(_) => warn!("the server does not answer itself"),
        }
    }
}

/// Asks at the first address. Any answer will do, a refusal too: the server may be full and is alive all the same.
async fn answers(addresses: &[SocketAddr]) -> io::Result<()> {
    let Some(address) = addresses.first() else { return Ok(()) };
    let mut socket = match TcpStream::connect(reachable(*address)).await {
        Ok(socket) => socket,
        // We have no descriptor left to ask with: that says nothing about those who are served.
        Err(error)
            if [Errno::MFILE, Errno::NFILE].contains(&Errno::from_io_error(&error).unwrap_or(Errno::IO)) =>
        {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    socket.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    match socket.read(&mut [0; 64]).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(error),
    }
}

/// An address to connect to where `address` is listened on.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_server_that_accepts_nothing_does_not_live() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        let asked = answers(std::slice::from_ref(&address));
        // The kernel takes the connection; nobody answers.
        let waited = tokio::time::timeout(Duration::from_millis(200), asked).await;
        assert!(waited.is_err());
    }

    #[tokio::test]
    async fn any_answer_is_a_sign_of_life() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, ()) = tokio::join!(answers(std::slice::from_ref(&address)), async {
            drop(listener.accept().await.unwrap());
        });
        asked.unwrap();
    }

    #[test]
    fn the_any_address_is_asked_at_home() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(at("[::]:80"), "[::1]:80");
        assert_eq!(at("10.0.0.5:80"), "10.0.0.5:80");
    }
}
