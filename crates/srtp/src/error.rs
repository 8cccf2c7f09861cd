//! The one error of this crate.

use thiserror::Error;

/// Why something cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SrtpError {
    /// The handshake gave too little to make keys of.
    #[error("{got} bytes of keying material, where {needs} are needed")]
    Material {
        /// Bytes there are.
        got: usize,
        /// Bytes that the profile takes.
        needs: usize,
    },
    /// A packet that has no room for what it must have.
    #[error("a packet of {0} bytes is too short")]
    Short(usize),
    /// Not sealed with this key, or changed on its way.
    #[error("not authentic")]
    NotAuthentic,
    /// It came before, or is older than what is remembered.
    #[error("packet {0} came before")]
    Replayed(u32),
    /// The key may not be used for more (RFC 3711 §9.2).
    #[error("the key is used up")]
    UsedUp,
    /// The library refused.
    #[error("the cipher failed")]
    Cipher,
}
