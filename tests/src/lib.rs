//! The whole server from outside: the real program on a port of its own, cameras that misbehave, viewers that count.
//!
//! A harness for the tests beside it and nothing else. It waits for conditions with a deadline, never for luck; what it cannot go on
//! without (the program, ffmpeg) fails the test with a sentence.

pub mod bad_network;
pub mod boxes;
pub mod byte_stream;
pub mod camera;
pub mod clip;
pub mod go_between;
pub mod http;
pub mod odd_camera;
pub mod own_network;
pub mod parts;
pub mod player;
pub mod program;
pub mod prometheus;
pub mod random;
pub mod road;
pub mod rtmp;
pub mod rtsp;
pub mod server;
pub mod tls;
pub mod tool;
pub mod turn;
pub mod units;
pub mod viewer;
pub mod wait;
pub mod webrtc;

pub use self::server::Server;
pub use self::viewer::{Message, Viewer};
pub use self::wait::{eventually, within};
