//! A connection that was HTTP's, or another protocol's, up to here, and is now for media alone.

use std::sync::Arc;

use bytes::Bytes;

use super::connections::Permit;
use super::transport::Transport;

/// A connection, and what of the peer's bytes was read with what came before.
#[derive(Debug)]
pub struct Connection {
    /// The socket, or TLS on it.
    pub io: Transport,
    /// Bytes already read.
    pub read: Bytes,
    /// Its place among the connections there may be: to be kept as long as the socket.
    pub permit: Option<Arc<Permit>>,
}
