//! firstlight: the program between cameras and browsers.
//!
//! This crate is the floor that owns clocks, sockets, files and tasks; what it moves is made in the crates below.
//! Inside it, again floors: `error`, `telemetry`, `metrics` ← `config` (but `plan`), `controls`, `net`, `auth` ←
//! `endpoint`, `supervise`, `still`, `ingest`, `webrtc` ←
//! `config::plan`, `roster`, `ws`, `viewers`, `transcode` ← `endpoints`, `http` ← `app` ← `cli`. A test holds them (`tests/tidy`); see
//! `ARCHITECTURE.md`.

pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod controls;
pub mod endpoint;
pub mod endpoints;
pub mod error;
pub mod http;
pub mod ingest;
pub mod metrics;
pub mod net;
pub mod roster;
pub mod still;
pub mod supervise;
pub mod telemetry;
pub mod transcode;
pub mod viewers;
pub mod webrtc;
pub mod ws;
