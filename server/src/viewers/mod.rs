//! Sending one stream to many: sessions, and the groups that serve those who keep up.
//!
//! Every output that is a row of chunks on a connection is served from here, whatever stands around the chunks ([`Framing`]) and
//! whatever is said besides them ([`Dialogue`]): WebSocket, endless HTTP answers, and protocols of their own. An endpoint brings a
//! connection that is ready for media, and says in which form the stream goes out.
//!
//! Not here: formats (`container`), handshakes, who may watch (`supervise::audience`).

pub mod by_webrtc;
mod dialogue;
mod flv;
mod framing;
mod group;
mod line;
mod session;
pub mod talk;
mod web_socket;

use std::fmt;
use std::sync::Arc;

use container::{Format, FormatOptions};
use futures_core::future::BoxFuture;
use hub::{LagPolicy, PackagingKey, Stream};
use media::Muxer;
use tokio_util::sync::CancellationToken;

pub use self::dialogue::{Dialogue, End, Silent, Tick};
use self::flv::FlvDialogue;
pub use self::framing::Framing;
use self::group::Groups;
pub use self::session::Manners;
use self::session::{Other, Place};
pub use self::web_socket::WebSocketDialogue;
use crate::endpoint::Context;
use crate::metrics::Timings;
use crate::net::connection::Connection;
use crate::supervise::audience::Admission;
use crate::supervise::cameras::Camera;
use crate::supervise::tasks::Tasks;
use crate::transcode::{Fit, Sound, fit};

/// Serves viewers of any stream in any format.
#[derive(Debug)]
pub struct Viewers {
    groups: Groups,
    tasks: Tasks,
    stop: CancellationToken,
}

/// In which form a stream goes out.
pub struct Form {
    /// Differs wherever a byte of the output would: viewers with the same key share one packaging.
    pub key: String,
    /// The format's name, for logs.
    pub name: &'static str,
    /// Whether it has a place for pictures that are shown in another order than they are decoded (B-frames).
    pub carries_reordering: bool,
    /// Makes the chunks; called for the first viewer alone.
    pub muxer: Box<dyn FnOnce() -> Box<dyn Muxer> + Send>,
}

impl From<(Format, FormatOptions)> for Form {
    fn from((format, options): (Format, FormatOptions)) -> Self {
        Self {
            key: format.key(&options),
            name: format.name(),
            carries_reordering: format.carries_reordering(),
            muxer: Box::new(move || format.muxer(&options)),
        }
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Form").field(&self.key).finish()
    }
}

impl Viewers {
    /// Groups are started as `tasks`; `stop` ends every wait for a viewer.
    pub fn new(tasks: Tasks, stop: CancellationToken) -> Self {
        Self { groups: Groups::default(), tasks, stop }
    }

    /// Shows a stream to a viewer: watches it from now on, and sends, once awaited, until either side ends. What is awaited is on the heap, so
    /// that a connection that still speaks of other things does not hold room for it.
    #[allow(clippy::too_many_arguments)] // who, what, in which form, how, and by which right: no two of them belong together
    pub fn serve(
        &self,
        connection: Connection,
        stream: &Arc<Stream>,
        form: impl Into<Form>,
        policy: LagPolicy,
        manners: Manners,
        dialogue: impl Dialogue + 'static,
        admission: Admission,
    ) -> BoxFuture<'static, ()> {
        let place = self.place(stream, form.into(), policy, &manners, admission.timings());
        let (dialogue, stop) = (Box::new(dialogue), self.stop.clone());
        Box::pin(session::run(connection, place, None, manners, dialogue, admission, stop))
    }

    /// The same for a camera in one of our formats: where that has no place for the sound there is, the viewer is shown a rendition with
    /// sound that has one. Which it is may turn out only when the camera has begun; what viewers say is heard until then as well.
    #[allow(clippy::too_many_arguments)] // the same
    pub fn show(
        self: &Arc<Self>,
        connection: Connection,
        context: &Context,
        camera: &Arc<Camera>,
        (format, options): (Format, FormatOptions),
        policy: LagPolicy,
        manners: Manners,
        dialogue: impl Dialogue + 'static,
        admission: Admission,
    ) -> BoxFuture<'static, ()> {
        let sound = Sound::of(format).filter(|_| options.audio);
        let origin = || Arc::clone(camera.stream());
        let (stream, later) = match sound.map(|sound| fit(context, camera, sound)) {
            None => (origin(), None),
            Some(Fit::Known(stream)) => (stream, None),
            Some(Fit::Later(known)) => (origin(), Some(known)),
        };
        let form = || Form::from((format, options));
        let place = self.place(&stream, form(), policy, &manners, admission.timings());
        let other = later.map(|known| -> Other {
            let (viewers, form, timings) = (Arc::clone(self), form(), Arc::clone(admission.timings()));
            Box::pin(async move {
                let fitting = known.await;
                let is_other = !Arc::ptr_eq(&fitting, &stream);
                is_other.then(|| viewers.place(&fitting, form, policy, &manners, &timings))
            })
        });
        let dialogue: Box<dyn Dialogue> = match format {
            Format::Flv => Box::new(FlvDialogue::new(dialogue, manners.framing)),
            _ => Box::new(dialogue),
        };
        Box::pin(session::run(connection, place, other, manners, dialogue, admission, self.stop.clone()))
    }

    fn place(
        &self,
        stream: &Arc<Stream>,
        form: Form,
        policy: LagPolicy,
        manners: &Manners,
        timings: &Arc<Timings>,
    ) -> Place {
        let Form { key, name, carries_reordering, muxer } = form;
        let subscription = stream.subscribe_packaged(&PackagingKey::new(key.clone()), policy, muxer);
        let unordered = (!carries_reordering).then_some(name);
        let group = self.groups.find(key, unordered, manners, &subscription, timings, &self.tasks);
        Place { subscription, group }
    }
}
