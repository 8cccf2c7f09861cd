//! A connection to a browser or to another program: pictures, sound, messages, both ways.
//!
//! It is made once: two descriptions, an offer and its answer, which the program takes to the other side and back as it likes. What is sent has to
//! be put in before; what comes may be subscribed to at any time. A task serves the connection until either side closes it or the last handle is dropped.
//!
//! Here is what the program sees. The task is [`task`], what it encodes and decodes is in [`pictures`] and [`voice`].

mod data;
mod pictures;
mod settings;
mod task;
mod voice;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use peer::answer::Streams;
use peer::{Channel, Codec, Connection, Plan, Sockets};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use self::data::Channels;
pub use self::data::DataChannel;
pub use self::settings::{ConnectionSettings, TurnServer};
use self::task::{Command, Task};
use crate::inlet::{Inlet, consumes};
use crate::life::{Life, State};
use crate::outlet::Outlet;
use crate::{Description, Error, Frame, Producer, Sound, Subscription};

/// A connection. Cheap to clone; see the crate's example.
#[derive(Debug, Clone)]
pub struct RtcConnection {
    /// Pictures: those that come are subscribed to, those that go are put in.
    pub video: VideoHandler,
    /// Sound: what comes is subscribed to, what goes is put in.
    pub audio: AudioHandler,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: ConnectionSettings,
    state: State,
    channels: Channels,
    commands: mpsc::Sender<Command>,
    /// Gone with the last handle.
    handles: watch::Sender<()>,
    stage: Mutex<Stage>,
}

/// What becomes of a connection's descriptions.
#[derive(Debug)]
enum Stage {
    New(mpsc::Receiver<Command>),
    Offered(Box<Connection>, mpsc::Receiver<Command>),
    Agreed,
}

/// The pictures of a connection.
#[derive(Debug, Clone)]
pub struct VideoHandler(Handler<Frame>);

/// The sound of a connection.
#[derive(Debug, Clone)]
pub struct AudioHandler(Handler<Sound>);

#[derive(Debug, Clone)]
struct Handler<T> {
    incoming: Outlet<T>,
    outgoing: Inlet<T>,
    is_wanted: Arc<AtomicBool>,
}

impl<T: Clone + Send + 'static> Handler<T> {
    fn new(keeps: usize) -> Self {
        Self { incoming: Outlet::new(keeps), outgoing: Inlet::new(keeps), is_wanted: Arc::default() }
    }

    fn subscribe(&self) -> Subscription<T> {
        self.want();
        self.incoming.subscribe()
    }

    fn want(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.incoming.close();
        self.outgoing.close();
    }
}

impl VideoHandler {
    /// Asks for pictures when an offer is made, before anybody subscribes.
    pub fn offer_to_receive(&self) {
        self.0.want();
    }

    const fn inlet(&self) -> &Inlet<Frame> {
        &self.0.outgoing
    }
}

impl AudioHandler {
    /// Asks for sound when an offer is made, before anybody subscribes.
    pub fn offer_to_receive(&self) {
        self.0.want();
    }

    const fn inlet(&self) -> &Inlet<Sound> {
        &self.0.outgoing
    }
}

consumes!(VideoHandler, Frame);
consumes!(AudioHandler, Sound);

impl Producer for VideoHandler {
    type Item = Frame;

    fn subscribe(&self) -> Subscription<Frame> {
        self.0.subscribe()
    }
}

impl Producer for AudioHandler {
    type Item = Sound;

    fn subscribe(&self) -> Subscription<Sound> {
        self.0.subscribe()
    }
}

impl RtcConnection {
    /// A connection whose messages come in their order.
    pub fn new() -> Self {
        Self::with(ConnectionSettings::default())
    }

    /// As these say.
    pub fn with(settings: ConnectionSettings) -> Self {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let shared = Shared {
            settings,
            state: State::default(),
            channels: Channels::new(commands.clone()),
            commands,
            handles: watch::Sender::new(()),
            stage: Mutex::new(Stage::New(receiver)),
        };
        Self {
            video: VideoHandler(Handler::new(1)),
            audio: AudioHandler(Handler::new(SOUNDS)),
            shared: Arc::new(shared),
        }
    }

    /// An offer; or the answer to the offer that is given. All addresses are in it. To be called on a runtime.
    ///
    /// # Errors
    /// [`Error`], if the offer is none, or fits nothing here; or if there is a description already.
    pub async fn get_local_description(&self, offer: Option<Description>) -> Result<Description, Error> {
        let offer = offer.map(Description::into_offer).transpose()?;
        let sockets = self.shared.settings.sockets().await?;
        let mut stage = self.shared.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = match std::mem::replace(&mut *stage, Stage::Agreed) {
            Stage::New(receiver) => receiver,
            other => {
                *stage = other;
                return Err(Error::Twice);
            }
        };
        let made = self.describe(sockets, offer.as_deref());
        match made {
            Ok((connection, answer)) if offer.is_some() => {
                self.begin(connection, receiver);
                Ok(Description::answer(answer))
            }
            Ok((connection, text)) => {
                *stage = Stage::Offered(Box::new(connection), receiver);
                Ok(Description::offer(text))
            }
            Err(error) => {
                *stage = Stage::New(receiver);
                Err(error)
            }
        }
    }

