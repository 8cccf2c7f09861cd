//! RTSP 1.0 (RFC 2326), both sides, without sockets and clocks.
//!
//! - [`Reader`]: bytes of a connection into messages and interleaved packets. [`Request`], [`Response`]: both ways.
//! - [`Server`]: what a request may be at this point of a session, and what the driver has to do about it.
//! - [`Client`]: requests in the order a server wants them, with credentials ([`Credentials`]).
//! - [`TunnelHead`], [`TunnelDecoder`]: RTSP in HTTP.
//! - [`Packaging`]: a stream as interleaved packets, made once for all sessions.
//!
//! Not here: whether somebody may, which streams there are, UDP sockets.

mod client;
mod credentials;
mod error;
mod message;
mod packaging;
mod reader;
mod server;
mod transport;
mod tunnel;
mod url;

pub use client::Client;
pub use credentials::Credentials;
pub use error::RtspError;
pub use message::{Headers, Method, Request, Response};
pub use packaging::{
    Channels, Datagrams, Origin, Packaging, Packet, Packets, Run, Runs, TrackPlan, describe, rtp_info,
};
pub use reader::{Item, Reader};
pub use server::{Asked, Role, Server, SetUp, Step};
pub use transport::{Transport, TransportSpec};
pub use tunnel::{Half, NO_TUNNEL, TUNNEL_ANSWER, TunnelDecoder, TunnelHead};
pub use url::{Target, resolve};
