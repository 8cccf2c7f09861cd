//! What keeps running: tasks with a parent, a name and an end; sources started on demand and retried.

pub mod accept;
pub mod audience;
pub mod backoff;
pub mod budget;
pub mod caller;
pub mod cameras;
pub mod data;
pub mod egress;
pub mod ice_servers;
pub mod live;
pub mod renditions;
pub mod seat;
pub mod source;
pub mod standing;
pub mod tasks;
pub mod watchdog;
