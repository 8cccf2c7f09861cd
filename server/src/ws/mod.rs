//! WebSocket (RFC 6455), the server's half: handshake and frames.
//!
//! Written here rather than taken, because sending is the product: a chunk goes from the ring to the socket in one
//! write without being copied or masked, and a viewer costs a task and no buffer. permessage-deflate is never
//! negotiated: coded media does not shrink.
//!
//! Not here: who sends what to whom (`viewers`).

pub mod frame;
pub mod handshake;
pub mod say;
