//! WebSocket (RFC 6455), the server's half: handshake, frames, and the session that sends one stream to one viewer.
//!
//! The session sends the bare body of an HTTP answer as well: the same bytes to the same kind of viewer, without the frames.
//!
//! Written here rather than taken, because sending is the product: a chunk goes from the ring to the socket in one
//! write without being copied or masked, and a viewer costs a task and no buffer. permessage-deflate is never
//! negotiated: coded media does not shrink.

pub mod frame;
mod group;
pub mod handshake;
mod line;
mod session;

use std::sync::Arc;

use container::{Format, FormatOptions};
use hub::{LagPolicy, PackagingKey, Stream};
use tokio_util::sync::CancellationToken;

pub use self::group::Groups;
use self::handshake::Connection;
pub use self::session::{Framing, Manners};
use crate::supervise::audience::Admission;
use crate::supervise::tasks::Tasks;

/// Serves viewers of any stream in any format.
#[derive(Debug)]
pub struct Viewers {
    groups: Groups,
    tasks: Tasks,
    stop: CancellationToken,
}

impl Viewers {
    /// Groups are started as `tasks`; `stop` ends every wait for a viewer.
    pub fn new(tasks: Tasks, stop: CancellationToken) -> Self {
        Self { groups: Groups::default(), tasks, stop }
    }

    /// Shows a stream to a viewer: watches it from now on, and sends, once awaited, until either side ends.
    pub fn serve(
        &self,
        connection: Connection,
        stream: &Arc<Stream>,
        (format, options): (Format, FormatOptions),
        policy: LagPolicy,
        manners: Manners,
        admission: Admission,
    ) -> impl Future<Output = ()> + use<> {
        let key = format.key(&options);
        let packaging = PackagingKey::new(key.clone());
        let subscription = stream.subscribe_packaged(&packaging, policy, || format.muxer(&options));
        let group = self.groups.find(&key, format, &manners, &subscription, admission.timings(), &self.tasks);
        session::run(connection, subscription, group, manners, admission, self.stop.clone())
    }
}
