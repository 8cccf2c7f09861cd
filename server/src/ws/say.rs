//! Whole messages to a peer that is not watched by a group: a publisher, a robot, whoever drives.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::frame::{Header, Opcode};
use crate::net::transport::Transport;

/// Sends one message, or fails where it is not taken within `limit`.
///
/// # Errors
/// What the connection says; [`io::ErrorKind::TimedOut`].
pub async fn send(io: &mut Transport, opcode: Opcode, payload: &[u8], limit: Duration) -> io::Result<()> {
    let message = [Header::new(opcode, payload.len()).as_bytes(), payload].concat();
    tokio::time::timeout(limit, io.write_all(&message)).await?
}

/// Says that it is over, and why, as far as a control frame has room (RFC 6455 §5.5).
///
/// # Errors
/// As [`send`].
pub async fn close(io: &mut Transport, code: u16, reason: &str, limit: Duration) -> io::Result<()> {
    let fits = reason.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|len| *len <= REASON_MOST);
    let reason = &reason[..fits.last().unwrap_or_default()];
    send(io, Opcode::Close, &[&code.to_be_bytes()[..], reason.as_bytes()].concat(), limit).await
}

/// Bytes of a reason.
const REASON_MOST: usize = 120;
