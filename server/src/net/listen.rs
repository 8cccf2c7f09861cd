//! Listening sockets.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Waiting connections the kernel may hold: a page reload of a thousand viewers at once fits.
const BACKLOG: i32 = 1_024;

/// Unsent bytes the kernel takes from us for one viewer before a write has to wait.
///
/// Without it a stalled viewer's socket grows to megabytes (`tcp_wmem`), and all of that is latency once it reads again.
const UNSENT: u32 = 128 * 1_024;
/// Bytes of datagrams that the kernel holds for us, each way.
const DATAGRAMS: usize = 4 << 20;
/// A peer from whom nothing is heard for this long is asked whether it is there, and then this often.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Listens on a TCP address; IPv6's any-address takes IPv4 as well.
///
/// # Errors
/// What the system says.
pub fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP));
    let (socket, address) = match socket {
        // A machine without IPv6 still listens everywhere it can.
        Err(_) if address.is_ipv6() && address.ip().is_unspecified() => {
            let address = SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, address.port()));
            (Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?, address)
        }
        socket => (socket?, address),
    };
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Listens on a UDP address; IPv6's any-address takes IPv4 as well.
///
/// # Errors
/// What the system says.
pub fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Many peers' pictures go out at once, and a publisher's come. What the system does not give is done without.
    let _ = socket.set_recv_buffer_size(DATAGRAMS);
    let _ = socket.set_send_buffer_size(DATAGRAMS);
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Options of every accepted connection: small writes go out at once, little waits in the kernel, a peer that is gone is noticed.
pub fn prepare(stream: &TcpStream) {
    // Each only makes the connection better; one that refuses is served all the same.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
    let _ = SockRef::from(stream)
        .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE));
}
