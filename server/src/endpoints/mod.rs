//! Where media enters or leaves: a folder each, and a line each in [`ENDPOINTS`].

use crate::endpoint::Endpoint;

pub mod data;
pub mod derived;
pub mod exec;
pub mod file;
pub mod hls;
pub mod http_pull;
pub mod mjpeg;
pub mod pages;
pub mod progressive;
pub mod publish;
pub mod robopipe;
pub mod rtcbot;
pub mod rtmp;
pub mod rtsp;
pub mod snapshot;
pub mod tcp;
pub mod tcp_listen;
pub mod test;
pub mod udp;
pub mod webrtc;
pub mod websocket;

/// Every endpoint there is.
pub const ENDPOINTS: &[&dyn Endpoint] = &[
    &test::Test,
    &exec::Exec,
    &tcp::Tcp,
    &tcp_listen::TcpListen,
    &udp::Udp,
    &http_pull::HttpPull,
    &file::File,
    &derived::Derived,
    &data::Data,
    &websocket::WebSocket,
    &progressive::Progressive,
    &robopipe::Robopipe,
    &snapshot::Snapshot,
    &hls::Hls,
    &mjpeg::Mjpeg,
    &publish::Publish,
    &rtcbot::RtcBot,
    &rtmp::Rtmp,
    &rtsp::Rtsp,
    &webrtc::WebRtc,
    &pages::Pages,
];
