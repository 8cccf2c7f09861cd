//! SRTP and SRTCP (RFC 3711, RFC 7714) with keys from a DTLS handshake (RFC 5764): the half that a sender of media needs.
//!
//! - [`ends`]: what a handshake agreed on, for either end.
//! - [`Sealer`]: packets that go out, sealed where they lie. [`Opener`]: reports that come in.
//!
//! The ciphers are the library's. What is here is which bytes they are given, so that a packet costs no copy and no allocation.
//!
//! Not here: numbers and headers of packets (see `rtp`), the handshake, media that comes in.

mod cipher;
mod error;
mod keys;
mod open;
mod seal;
#[cfg(test)]
mod tests;

pub use error::SrtpError;
pub use keys::{End, Ends, Profile, ends};
pub use open::Opener;
pub use seal::Sealer;
