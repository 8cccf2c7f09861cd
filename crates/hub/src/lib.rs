//! Fan-out: one publisher, any number of readers, no queue.
//!
//! A [`Stream`] keeps a bounded ring of immutable items; a [`Subscription`] is a cursor into it. Publishing never waits
//! for a reader, a packaging is muxed once however many watch, and everything a stream does upward (start the camera,
//! ask for a keyframe) follows from the subscriptions that exist.
//!
//! Locking: each stream has exactly one lock, held for a header and a copy at most, never across an await. Inside it only
//! the lock of its own demand counter is taken, for a read; wakers and dropped muxers run outside.
//!
//! Not here: sockets, clocks, retry, formats.

#![cfg_attr(test, allow(clippy::disallowed_methods))] // a test needs some instant to count from

mod fanout;
mod hold;
mod name;
mod packaging;
mod publisher;
mod registry;
mod ring;
mod stream;
mod subscription;
mod timeline;

pub use hold::Hold;
pub use name::{NameError, StreamName};
pub use packaging::PackagingKey;
pub use publisher::{PublishError, Publisher};
pub use registry::{Hub, HubError};
pub use ring::RingLimits;
pub use stream::{PackagingSnapshot, Stream, StreamSnapshot};
pub use subscription::{LagPolicy, Next, Readable, Reason, Subscription};
