//! HTTP Live Streaming with its low-latency extensions: RFC 8216 in its second edition (draft-pantos-hls-rfc8216bis).
//!
//! - [`Window`] cuts the movie fragments of a packaging into Media Segments and Partial Segments and keeps the newest of them.
//! - [`Snapshot`] is the window at one moment: what playlists are written from and files are found in.
//! - [`playlist`] writes Media and Multivariant Playlists.
//! - [`Reload`] and [`FileName`] read what a client asks for, strictly.
//! - [`reading`] reads playlists as a client must, and judges them by the rules of the document.
//!
//! The bytes are those of the fragments as they came: a part is some of them, one after another, a segment is its parts. Everything
//! here is bounded by [`Settings`].
//!
//! Not here: HTTP, waiting for what is not there yet, compression.

mod file_name;
mod plan;
pub mod playlist;
pub mod reading;
mod reload;
mod segment;
mod snapshot;
mod window;

pub use file_name::FileName;
pub use plan::Plan;
pub use reload::{BadReload, Reload, Skip};
pub use segment::{Init, Part, Segment};
pub use snapshot::{Found, Snapshot, Verdict};
pub use window::{Settings, Window};
