//! HTTP: connections, the routes of every stream, health and the API.
//!
//! Knows no endpoint: routes come in as [`crate::endpoint::Parts`].

pub mod api;
pub mod metrics;
pub mod router;
pub mod server;
