//! `firstlight sign-url`: a link that lets whoever has it watch one stream for a while, without asking the server.
//!
//! It is signed with the configuration's own `link_key`: a key that a server made up at its start is known to that server alone.

use std::path::Path;
use std::time::Duration;

use hub::StreamName;

use super::{announcement, read, say};
use crate::config::plan;
use crate::endpoints::ENDPOINTS;
use crate::error::StartError;
use crate::telemetry::unix_micros;

/// Prints the link.
pub(super) fn sign(
    stream: &str,
    file: &Path,
    length: Duration,
    server: Option<&str>,
) -> Result<(), StartError> {
    let refused = |words: String| Err(StartError::Link(words));
    let name = match StreamName::new(stream) {
        Ok(name) => name,
        Err(error) => return refused(error.to_string()),
    };
    if !(SHORTEST..=LONGEST).contains(&length) {
        return refused("a link is good for a second to a year, as in --for 12h".to_owned());
    }
    let plan = plan::plan(&read(file)?, ENDPOINTS).map_err(StartError::Config)?;
    let expires = u64::try_from(unix_micros() / 1_000_000).unwrap_or(0) + length.as_secs();
    let Some(query) = plan.auth.sign_link(&name, expires) else {
        return refused(format!(
            "{} has no [auth] link_key, so the server makes one up at each start and only it can sign links (POST /api/v1/sign/{name}); \
             write link_key = \"…\", 32 random characters or more (`openssl rand -hex 32`), and start it again",
            file.display()
        ));
    };
    if !plan.streams.iter().any(|known| known.name == name) {
        eprintln!(
            "firstlight: {} has no stream {name}; the link is good if the API made one",
            file.display()
        );
    }
    let plain = plan.http.listen.iter().map(|listen| ("http", listen));
    let mut secure = plan.http.listen_tls.iter().map(|listen| ("https", listen)).chain(plain);
    let server = match (server, secure.find_map(|(scheme, listen)| Some((scheme, listen.0.first()?)))) {
        (Some(server), _) if !server.contains("://") => {
            return refused(format!("--server {server:?} is no address, as in https://cameras.example"));
        }
        (Some(server), _) => server.trim_end_matches('/').to_owned(),
        (None, Some((scheme, address))) => format!("{scheme}://{}", announcement::places(*address, true).0),
        (None, None) => return refused("say where the server is, with --server".to_owned()),
    };
    say(format_args!("{server}/{name}/?{query}"));
    Ok(())
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
