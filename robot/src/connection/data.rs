//! Messages: channels by their names, and values of JSON on them.
//!
//! RTCBot's rules: all that is said is JSON, texts too; what comes and is no JSON is a text. Bytes that are no text are nobody's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use peer::Message;
use serde_json::Value;
use tokio::sync::mpsc;

use super::task::Command;
use crate::outlet::Outlet;
use crate::{IntoSubscription, Producer, Subscription};

/// The channel that both sides have.
pub(super) const DEFAULT: &str = "default";

/// A channel for messages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DataChannel {
    name: Arc<str>,
    incoming: Outlet<Value>,
    /// What came before anybody subscribed.
    early: Arc<Mutex<Option<Subscription<Value>>>>,
    commands: mpsc::Sender<Command>,
}

impl DataChannel {
    fn new(name: &str, commands: mpsc::Sender<Command>) -> Self {
        let incoming = Outlet::new(MESSAGES);
        let early = Arc::new(Mutex::new(Some(incoming.subscribe())));
        Self { name: name.into(), incoming, early, commands }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says this, as JSON.
    pub fn put_nowait(&self, message: impl Into<Value>) {
        let bytes = message.into().to_string().into();
        let message = Message { label: self.name.as_ref().to_owned(), is_text: true, bytes };
        // Full: the other side takes less than is said; over: nobody is there.
        let _ = self.commands.try_send(Command::Say(message));
    }

    /// Says all that this gives. To be called on a runtime.
    pub fn put_subscription(&self, from: impl IntoSubscription<Value>) {
        let (mut from, channel) = (from.into_subscription(), self.clone());
        tokio::spawn(async move {
            while let Some(value) = from.get().await {
                channel.put_nowait(value);
            }
        });
    }
}

impl Producer for DataChannel {
    type Item = Value;

    /// Whoever is first gets what came before as well.
    fn subscribe(&self) -> Subscription<Value> {
        let early = self.early.lock().unwrap_or_else(PoisonError::into_inner).take();
        early.unwrap_or_else(|| self.incoming.subscribe())
    }
}

/// All channels of a connection. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Channels {
    by_name: Arc<Mutex<HashMap<String, DataChannel>>>,
    opened: Outlet<DataChannel>,
    commands: mpsc::Sender<Command>,
}

impl Channels {
    pub(super) fn new(commands: mpsc::Sender<Command>) -> Self {
        let default = DataChannel::new(DEFAULT, commands.clone());
        let by_name = HashMap::from([(DEFAULT.to_owned(), default)]);
        Self { by_name: Arc::new(Mutex::new(by_name)), opened: Outlet::new(CHANNELS), commands }
    }

    pub(super) fn default(&self) -> DataChannel {
        self.get(DEFAULT).unwrap_or_else(|| DataChannel::new(DEFAULT, self.commands.clone()))
    }

    pub(super) fn get(&self, name: &str) -> Option<DataChannel> {
        self.lock().get(name).cloned()
    }

    pub(super) fn add(&self, name: &str, ordered: bool) -> DataChannel {
        let channel = self.known(name);
        // Over: there is nobody to open it to.
        let _ = self.commands.try_send(Command::Open(name.to_owned(), ordered));
        channel
    }

    pub(super) fn opened(&self) -> Subscription<DataChannel> {
        self.opened.subscribe()
    }

    /// There is one of this name, whoever opened it.
    pub(super) fn open(&self, name: &str) {
        if self.get(name).is_none() {
            let channel = self.known(name);
            self.opened.put(&channel);
        }
    }

    pub(super) fn heard(&self, message: &Message) {
        let Ok(text) = std::str::from_utf8(&message.bytes) else { return };
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        if let Some(channel) = self.get(&message.label) {
            channel.incoming.put(&value);
        }
    }

    pub(super) fn gone(&self, name: &str) {
        if let Some(channel) = self.lock().remove(name) {
            channel.incoming.close();
        }
    }

    pub(super) fn close(&self) {
        self.opened.close();
        self.lock().values().for_each(|channel| channel.incoming.close());
    }

    fn known(&self, name: &str) -> DataChannel {
        let mut by_name = self.lock();
        let make = || DataChannel::new(name, self.commands.clone());
        by_name.entry(name.to_owned()).or_insert_with(make).clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, DataChannel>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages that wait for a subscriber.
const MESSAGES: usize = 1_024;
const CHANNELS: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_is_said_is_json_and_what_comes_need_not_be() {
        let (commands, mut said) = mpsc::channel(8);
        let channels = Channels::new(commands);
        channels.default().put_nowait("plain");
        let Some(Command::Say(message)) = said.recv().await else { panic!("nothing was said") };
        assert_eq!((&message.label[..], &message.bytes[..]), ("default", &b"\"plain\""[..]));
        for bytes in [&b"plain"[..], b"{\"a\":1}", b"\xff", b"\"quoted\""] {
            let message = Message { label: "default".into(), is_text: true, bytes: bytes.to_vec().into() };
            channels.heard(&message);
        }
        let mut heard = channels.default().subscribe();
        for value in [json!("plain"), json!({ "a": 1 }), json!("quoted")] {
            assert_eq!(heard.get().await, Some(value));
        }
        let mut opened = channels.opened();
        channels.open("other");
        channels.open("other");
        assert_eq!(opened.get().await.unwrap().name(), "other");
        assert!(opened.get_nowait().is_none());
        channels.close();
        assert_eq!(heard.get().await, None);
    }
}
