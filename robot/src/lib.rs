//! What a robot sees, hears and is told, by WebRTC: [RTCBot](https://rtcbot.readthedocs.io)'s words, in Rust.
//!
//! All that produces something has [`subscribe`](Producer::subscribe): a [`Camera`], a [`Microphone`], what comes over an [`RtcConnection`]. All that
//! consumes has [`put_subscription`](Consumer::put_subscription): a [`Display`], a [`Speaker`], what goes over a connection. The other end is a browser with
//! RTCBot's script ([`rtcbot_js`]), RTCBot in Python, or another program like this one.
//!
//! ```
//! use firstlight_robot::prelude::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let robot = RtcConnection::new();
//! robot.video.put_subscription(&Camera::open("test"));
//!
//! let pilot = RtcConnection::new();
//! let mut pictures = pilot.video.subscribe();
//!
//! // However the two descriptions travel: here they do not.
//! let offer = pilot.get_local_description(None).await?;
//! let answer = robot.get_local_description(Some(offer)).await?;
//! pilot.set_remote_description(answer).await?;
//!
//! let frame = pictures.get().await.expect("the robot sends pictures");
//! assert_eq!((frame.width(), frame.height()), (320, 240));
//!
//! pilot.put_nowait(json!({ "drive": "forward" }));
//! assert_eq!(robot.subscribe().get().await, Some(json!({ "drive": "forward" })));
//! pilot.close().await;
//! robot.closed().await;
//! # Ok(())
//! # }
//! ```
//!
//! Pictures are H.264 and sound is Opus, encoded and decoded in this process. Everything runs on a tokio runtime; what encodes, decodes, or waits for a
//! device does so on threads of its own.
//!
//! Not here: how descriptions travel (a web server, or the server's `/connect` and `/ws`), the protocol (`peer`), codecs (`encode`).

mod camera;
mod connection;
mod description;
mod device;
#[cfg(feature = "display")]
mod display;
mod error;
mod frame;
mod inlet;
mod life;
mod microphone;
mod outlet;
mod pattern;
#[cfg(feature = "sound")]
mod speaker;
mod subscription;

pub use camera::{Camera, CameraSettings};
pub use connection::{
    AudioHandler, ConnectionSettings, DataChannel, RtcConnection, TurnServer, VideoHandler,
};
pub use description::Description;
#[cfg(feature = "display")]
pub use display::Display;
pub use error::Error;
pub use frame::{Frame, Sound};
pub use inlet::Consumer;
pub use life::Life;
pub use microphone::Microphone;
pub use outlet::{Producer, SubscriptionProducer};
#[cfg(feature = "sound")]
pub use speaker::Speaker;
pub use subscription::{IntoSubscription, Subscription};

/// All there is, to be imported at once.
pub mod prelude {
    pub use crate::*;
    pub use serde_json::{Value, json};
}

/// RTCBot's script for browsers, as the server has it: what a page of the robot's own loads from `/rtcbot.js`.
pub fn rtcbot_js() -> &'static str {
    include_str!("../../web/rtcbot.js")
}
