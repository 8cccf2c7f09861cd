//! What may be a stream's definition when it comes through the API.
//!
//! Invariant: nothing that comes through here names a program, or a path of this machine: whoever may change streams may not therefore run
//! commands or read files. So both the keys and the sources are those listed as harmless, and all others are refused. The file in
//! which the API's streams are kept is judged the same.
//!
//! What the values mean is `config::plan`'s, for the API as for the configuration.

use hub::StreamName;

use super::Refused;
use crate::config::file::Text;
use crate::config::plan::{self, StreamPlan};
use crate::endpoint::Endpoint;
use crate::error::ConfigError;

/// Keys of a stream that the API may set.
const KEYS: [&str; 3] = ["source", "linger", "on_demand"];

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
    if definition.get("source").is_some_and(|source| plan::endpoint_of(source, endpoints).is_none()) {
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
    if let Some(source) = definition.get("source")
        && let Some(endpoint) = plan::endpoint_of(source, endpoints)
        && !endpoint.is_open_to_api()
    {
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

/// Where a stream of the API is defined, for people.
const ORIGIN: &str = "the API";
