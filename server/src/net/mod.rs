//! Sockets and who may use them.

pub mod address;
pub mod connection;
pub mod connections;
pub mod dial;
pub mod fetch;
pub mod held;
pub mod listen;
pub mod machine;
pub mod notify;
pub mod origin;
pub mod peer;
pub mod proxies;
pub mod rate_limit;
pub mod ready;
pub mod repeated;
pub mod rewound;
pub mod takeover;
pub mod tls;
pub mod transport;
