//! `push` of a stream: where it is sent to.

use std::path::PathBuf;

use serde::Deserialize;

use super::file::Section;
use super::values::Written;
use crate::endpoint::Endpoint;
use crate::error::ConfigError;
use crate::net::dial::{Place, Trust};
use crate::net::tls::trust::Fingerprint;
use crate::supervise::egress::Destination;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: String,
    /// Who proves that the other server is who it is, instead of the system's authorities.
    ca: Option<PathBuf>,
    /// Of its certificate, which needs no authority then.
    fingerprint: Option<Written<Fingerprint>>,
    #[serde(default)]
    on_demand: bool,
}

/// An address, a table with one, or a list of these.
///
/// # Errors
/// [`ConfigError`] saying which is wrong; it does not repeat an address, which has secrets.
pub(super) fn pushes(
    value: Section<'_>,
    endpoints: &[&dyn Endpoint],
) -> Result<Vec<Destination>, ConfigError> {
    value.into_items().iter().map(|item| push(item, endpoints)).collect()
}

fn push(item: &Section<'_>, endpoints: &[&dyn Endpoint]) -> Result<Destination, ConfigError> {
    let written = item.clone().parse::<toml::Value>()?.to_string();
    let table = match item.as_str() {
        Some(url) => Table { url: url.to_owned(), ca: None, fingerprint: None, on_demand: false },
        None => item.clone().parse()?,
    };
    let known = || endpoints.iter().flat_map(|e| e.push_schemes()).copied().collect::<Vec<_>>().join(", ");
    let place = Place::parse(&table.url).ok_or_else(|| {
        item.error(format!("expected an address, as scheme://HOST/PATH; schemes: {}", known()))
    })?;
    let endpoint = endpoints.iter().find(|e| e.push_schemes().contains(&&place.scheme[..]));
    let Some(endpoint) = endpoint else {
        return Err(item.error(format!(
            "nothing is pushed to {:?}: expected one of {}",
            place.scheme,
            known()
        )));
    };
    let trust = match (table.ca, table.fingerprint) {
        (Some(_), Some(_)) => return Err(item.error("either ca or fingerprint: one is enough")),
        (Some(file), None) => Trust::File(file),
        (None, Some(fingerprint)) => Trust::Fingerprint(fingerprint.0),
        (None, None) => Trust::System,
    };
    let egress = endpoint.egress(place, &trust).map_err(|words| item.error(words))?.into();
    Ok(Destination { written, on_demand: table.on_demand, egress })
}
