//! HTTP: connections, the routes of every stream, health and the API.
//!
//! Knows no endpoint: routes come in as [`crate::endpoint::Parts`].

pub mod api;
mod caller;
mod links;
mod login;
pub mod metrics;
pub mod problem;
mod refusal;
pub mod router;
mod security;
pub mod server;
