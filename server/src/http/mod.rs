//! HTTP: connections, the routes of every stream, health and the API.
//!
//! Knows no endpoint: routes come in as [`crate::endpoint::Parts`].

mod again;
mod answers;
pub mod api;
mod bounded;
mod caller;
mod dialect;
mod head;
mod links;
mod login;
pub mod metrics;
mod patience;
mod plain_head;
pub mod problem;
mod proof;
mod refusal;
pub mod router;
mod security;
pub mod server;
