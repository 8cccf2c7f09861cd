//! WebRTC peers: what the formats of media are called there, and a peer that calls others, or is called.
//!
//! The protocol itself (ICE, DTLS, SRTP, SCTP) is str0m's, in its RTP mode: packets go in and come out, and what is in them is `rtp`'s.
//!
//! - [`formats`], [`agreed`] and [`answer`]: codecs by their names in session descriptions, which of them an offer and its answer have in
//!   common, packets out and in by them, and what an answer has to say; [`addresses`] of this machine. The server, which is called by many on one
//!   port (`webrtc` there), is built on them as well.
//! - [`Connection`]: one peer on [`Sockets`] of its own. It finds its way to the other one by itself (full ICE, RFC 8445), so either may be
//!   the one that is reached. The server calls others with it, the robot's library calls and is called.
//!
//! Not here: how offers and answers get to the other side, encoding and decoding.

pub mod addresses;
pub mod agreed;
pub mod answer;
mod connection;
pub mod formats;
mod ice_servers;
mod relay;
mod sockets;
mod stun;

pub use connection::{Arrival, Channel, Connection, Ended, Event, Message, PeerError, Plan};
pub use ice_servers::{IceServer, Unhelpful};
pub use sockets::Sockets;
pub use str0m::format::Codec;
