//! `data` of a stream: what becomes of what is said to it.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::file::Section;
use super::values::Span;
use crate::error::ConfigError;

/// What a stream's configuration says about its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataPlan {
    /// Where robots connect on this machine.
    pub socket: Option<PathBuf>,
    /// What a robot that reads too slowly gets.
    pub delivery: Delivery,
    /// What is said when drivers fall silent.
    pub dead_man: Option<DeadMan>,
}

/// When nobody drives any more, and what robots are told then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadMan {
    /// So long all drivers may be silent.
    pub after: Duration,
    /// One JSON value.
    pub message: Bytes,
}

/// What becomes of messages that are not read as fast as they come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// They wait, up to a bound; one who falls further behind is given up.
    #[default]
    Reliable,
    /// A newer one takes the place of one that waits: right for the state of a joystick, wrong for key presses.
    Newest,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Where programs of this machine connect.
    socket: Option<PathBuf>,
    #[serde(default)]
    delivery: Delivery,
    dead_man: Option<Switch>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    after: Span,
    send: toml::Value,
}

/// A table with a socket, how messages are delivered, and what is said when drivers fall silent.
///
/// # Errors
/// [`ConfigError`] saying which key is wrong.
pub(super) fn data(value: &Section<'_>) -> Result<DataPlan, ConfigError> {
    let table: Table = value.clone().parse()?;
    let dead_man = match table.dead_man {
        Some(switch) if switch.after.0 < SHORTEST => {
            return Err(value.error(format!("dead_man.after is at least {} ms", SHORTEST.as_millis())));
        }
        Some(switch) => {
            let message = serde_json::to_vec(&switch.send).map_err(|error| value.error(error.to_string()))?;
            Some(DeadMan { after: switch.after.0, message: message.into() })
        }
        None => None,
    };
    Ok(DataPlan { socket: table.socket, delivery: table.delivery, dead_man })
}

/// A page that drives speaks ten times a second.
const SHORTEST: Duration = Duration::from_millis(50);
