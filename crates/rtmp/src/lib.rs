//! RTMP (Adobe, "Real-Time Messaging Protocol" 1.0, 2012; "Enhanced RTMP v2" of Veovera) as machines: bytes in, bytes and events out.
//!
//! - [`Server`]: one peer that publishes to us or plays from us. [`Client`]: one server that we publish to or play from.
//! - [`muxer`]: a stream as the messages of RTMP, the same bytes for all who play it.
//!
//! What is inside a message of picture or sound is a tag of FLV, and `container`'s business.
//!
//! Invariants: nothing here knows a clock, a socket or randomness, which are arguments; whatever a peer sends, memory is bounded, and taken
//! for bytes that came, never for a length that was announced.
//!
//! Not here: which stream a name means, who may (the endpoint); TLS below it; AMF 3, shared objects, RTMPE and RTMPT.

mod chunk;
mod client;
mod command;
mod error;
mod handshake;
mod message;
mod packaging;
mod request;
mod server;
#[cfg(test)]
mod tests;

pub use chunk::{ChunkReader, write_message};
pub use client::{Client, ClientEvent, Purpose, Target};
pub use command::Command;
pub use error::RtmpError;
pub use handshake::{ClientHandshake, HANDSHAKE, HmacSha256, Secrets, ServerHandshake};
pub use message::{Message, MessageType};
pub use packaging::{Packaging, muxer};
pub use request::Request;
pub use server::{Refusal, Server, ServerEvent};
