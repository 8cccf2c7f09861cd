//! One measurement a file: each starts what it needs, and returns rows and details.

pub(crate) mod compare;
pub(crate) mod data;
pub(crate) mod delay;
pub(crate) mod encode_once;
pub(crate) mod glass;
pub(crate) mod idle;
pub(crate) mod join;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod overload;
pub(crate) mod pictures;
pub(crate) mod publish;
pub(crate) mod startup;
pub(crate) mod webrtc;
