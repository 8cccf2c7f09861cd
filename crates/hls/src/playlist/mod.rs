//! Writing playlists (§4).

mod media;
mod multivariant;
mod text;

pub use media::{Kind, media};
pub use multivariant::{Variant, multivariant};
