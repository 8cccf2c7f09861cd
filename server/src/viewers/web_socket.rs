//! What a WebSocket viewer and the server say to each other: pings, closing, and for formats that have them our control messages.

use std::time::Duration;

use bytes::BytesMut;

use super::dialogue::{Dialogue, End, Tick};
use crate::telemetry::unix_micros;
use crate::ws::frame::{Frame, FrameReader, Header, Opcode};

/// Nothing sent for this long: see whether the peer is still there.
const PING_AFTER: Duration = Duration::from_secs(20);
/// And nothing heard for this long: it is not.
const GONE_AFTER: Duration = Duration::from_secs(40);
/// How often a viewer who is told its lag is told.
const LAG_EVERY: Duration = Duration::from_secs(1);
/// How often others are looked after.
const TICK: Duration = Duration::from_secs(10);
/// How many `ping` messages are answered each tick.
const PONGS_PER_TICK: u32 = 10;

/// The dialogue of a WebSocket.
#[derive(Debug, Default)]
pub struct WebSocketDialogue {
    frames: FrameReader,
    control: bool,
    pongs: u32,
}

impl WebSocketDialogue {
    /// With `control`, the format has control messages (`docs/ref/websocket.md`): skips, lag, ping.
    pub fn new(control: bool) -> Self {
        Self { control, ..Self::default() }
    }

    /// Answers `{"type":"ping","t":NUMBER}`; anything else is ignored, as the format's page says.
    fn answer(&mut self, text: &[u8], say: &mut BytesMut) {
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(text) else { return };
        let is_ping = message.get("type").is_some_and(|kind| kind == "ping");
        let Some(t) = message.get("t").and_then(serde_json::Value::as_f64).filter(|_| is_ping) else {
            return;
        };
        if self.pongs >= PONGS_PER_TICK {
            return;
        }
        self.pongs += 1;
        let text = format!(r#"{{"type":"pong","t":{t},"now":{}}}"#, unix_micros());
        put(Opcode::Text, text.as_bytes(), say);
    }
}

impl Dialogue for WebSocketDialogue {
    fn hear(&mut self, bytes: &[u8], say: &mut BytesMut) -> Result<(), End> {
        let frames = self.frames.push(bytes).map_err(|e| End::Close(e.close_code(), e.to_string()))?;
        for Frame { opcode, payload } in frames {
            match opcode {
                Opcode::Ping => put(Opcode::Pong, &payload, say),
                Opcode::Close => {
                    let code = payload.first_chunk().map_or(1000, |code| u16::from_be_bytes(*code));
                    return Err(End::Close(code, String::new()));
                }
                Opcode::Text if self.control => self.answer(&payload, say),
                Opcode::Text | Opcode::Binary | Opcode::Pong | Opcode::Continuation => {}
            }
        }
        Ok(())
    }

    fn skipped(&mut self, items: u64, say: &mut BytesMut) {
        if self.control {
            put(Opcode::Text, format!(r#"{{"type":"skipped","items":{items}}}"#).as_bytes(), say);
        }
    }

    fn every(&self) -> Duration {
        if self.control { LAG_EVERY } else { TICK }
    }

    fn tick(&mut self, now: &Tick, say: &mut BytesMut) -> Result<(), End> {
        self.pongs = 0;
        if now.unsent >= GONE_AFTER && now.unheard >= GONE_AFTER {
            return Err(End::Gone);
        }
        if now.unsent >= PING_AFTER {
            put(Opcode::Ping, &[], say);
        }
        if let Some(lag) = now.lag.filter(|_| self.control) {
            let text = format!(r#"{{"type":"lag","ms":{},"now":{}}}"#, lag.as_millis(), unix_micros());
            put(Opcode::Text, text.as_bytes(), say);
        }
        Ok(())
    }

    fn farewell(&mut self, code: u16, reason: &str, say: &mut BytesMut) {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(&reason.as_bytes()[..reason.len().min(100)]);
        put(Opcode::Close, &payload, say);
    }
}

fn put(opcode: Opcode, payload: &[u8], say: &mut BytesMut) {
    say.extend_from_slice(Header::new(opcode, payload.len()).as_bytes());
    say.extend_from_slice(payload);
}
