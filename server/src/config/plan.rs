//! Sections into a plan: values that cannot be wrong, made by those who know what they mean.
//!
//! Every error is collected, so that one look at the list mends the file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hub::StreamName;
use serde::Deserialize;

use super::data::{DataPlan, data};
use super::file::{Section, Text};
use super::limits::{Budget, Limits};
use super::needed::NeededFile;
use super::origins::wrong_origins;
use super::push::pushes;
use super::reserved;
use super::tls::CertificatePlan;
use super::values::{ListenAddress, ListenAddresses, Span, Written};
use crate::auth::{Policy, Sections};
use crate::endpoint::{Endpoint, Listen, Serve, Source};
use crate::error::{ConfigError, StartError};
use crate::net::origin::OriginPolicy;
use crate::net::proxies::{Network, Proxies};
use crate::supervise::egress::Destination;
use crate::supervise::seat::SecondPublisher;
use crate::supervise::source::Demand;

/// Everything the server will run.
pub struct Plan {
    /// HTTP.
    pub http: HttpPlan,
    /// The certificate of everything that is TLS.
    pub certificate: CertificatePlan,
    /// How much of what a peer may have.
    pub limits: Limits,
    /// From where on newcomers are turned away.
    pub budget: Budget,
    /// Who may do what.
    pub auth: Policy,
    /// Where streams of the API are kept, as it was written.
    pub streams_file: Option<PathBuf>,
    /// The streams, in the order of the text.
    pub streams: Vec<StreamPlan>,
    /// Every other section as it was written, to tell whether it changed.
    pub sections: BTreeMap<String, toml::Value>,
    /// What each endpoint serves.
    pub serve: Vec<Serve>,
    /// Where endpoints listen besides HTTP.
    pub listen: Vec<Listen>,
    /// The files that are needed when it runs.
    pub files: Vec<NeededFile>,
}

/// `[http]`.
#[derive(Debug)]
pub struct HttpPlan {
    /// Addresses to listen on.
    pub listen: Vec<ListenAddress>,
    /// Addresses to listen on by TLS.
    pub listen_tls: Vec<ListenAddress>,
    /// Pages that may connect.
    pub origins: OriginPolicy,
    /// Who is believed about whom they speak for.
    pub proxies: Proxies,
}

/// `[streams.NAME]`.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    /// Its name.
    pub name: StreamName,
    /// Where it is defined, for people.
    pub place: String,
    /// What was written: equal definitions make equal streams.
    pub definition: toml::Table,
    /// What fills it; `None` waits for a publisher.
    pub source: Option<Arc<dyn Source>>,
    /// When the source runs.
    pub demand: Demand,
    /// What happens to a second publisher.
    pub second_publisher: SecondPublisher,
    /// Plays while somebody watches and nobody publishes.
    pub filler: Option<Arc<dyn Source>>,
    /// Where it is sent to.
    pub pushes: Vec<Destination>,
    /// The files that its source and its filler play.
    pub files: Vec<NeededFile>,
    /// What becomes of what is said to it.
    pub data: DataPlan,
}

impl StreamPlan {
    /// The streams that it is made from: by its source, or by its filler.
    pub fn origins(&self) -> impl Iterator<Item = &StreamName> {
        [&self.source, &self.filler].into_iter().flatten().filter_map(|source| source.origin())
    }
}

