//! Configuration in two steps: [`mod@file`] reads text into sections and knows where each stands; [`plan`] lets each
//! endpoint turn its own section into values that cannot be wrong.

pub mod byte_stream;
pub mod data;
pub mod file;
pub mod limits;
pub mod needed;
pub mod origins;
pub mod plan;
pub mod push;
pub mod reserved;
pub mod tls;
pub mod values;
