//! The settings of a source that is a byte stream at an address: what `tcp`, `tcp-listen` and `udp` have in common.

use std::str::FromStr;

use container::demux::InputFormat;
use serde::Deserialize;

use super::file::Section;
use super::values::Input;
use crate::error::ConfigError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    address: String,
    #[serde(default)]
    format: Option<Input>,
}

/// Address and format from `"scheme://address"` or `{ address = "…", format = "…" }`.
///
/// # Errors
/// [`ConfigError`] with what the address should be.
pub fn byte_stream<A: FromStr<Err = String>>(
    spec: Section<'_>,
    scheme: &str,
) -> Result<(A, Option<InputFormat>), ConfigError> {
    let place = spec.clone();
    let spec = match spec.as_str() {
        Some(url) => {
            let address = url.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
            let address = address.ok_or_else(|| place.error(format!("expected {scheme}://address")))?;
            Spec { address: address.to_owned(), format: None }
        }
        None => spec.parse()?,
    };
    let address = spec.address.parse().map_err(|e: String| place.error(e))?;
    Ok((address, spec.format.map(|input| input.0)))
}