impl Plan {
    /// Refuses to be reached from other machines if nobody has said who may do what.
    ///
    /// # Errors
    /// [`StartError::Exposed`], with the ways out.
    pub fn refuse_exposure(&self) -> Result<(), StartError> {
        let of_endpoints = self.listen.iter().map(|listen| &listen.address);
        let mut addresses = self
            .http
            .listen
            .iter()
            .chain(&self.http.listen_tls)
            .chain(of_endpoints)
            .flat_map(|listen| &listen.0);
        match addresses.find(|address| !address.ip().to_canonical().is_loopback()) {
            Some(address) if !self.auth.may_be_reached() => {
                Err(StartError::Exposed { address: address.to_string() })
            }
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan")
            .field("http", &self.http)
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Http {
    listen: ListenAddresses,
    listen_tls: ListenAddresses,
    allow_origins: Vec<String>,
    trusted_proxies: Vec<Written<Network>>,
}

/// `[api]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Api {
    /// Where streams that the API makes are kept; beside the configuration, if not said.
    streams_file: Option<PathBuf>,
}

/// Where HTTP is if nobody says otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

impl Default for Http {
    fn default() -> Self {
        let listen = DEFAULT_LISTEN.parse().expect("the default address is one");
        Self {
            listen: ListenAddresses(vec![listen]),
            listen_tls: ListenAddresses(Vec::new()),
            allow_origins: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// Judges a configuration.
///
/// # Errors
/// All that is wrong with it.
pub fn plan(text: &Text, endpoints: &[&dyn Endpoint]) -> Result<Plan, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut files = Vec::new();
    let mut http = Http::default();
    let mut certificate = CertificatePlan::default();
    let mut limits = Limits::default();
    let mut budget = Budget::default();
    let mut api = Api::default();
    let mut streams = Vec::new();
    let mut written = BTreeMap::new();
    let mut access = Sections::default();
    let mut sections: BTreeMap<&'static str, Section<'_>> = BTreeMap::new();
    for (key, section) in text.sections().map_err(|e| vec![e])? {
        let endpoint = endpoints.iter().find(|e| e.name() == key);
        if key != "streams" {
            keep(section.clone().parse(), &mut errors, |value| drop(written.insert(key.clone(), value)));
        }
        match key.as_str() {
            "http" => keep(section.parse(), &mut errors, |parsed| http = parsed),
            "limits" => keep(Limits::parse(section), &mut errors, |parsed| limits = parsed),
            "tls" => {
                let place = section.clone();
                keep(CertificatePlan::parse(section), &mut errors, |parsed| {
                    files.extend(NeededFile::all(&place, parsed.files(), true));
                    certificate = parsed;
                });
            }
            "budget" => keep(Budget::parse(section), &mut errors, |parsed| budget = parsed),
            "api" => keep(section.parse(), &mut errors, |parsed| api = parsed),
            "streams" => keep(section.into_entries(), &mut errors, |entries| streams = entries),
            "auth" => access.auth = Some(section),
            "users" => access.users = Some(section),
            "tokens" => access.tokens = Some(section),
            _ => match endpoint {
                Some(endpoint) => drop(sections.insert(endpoint.name(), section)),
                None => {
                    let known = known(endpoints);
                    let meant = nearest(&key, &known).map(|name| format!(" (did you mean [{name}]?)"));
                    let all = known.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ");
                    let message = format!("unknown section{}; there are {all}", meant.unwrap_or_default());
                    errors.push(section.error(message));
                }
            },
        }
    }
    let places = streams.clone();
    let planned = judge(streams, endpoints, &mut errors);
    let auth = access.policy(&mut errors);
    if errors.is_empty() {
        for (name, wrong) in wrong_origins(&planned) {
            let place = places.iter().find(|(written, _)| written == name.as_str());
            errors.extend(place.map(|(_, section)| section.error(wrong.to_string())));
        }
    }
    let (mut serve, mut listen) = (Vec::new(), Vec::new());
    for endpoint in endpoints {
        let section = sections.remove(endpoint.name());
        let before = errors.len();
        keep(endpoint.serve(section.clone()), &mut errors, |parts| serve.push(parts));
        // The same section: what is wrong with it is said once.
        if errors.len() == before {
            keep(endpoint.listen(section), &mut errors, |mut more| listen.append(&mut more));
        }
    }
    if http.listen.0.is_empty() && http.listen_tls.0.is_empty() {
        let message = "listen must name at least one address".to_owned();
        errors.push(ConfigError {
            origin: text.origin.clone(),
            line: None,
            key: "http.listen".to_owned(),
            message,
        });
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let http = HttpPlan {
        listen: http.listen.0,
        listen_tls: http.listen_tls.0,
        origins: OriginPolicy::new(http.allow_origins),
        proxies: Proxies::new(http.trusted_proxies.into_iter().map(|written| written.0).collect()),
    };
    files.extend(planned.iter().flat_map(|stream| stream.files.clone()));
    Ok(Plan {
        http,
        certificate,
        auth,
        limits,
        budget,
        streams_file: api.streams_file,
        streams: planned,
        sections: written,
        serve,
        listen,
        files,
    })
}

/// Judges a text that has nothing but streams: those that are good, and what is wrong with the others.
///
/// # Errors
/// [`ConfigError`] if it cannot be read at all.
pub fn streams(
    text: &Text,
    endpoints: &[&dyn Endpoint],
) -> Result<(Vec<StreamPlan>, Vec<ConfigError>), ConfigError> {
    let mut errors = Vec::new();
    let mut planned = Vec::new();
    for (key, section) in text.sections()? {
        match key.as_str() {
            "streams" => planned.extend(judge(section.into_entries()?, endpoints, &mut errors)),
            _ => errors.push(section.error("there is nothing but [streams.NAME] here")),
        }
    }
    Ok((planned, errors))
}

fn judge(
    streams: Vec<(String, Section<'_>)>,
    endpoints: &[&dyn Endpoint],
    errors: &mut Vec<ConfigError>,
) -> Vec<StreamPlan> {
    let mut planned = Vec::new();
    for (name, section) in streams {
        let before = errors.len();
        match stream(&name, section, endpoints, errors) {
            Ok(stream) if errors.len() == before => planned.push(stream),
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
    }
    planned
}

fn keep<T>(result: Result<T, ConfigError>, errors: &mut Vec<ConfigError>, take: impl FnOnce(T)) {
    match result {
        Ok(value) => take(value),
        Err(error) => errors.push(error),
    }
}

/// The name that was meant, if one is near.
fn nearest<'n>(written: &str, names: &[&'n str]) -> Option<&'n str> {
    let near = names.iter().map(|name| (strsim::damerau_levenshtein(written, name), *name));
    near.min().filter(|(steps, name)| *steps <= name.len() / 3).map(|(_, name)| name)
}

fn known<'e>(endpoints: &[&'e dyn Endpoint]) -> Vec<&'e str> {
    let mut names = vec!["api", "auth", "budget", "http", "limits", "streams", "tls", "tokens", "users"];
    names.extend(endpoints.iter().map(|e| e.name()));
    names.sort_unstable();
    names
}

/// One stream. What is wrong with one of its keys is added to `errors`, and the others are judged all the same.
fn stream(
    name: &str,
    section: Section<'_>,
    endpoints: &[&dyn Endpoint],
    errors: &mut Vec<ConfigError>,
) -> Result<StreamPlan, ConfigError> {
    let stream_name = StreamName::new(name).map_err(|e| section.error(e.to_string()))?;
    if let Some(conflict) = reserved::name_conflict(&stream_name) {
        return Err(section.error(conflict));
    }
    let mut plan = StreamPlan {
        name: stream_name,
        place: section.place(),
        definition: section.clone().parse()?,
        source: None,
        demand: Demand::default(),
        second_publisher: SecondPublisher::default(),
        filler: None,
        pushes: Vec::new(),
        files: Vec::new(),
        data: DataPlan::default(),
    };
    // Keys of a stream that is published to, in the order of the text.
    let mut published: Vec<Section<'_>> = Vec::new();
    let mut has_source = false;
    for (key, value) in section.into_entries()? {
        match key.as_str() {
            "on_second_publisher" | "filler" => published.push(value.clone()),
            "source" => has_source = true,
            _ => {}
        }
        keep(plan.take(&key, value, endpoints), errors, |()| {});
    }
    match published.first() {
        Some(key) if has_source => Err(key.error("nobody can publish to a stream with a source of its own")),
        _ => Ok(plan),
    }
}

impl StreamPlan {
    fn take(
        &mut self,
        key: &str,
        value: Section<'_>,
        endpoints: &[&dyn Endpoint],
    ) -> Result<(), ConfigError> {
        match key {
            "source" => self.source = Some(self.playing(value, endpoints)?),
            "linger" => self.demand.linger = value.parse::<Span>()?.0.min(MAX_LINGER),
            "on_demand" => self.demand.on_demand = value.parse()?,
            "on_second_publisher" => self.second_publisher = value.parse()?,
            "filler" => self.filler = Some(self.playing(value, endpoints)?),
            "push" => self.pushes = pushes(value, endpoints)?,
            "data" => self.data = data(&value)?,
            _ => {
                return Err(value.error(
                    "unknown key; a stream has source, linger and on_demand, or filler and on_second_publisher; and push and data",
                ));
            }
        }
        Ok(())
    }

