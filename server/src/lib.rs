//! firstlight: the program between cameras and browsers.
//!
//! This crate is the floor that owns clocks, sockets, files and tasks; what it moves is made in the crates below.
//! Inside it, again floors: `error`, `telemetry` ← `config`, `net` ← `endpoint`, `supervise`, `ws`, `ingest` ←
//! `endpoints` ← `http` ← `app`. See `ARCHITECTURE.md`.

pub mod app;
pub mod cli;
pub mod config;
pub mod endpoint;
pub mod endpoints;
pub mod error;
pub mod http;
pub mod ingest;
pub mod net;
pub mod supervise;
pub mod telemetry;
pub mod ws;
