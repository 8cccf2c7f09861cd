//! What may be a stream's definition when it comes through the API.
//!
//! Invariant: nothing that comes through here names a program, or a path of this machine: whoever may change streams may not therefore run
//! commands or read files. So both the keys and the sources are those listed as harmless, and all others are refused. The file in
//! which the API's streams are kept is judged the same. And nobody gets a stream to see made from one that they may not see
//! ([`may_be_made`]).
//!
//! What the values mean is `config::plan`'s, for the API as for the configuration.

use hub::StreamName;

use super::Refused;
use super::edit::Plans;
use crate::auth::{Identity, Right};
use crate::config::file::Text;
use crate::config::origins::wrong_origins;
use crate::config::plan::{self, StreamPlan};
use crate::endpoint::Endpoint;
use crate::error::ConfigError;

/// Keys of a stream that the API may set.
const KEYS: [&str; 5] = ["source", "linger", "on_demand", "on_second_publisher", "filler"];
/// Those of them that name a source.
const SOURCES: [&str; 2] = ["source", "filler"];

/// Judges a definition from the API.
///
/// # Errors
/// [`Refused::Forbidden`] for a source that only the configuration may have, [`Refused::Wrong`] with all that is wrong else.
pub(super) fn judge(
    name: &StreamName,
    definition: &toml::Table,
    endpoints: &[&dyn Endpoint],
) -> Result<StreamPlan, Refused> {
    allowed(definition, endpoints)?;
    let stream = toml::Table::from_iter([(name.to_string(), toml::Value::Table(definition.clone()))]);
    let document = toml::Table::from_iter([("streams".to_owned(), toml::Value::Table(stream))]);
    let wrong = |message: String| {
        let origin = ORIGIN.to_owned();
        Refused::Wrong(vec![ConfigError { origin, line: None, key: String::new(), message }])
    };
    let toml = toml::to_string(&document).map_err(|e| wrong(e.to_string()))?;
    let text = Text { origin: ORIGIN.to_owned(), toml };
    let (mut plans, errors) = plan::streams(&text, endpoints).map_err(|e| wrong(e.message))?;
    if !errors.is_empty() {
        // Lines of the text that was made above would say nothing to whoever asks.
        let below = format!("streams.{name}");
        let own = |key: &str| key.strip_prefix(&below).unwrap_or(key).trim_start_matches('.').to_owned();
        let errors = errors.into_iter().map(|e| ConfigError { line: None, key: own(&e.key), ..e });
        return Err(Refused::Wrong(errors.collect()));
    }
    if sources(definition).any(|source| plan::endpoint_of(source, endpoints).is_none()) {
        return Err(Refused::Forbidden(
            "a source of this kind comes from the configuration file alone".to_owned(),
        ));
    }
    let mut plan = plans.pop().ok_or_else(|| wrong("there is no stream".to_owned()))?;
    ORIGIN.clone_into(&mut plan.place);
    Ok(plan)
}

/// Whether a definition has nothing that only the configuration may have.
///
/// # Errors
/// As [`judge`].
pub(super) fn allowed(definition: &toml::Table, endpoints: &[&dyn Endpoint]) -> Result<(), Refused> {
    let closed = sources(definition)
        .filter_map(|source| plan::endpoint_of(source, endpoints))
        .find(|endpoint| !endpoint.is_open_to_api());
    if let Some(endpoint) = closed {
        let name = endpoint.name();
        let open =
            endpoints.iter().filter(|e| e.is_open_to_api()).map(|e| e.name()).collect::<Vec<_>>().join(", ");
        return Err(Refused::Forbidden(format!(
            "a source {name:?} comes from the configuration file alone; by the API there are {open}"
        )));
    }
    let unknown = definition.keys().filter(|key| !KEYS.contains(&key.as_str()));
    let errors: Vec<ConfigError> = unknown
        .map(|key| ConfigError {
            origin: ORIGIN.to_owned(),
            line: None,
            key: key.clone(),
            message: format!("no key that the API takes; a stream has {}", KEYS.join(", ")),
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(Refused::Wrong(errors)) }
}

fn sources(definition: &toml::Table) -> impl Iterator<Item = &toml::Value> {
    SOURCES.iter().filter_map(|key| definition.get(*key))
}

/// Whether somebody may have a stream made from what it is made from, and whether that can be: it must be there, and not be made from
/// the stream itself. `before` is what the stream was, `all` all that there would be.
///
/// # Errors
/// [`Refused::Forbidden`] if they may not see its origin, whether there is one or not; [`Refused::Wrong`] if it cannot be.
pub(super) fn may_be_made(
    plan: &StreamPlan,
    before: Option<&StreamPlan>,
    all: &Plans,
    by: &Identity,
) -> Result<(), Refused> {
    let Some(origin) = plan.origins().next() else { return Ok(()) };
    let same = |key| before.is_some_and(|before| before.definition.get(key) == plan.definition.get(key));
    // Whoever may change a stream that somebody else made from one hidden from them may change all but what it shows of that one.
    if !SOURCES.iter().all(|key| same(*key)) && !by.may(Right::View, origin) {
        return Err(Refused::Forbidden(format!(
            "a stream cannot be made from {origin}: you may not see a stream of that name"
        )));
    }
    match wrong_origins(all.values()).into_iter().find(|(name, _)| **name == plan.name) {
        Some((_, wrong)) => {
            let key = if plan.source.is_some() { "source" } else { "filler" };
            let (origin, key) = (ORIGIN.to_owned(), key.to_owned());
            Err(Refused::Wrong(vec![ConfigError { origin, line: None, key, message: wrong.to_string() }]))
        }
        None => Ok(()),
    }
}

/// Where a stream of the API is defined, for people.
const ORIGIN: &str = "the API";
