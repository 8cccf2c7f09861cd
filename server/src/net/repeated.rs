//! What will be asked for again and again on the same connection.

/// In the extensions of an answer: whoever asked for this asks for its like ten times a second, as a player of HLS does. Such a connection is
/// served with less ceremony (`http/again.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;