    fn playing(
        &mut self,
        value: Section<'_>,
        endpoints: &[&dyn Endpoint],
    ) -> Result<Arc<dyn Source>, ConfigError> {
        let place = value.clone();
        let source = source(value, endpoints)?;
        self.files.extend(NeededFile::all(&place, source.file(), false));
        Ok(source.into())
    }
}

/// Longer than anybody waits, and far below what clocks can add.
const MAX_LINGER: Duration = Duration::from_secs(365 * 86_400);

/// A source from a URL text or from `{ endpoint = … }`.
///
/// # Errors
/// [`ConfigError`] naming the schemes and endpoints there are.
pub fn source(value: Section<'_>, endpoints: &[&dyn Endpoint]) -> Result<Box<dyn Source>, ConfigError> {
    if let Some(url) = value.as_str() {
        let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
        return match of_address(url, endpoints) {
            Some(endpoint) => endpoint.source(value),
            None => {
                // Without the address itself, which may hold a password.
                let through = if url.contains("://") {
                    "; what ffmpeg reads comes through it: \"exec:ffmpeg -i ADDRESS -c copy -f mpegts -\""
                } else {
                    ""
                };
                let all = sources(endpoints);
                Err(value.error(format!("no source begins with {scheme:?}: {all}{through}")))
            }
        };
    }
    let place = value.clone();
    let entries = value.into_entries()?;
    let own = |e: &&&dyn Endpoint| e.key().is_some_and(|key| entries.iter().any(|(name, _)| name == key));
    if let Some(endpoint) = endpoints.iter().find(own) {
        return endpoint.source(place);
    }
    let mut entries = entries.into_iter();
    match (entries.next(), entries.next()) {
        (Some((name, spec)), None) => {
            match endpoints.iter().find(|e| e.name() == name && !e.schemes().is_empty()) {
                Some(endpoint) => endpoint.source(spec),
                None => Err(spec.error(format!("there is no source {name:?}: {}", sources(endpoints)))),
            }
        }
        _ => Err(place.error("write one source, as in { test = { fps = 30 } }")),
    }
}

/// The endpoint that a source's value is for, if it is for any.
pub fn endpoint_of<'e>(value: &toml::Value, endpoints: &[&'e dyn Endpoint]) -> Option<&'e dyn Endpoint> {
    match value {
        toml::Value::String(url) => of_address(url, endpoints),
        toml::Value::Table(table) => {
            let named = |e: &dyn Endpoint| !e.schemes().is_empty() && table.contains_key(e.name());
            let own = |e: &dyn Endpoint| e.key().is_some_and(|key| table.contains_key(key));
            endpoints
                .iter()
                .copied()
                .find(|e| own(*e))
                .or_else(|| endpoints.iter().copied().find(|e| named(*e)))
        }
        _ => None,
    }
}

/// Whose an address is: by its scheme, and one of the web by its path, if that is somebody's.
fn of_address<'e>(url: &str, endpoints: &[&'e dyn Endpoint]) -> Option<&'e dyn Endpoint> {
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let is_web = matches!(scheme, "http" | "https");
    let by_path = |e: &&dyn Endpoint| is_web && e.web_paths().iter().any(|end| path.ends_with(end));
    let mut all = endpoints.iter().copied();
    all.clone().find(by_path).or_else(|| all.find(|e| e.schemes().contains(&scheme)))
}

fn sources(endpoints: &[&dyn Endpoint]) -> String {
    let schemes: Vec<&str> = endpoints.iter().flat_map(|e| e.schemes()).copied().collect();
    format!("expected one of {}", schemes.join(", "))
}