    /// Takes the answer to the offer that was made. One that fits nothing here ends the connection.
    ///
    /// # Errors
    /// [`Error`], if it is none, or fits nothing here; or if there was no offer.
    pub async fn set_remote_description(&self, answer: Description) -> Result<(), Error> {
        let answer = answer.into_answer()?;
        let mut stage = self.shared.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *stage, Stage::Agreed) {
            Stage::Offered(mut connection, receiver) => {
                if let Err(error) = connection.accept(&answer) {
                    let error = Error::from(error);
                    self.shut(Some(error.clone()));
                    return Err(error);
                }
                self.begin(*connection, receiver);
                Ok(())
            }
            Stage::New(receiver) => {
                *stage = Stage::New(receiver);
                Err(Error::NoOffer)
            }
            Stage::Agreed => Err(Error::Twice),
        }
    }

    fn describe(&self, sockets: Sockets, offer: Option<&str>) -> Result<(Connection, String), Error> {
        let sends =
            [(self.video.0.outgoing.is_used(), Codec::H264), (self.audio.0.outgoing.is_used(), Codec::Opus)];
        // Whoever offers says what they would send; whoever asks says what they want.
        let takes = [
            (offer.is_some() || self.video.0.is_wanted(), Codec::H264),
            (offer.is_some() || self.audio.0.is_wanted(), Codec::Opus),
        ];
        let chosen = |all: [(bool, Codec); 2]| {
            all.into_iter().filter(|(yes, _)| *yes).map(|(_, codec)| codec).collect()
        };
        let channel = Channel {
            label: data::DEFAULT.to_owned(),
            ordered: self.shared.settings.default_channel_ordered,
        };
        let plan = Plan {
            sends: chosen(sends),
            takes: chosen(takes),
            channel: Some(channel),
            listens: false,
            streams: Streams::Apart,
        };
        let mut connection = Connection::new(sockets, plan, chance() as u32);
        let text = match offer {
            Some(offer) => connection.answer(offer)?,
            None => connection.offer()?,
        };
        Ok((connection, text))
    }

    fn begin(&self, connection: Connection, commands: mpsc::Receiver<Command>) {
        let task = Task::new(connection, commands, &self.video.0, &self.audio.0, &self.shared.channels);
        let (state, channels) = (self.shared.state.clone(), self.shared.channels.clone());
        let (video, audio) = (self.video.clone(), self.audio.clone());
        let handles = self.shared.handles.subscribe();
        tokio::spawn(async move {
            let over = task.run(&state, handles).await;
            shut(&video, &audio, &channels, &state, over.err());
        });
    }

    /// Ends what has not begun.
    fn shut(&self, error: Option<Error>) {
        shut(&self.video, &self.audio, &self.shared.channels, &self.shared.state, error);
    }

    /// Says this, as JSON; before there is a connection, it waits for one.
    pub fn put_nowait(&self, message: impl Into<Value>) {
        self.shared.channels.default().put_nowait(message);
    }

    /// Says all that this gives: what a joystick produces, or another connection. To be called on a runtime.
    pub fn put_subscription(&self, from: impl crate::IntoSubscription<Value>) {
        self.shared.channels.default().put_subscription(from);
    }

    /// Another channel for messages, of this name.
    pub fn add_data_channel(&self, name: &str, ordered: bool) -> DataChannel {
        self.shared.channels.add(name, ordered)
    }

    /// The channel of this name, if either side opened one.
    pub fn get_data_channel(&self, name: &str) -> Option<DataChannel> {
        self.shared.channels.get(name)
    }

    /// The channels that the other side opens, beside the default one.
    pub fn on_data_channel(&self) -> Subscription<DataChannel> {
        self.shared.channels.opened()
    }

    /// Ends it, tells the other side, and waits until that is done.
    pub async fn close(&self) {
        self.end();
        // It may have ended already.
        let _ = self.shared.commands.send(Command::Close).await;
        self.closed().await;
    }
}

impl Producer for RtcConnection {
    type Item = Value;

    /// What the other side says: a value of JSON, or a text that is none. Whoever is first gets what came before as well.
    fn subscribe(&self) -> Subscription<Value> {
        self.shared.channels.default().subscribe()
    }
}

impl Default for RtcConnection {
    fn default() -> Self {
        Self::new()
    }
}

impl Life for RtcConnection {
    fn state(&self) -> &State {
        &self.shared.state
    }

    fn end(&self) {
        let mut stage = self.shared.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *stage, Stage::Agreed) {
            // Full, or over: it ends all the same when the last handle is dropped.
            Stage::Agreed => _ = self.shared.commands.try_send(Command::Close),
            Stage::New(_) | Stage::Offered(..) => self.shut(None),
        }
    }
}

/// Nothing comes and nothing goes any more.
fn shut(
    video: &VideoHandler,
    audio: &AudioHandler,
    channels: &Channels,
    state: &State,
    error: Option<Error>,
) {
    video.0.close();
    audio.0.close();
    channels.close();
    state.set_closed(error);
}

/// A number that nobody guesses; std seeds each hasher differently.
fn chance() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Messages that wait for the task.
const COMMANDS: usize = 1_024;
/// A second of sound may wait.
const SOUNDS: usize = 50;
