//! `auth`, `[users.NAME]` and `[tokens.NAME]` into a policy.
//!
//! No error repeats a value that may be a secret.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use toml::value::Datetime;

use super::digest::Secrets;
use super::jwt::{Jwt, Keys};
use super::keys::{KeyFile, RemoteKeys};
use super::password::PasswordHash;
use super::policy::{Openness, Policy, Token, User, link_key};
use super::rights::Rights;
use super::secret::Digest;
use crate::config::file::Section;
use crate::config::values::{Span, Written};
use crate::error::ConfigError;
use crate::net::fetch::{Address, Client};

/// The sections that say who may do what.
#[derive(Debug, Default)]
pub struct Sections<'t> {
    /// `auth = "open"`, or `[auth]`.
    pub auth: Option<Section<'t>>,
    /// `[users.NAME]`.
    pub users: Option<Section<'t>>,
    /// `[tokens.NAME]`.
    pub tokens: Option<Section<'t>>,
}

impl Sections<'_> {
    /// The policy; what is wrong is added to `errors`.
    pub fn policy(self, errors: &mut Vec<ConfigError>) -> Policy {
        let mut policy = Policy::default();
        let place = self.auth.clone();
        if let Some(section) = self.auth {
            note(auth(section, &mut policy), errors);
        }
        for (name, section) in entries(self.users, errors) {
            match user(&name, section) {
                Ok(user) => drop(policy.users.insert(name.into(), user)),
                Err(error) => errors.push(error),
            }
        }
        for (name, section) in entries(self.tokens, errors) {
            match token(&name, section) {
                Ok(token) => policy.tokens.push(token),
                Err(error) => errors.push(error),
            }
        }
        if !policy.users.is_empty() || !policy.tokens.is_empty() {
            if policy.openness == Openness::Open
                && let Some(place) = place
            {
                errors.push(place.error(
                    "\"open\" lets everybody do everything, so users and tokens would mean nothing; write one or the other",
                ));
            }
            policy.openness = Openness::Asking;
        }
        policy
    }
}

fn note(result: Result<(), ConfigError>, errors: &mut Vec<ConfigError>) {
    if let Err(error) = result {
        errors.push(error);
    }
}

fn entries<'t>(section: Option<Section<'t>>, errors: &mut Vec<ConfigError>) -> Vec<(String, Section<'t>)> {
    match section.map(Section::into_entries) {
        None => Vec::new(),
        Some(Ok(entries)) => entries,
        Some(Err(error)) => {
            errors.push(error);
            Vec::new()
        }
    }
}

fn auth(section: Section<'_>, policy: &mut Policy) -> Result<(), ConfigError> {
    if let Some(word) = section.as_str() {
        if word != "open" {
            return Err(section.error("expected \"open\", which lets everybody do everything, or a table"));
        }
        policy.openness = Openness::Open;
        return Ok(());
    }
    for (key, value) in section.into_entries()? {
        match key.as_str() {
            "anonymous" => {
                policy.strangers = Arc::new(value.parse::<Rights>()?);
                policy.openness = Openness::Asking;
            }
            "session" => {
                let span = value.clone().parse::<Span>()?.0;
                if span < SHORTEST_SESSION || span > LONGEST_SESSION {
                    return Err(value.error("a session lasts from a minute to 400 days"));
                }
                policy.session = span;
            }
            "link_key" => {
                let text = value.as_str().filter(|text| text.len() >= SHORTEST_KEY);
                let text = text.ok_or_else(|| {
                    value.error(
                        "expected a text of 32 random characters or more: `openssl rand -hex 32` writes one",
                    )
                })?;
                policy.link_key = link_key(text.as_bytes());
                policy.link_key_is_made = false;
            }
            "jwt" => {
                policy.jwt = Some(jwt(value)?);
                policy.openness = Openness::Asking;
            }
            _ => return Err(value.error("unknown key; expected `anonymous`, `session`, `link_key` or `jwt`")),
        }
    }
    Ok(())
}

/// JSON Web Tokens: whose, and what they must say.
fn jwt(section: Section<'_>) -> Result<Jwt, ConfigError> {
    let place = section.clone();
    let (mut keys, mut issuer, mut audience, mut claim) = (None, None, None, "firstlight".to_owned());
    let mut remote = Remote::default();
    for (key, value) in section.into_entries()? {
        let found = match key.as_str() {
            "secret" => Some(jwt_secret(value.as_str().unwrap_or_default(), &value)?),
            "secret_file" => {
                let path: String = value.clone().parse()?;
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| value.error(format!("{path}: {error}")))?;
                Some(jwt_secret(text.trim(), &value)?)
            }
            "jwks_file" => {
                let path: String = value.clone().parse()?;
                Some(Keys::File(KeyFile::open(path.into()).map_err(|message| value.error(message))?))
            }
            "jwks_url" => {
                remote.address = Some((value.clone().parse::<Written<Address>>()?.0, value));
                None
            }
            "jwks_ca" => {
                remote.authorities = Some(authorities(&value)?);
                remote.place = Some(value);
                None
            }
            "jwks_allow_http" => {
                remote.allow_http = value.clone().parse()?;
                remote.place = Some(value);
                None
            }
            "issuer" => {
                issuer = Some(value.parse()?);
                None
            }
            "audience" => {
                audience = Some(value.parse()?);
                None
            }
            "claim" => {
                claim = value.parse()?;
                None
            }
            _ => {
                let known = "`secret`, `secret_file`, `jwks_file`, `jwks_url`, `jwks_ca`, `jwks_allow_http`, `issuer`, `audience` or `claim`";
                return Err(value.error(format!("unknown key; expected {known}")));
            }
        };
        if found.is_some() && keys.is_some() {
            return Err(place.error(ONE_OF));
        }
        keys = found.or(keys);
    }
    let ((Some(keys), None) | (None, Some(keys))) = (keys, remote.keys()?) else {
        return Err(place.error(ONE_OF));
    };
    Ok(Jwt { keys, issuer, audience, claim })
}

const ONE_OF: &str = "write one of `secret`, `secret_file`, `jwks_file` and `jwks_url`";

/// Keys at their issuer's address, as it is written.
#[derive(Default)]
struct Remote<'t> {
    address: Option<(Address, Section<'t>)>,
    authorities: Option<PathBuf>,
    allow_http: bool,
    /// Where something is said about it.
    place: Option<Section<'t>>,
}

impl Remote<'_> {
    fn keys(self) -> Result<Option<Keys>, ConfigError> {
        match (self.address, self.place) {
            (Some((address, place)), _) if address.is_exposed() && !self.allow_http => Err(place.error(
                "over http anybody on the way could put in keys of their own: write https, or jwks_allow_http = true where the way is safe",
            )),
            (Some((address, _)), _) => {
                Ok(Some(Keys::Remote(Arc::new(RemoteKeys::new(address, self.authorities)))))
            }
            (None, Some(place)) => Err(place.error("this is for a `jwks_url`, and there is none")),
            (None, None) => Ok(None),
        }
    }
}

/// A file of certificates that can be read.
fn authorities(value: &Section<'_>) -> Result<PathBuf, ConfigError> {
    let path: PathBuf = value.clone().parse()?;
    Client::new(Some(&path)).map_err(|message| value.error(message))?;
    Ok(path)
}

fn jwt_secret(text: &str, place: &Section<'_>) -> Result<Keys, ConfigError> {
    if text.len() < SHORTEST_KEY {
        return Err(place.error("a secret has 32 characters or more: `openssl rand -hex 32` writes one"));
    }
    Ok(Keys::Secret(DecodingKey::from_secret(text.as_bytes())))
}

fn user(name: &str, section: Section<'_>) -> Result<User, ConfigError> {
    let place = section.clone();
    check_name(name, &place)?;
    let (mut password, mut digest, mut rights) = (None, None, None);
    for (key, value) in section.into_entries()? {
        match key.as_str() {
            "password" => {
                let text = value
                    .as_str()
                    .ok_or_else(|| value.error("expected the text that `firstlight hash-password` prints"))?;
                password = Some(PasswordHash::new(text).map_err(|message| value.error(message))?);
            }
            "digest" => digest = Some(Secrets::read(value)?),
            "rights" => rights = Some(Arc::new(value.parse::<Rights>()?)),
            _ => return Err(value.error("unknown key; expected `password`, `digest` or `rights`")),
        }
    }
    match (password, rights) {
        (Some(password), Some(rights)) => Ok(User { password, digest, rights }),
        (None, _) => {
            Err(place.error("a user needs a `password`: the text that `firstlight hash-password` prints"))
        }
        (_, None) => Err(place.error("a user needs `rights`, as in rights = { view = [\"*\"] }")),
    }
}

fn token(name: &str, section: Section<'_>) -> Result<Token, ConfigError> {
    let place = section.clone();
    check_name(name, &place)?;
    let (mut digest, mut rights, mut expires) = (None, None, None);
    for (key, value) in section.into_entries()? {
        match key.as_str() {
            "token" => digest = Some(token_digest(&value)?),
            "rights" => rights = Some(Arc::new(value.parse::<Rights>()?)),
            "expires" => {
                let moment = value.clone().parse::<Datetime>().ok().as_ref().and_then(unix_of);
                expires = Some(moment.ok_or_else(|| {
                    value.error(
                        "expected a moment with its offset and without quotes, as in 2027-01-31T18:00:00Z",
                    )
                })?);
            }
            _ => return Err(value.error("unknown key; expected `token`, `rights` or `expires`")),
        }
    }
    match (digest, rights) {
        (Some(digest), Some(rights)) => Ok(Token { name: name.into(), digest, rights, expires }),
        (None, _) => Err(place.error("a token needs its `token`")),
        (_, None) => Err(place.error("a token needs `rights`, as in rights = { view = [\"*\"] }")),
    }
}

/// The token itself, or `sha256:` and what `sha256sum` writes of it.
fn token_digest(value: &Section<'_>) -> Result<Digest, ConfigError> {
    let text = value.as_str().unwrap_or_default();
    if let Some(hex) = text.strip_prefix("sha256:") {
        return Digest::from_hex(hex)
            .ok_or_else(|| value.error("expected 64 hexadecimal digits after sha256:"));
    }
    if text.len() < SHORTEST_TOKEN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = "expected a text of 16 characters or more without spaces (`openssl rand -hex 16` writes one), or sha256: and its digest";
        return Err(value.error(message));
    }
    Ok(Digest::of(text))
}

fn check_name(name: &str, place: &Section<'_>) -> Result<(), ConfigError> {
    let legal =
        !name.is_empty() && name.len() <= MAX_NAME && !name.contains(|c: char| c == ':' || c.is_control());
    legal.then_some(()).ok_or_else(|| place.error("a name has at most 64 bytes and no colon"))
}

/// Unix seconds of a moment with an offset.
fn unix_of(moment: &Datetime) -> Option<u64> {
    let (date, time, offset) = (moment.date?, moment.time?, moment.offset?);
    let offset = match offset {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes) * 60,
    };
    // Days since 1970-01-01 in the proleptic Gregorian calendar, counting years from March so that a leap day ends one.
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let second = i64::from(time.second.unwrap_or(0));
    let seconds =
        days * 86_400 + i64::from(time.hour) * 3_600 + i64::from(time.minute) * 60 + second - offset;
    u64::try_from(seconds).ok()
}

const SHORTEST_TOKEN: usize = 16;
const SHORTEST_KEY: usize = 32;
const MAX_NAME: usize = 64;
const SHORTEST_SESSION: Duration = Duration::from_secs(60);
/// Browsers keep no cookie for longer.
const LONGEST_SESSION: Duration = Duration::from_secs(400 * 86_400);

#[cfg(test)]
mod tests {
    use hub::StreamName;

    use super::*;
    use crate::auth::Right;
    use crate::config::file::Text;

    const HASH: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Kq6u4Nt7yqRc9Wv0mF1mY2b8m7l5Qe0pX3h6T1sZ9aA";

    fn judge(toml: &str) -> Result<Policy, String> {
        let text = Text { origin: "test.toml".to_owned(), toml: toml.to_owned() };
        let mut sections = Sections::default();
        for (key, section) in text.sections().unwrap() {
            match key.as_str() {
                "auth" => sections.auth = Some(section),
                "users" => sections.users = Some(section),
                "tokens" => sections.tokens = Some(section),
                _ => panic!("{key}"),
            }
        }
        let mut errors = Vec::new();
        let policy = sections.policy(&mut errors);
        if errors.is_empty() {
            Ok(policy)
        } else {
            Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
    }

    #[test]
    fn users_tokens_and_strangers_have_their_rights() {
        let policy = judge(&format!(
            "[auth]\nanonymous = {{ view = [\"lobby\"] }}\n\
             [users.anna]\npassword = \"{HASH}\"\nrights = {{ view = [\"*\"] }}\n\
             [tokens.wall]\ntoken = \"0123456789abcdef\"\nrights = {{ view = [\"front\"] }}\nexpires = 2999-01-01T00:00:00Z\n"
        ))
        .unwrap();
        let front = StreamName::new("front").unwrap();
        assert!(policy.users["anna"].rights.on(Right::View, &front));
        assert!(!policy.strangers.on(Right::View, &front));
        let holder = policy.holder_of_token("0123456789abcdef").unwrap();
        let identity = policy.identity(&holder).unwrap();
        assert_eq!(identity.name().map(|name| &**name), Some("wall"));
        assert!(identity.may(Right::View, &front) && !identity.may(Right::Publish, &front));
        assert!(policy.holder_of_token("0123456789abcdeX").is_none());
    }

    #[test]
    fn a_token_may_be_written_as_its_digest_and_ends_when_it_expires() {
        let digest = "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";
        let policy = judge(&format!(
            "[tokens.old]\ntoken = \"sha256:{digest}\"\nrights = {{}}\nexpires = 2020-01-01T00:00:00Z\n"
        ));
        let policy = policy.unwrap();
        let holder = policy.holder_of_token("0123456789abcdef").unwrap();
        assert!(policy.identity(&holder).is_none());
    }

    #[test]
    fn without_a_word_about_it_only_this_machine_may_reach_the_server() {
        assert!(!judge("").unwrap().may_be_reached());
        assert!(!judge("[auth]\nsession = \"1h\"\n").unwrap().may_be_reached());
        let open = judge("auth = \"open\"\n").unwrap();
        assert!(open.may_be_reached() && open.is_open());
        let asking = judge("[auth]\nanonymous = {}\n").unwrap();
        assert!(asking.may_be_reached() && !asking.is_open());
    }

    #[test]
    fn what_is_wrong_is_said_without_repeating_a_secret() {
        let token = "[tokens.t]\nrights = {}\n";
        for (toml, place, word) in [
            (
                "[users.a]\npassword = \"hunter2\"\nrights = {}\n".to_owned(),
                "test.toml:2: users.a.password",
                "hash-password",
            ),
            (
                "[users.a]\npassword = 1234567\nrights = {}\n".to_owned(),
                "test.toml:2: users.a.password",
                "hash-password",
            ),
            (format!("[users.a]\npassword = \"{HASH}\"\n"), "test.toml:1: users.a", "rights"),
            ("[users.a]\nrights = {}\n".to_owned(), "test.toml:1: users.a", "password"),
            ("[users.\"a:b\"]\nrights = {}\n".to_owned(), "test.toml:1: users.a:b", "colon"),
            (
                format!("[users.a]\npassword = \"{HASH}\"\ndigest = {{ sha256 = \"hunter2\" }}\n"),
                "test.toml:3: users.a.digest.sha256",
                "64",
            ),
            (
                format!("[users.a]\ndigest = {{ md5 = \"{}\" }}\n", "0".repeat(32)),
                "test.toml:2: users.a.digest",
                "both",
            ),
            (format!("{token}token = \"hunter2\"\n"), "test.toml:3: tokens.t.token", "16"),
            (format!("{token}token = \"sha256:hunter2\"\n"), "test.toml:3: tokens.t.token", "64"),
            (format!("{token}expires = \"soon\"\n"), "test.toml:3: tokens.t.expires", "2027-01-31T18:00:00Z"),
            ("[auth]\nlink_key = \"hunter2\"\n".to_owned(), "test.toml:2: auth.link_key", "32"),
            ("[auth]\njwt = { secret = \"hunter2\" }\n".to_owned(), "test.toml:2: auth.jwt.secret", "32"),
            ("[auth]\njwt = { issuer = \"x\" }\n".to_owned(), "test.toml:2: auth.jwt", "jwks_file"),
            (
                "[auth]\njwt = { jwks_file = \"/nowhere\" }\n".to_owned(),
                "test.toml:2: auth.jwt.jwks_file",
                "/nowhere",
            ),
            (
                "[auth]\njwt = { jwks_url = \"id.example\" }\n".to_owned(),
                "test.toml:2: auth.jwt.jwks_url",
                "https://",
            ),
            (
                "[auth]\njwt = { jwks_url = \"http://id.example/keys\" }\n".to_owned(),
                "test.toml:2: auth.jwt.jwks_url",
                "jwks_allow_http",
            ),
            (
                "[auth]\njwt = { jwks_url = \"https://id.example/\", jwks_ca = \"/nowhere\" }\n".to_owned(),
                "test.toml:2: auth.jwt.jwks_ca",
                "/nowhere",
            ),
            (
                "[auth]\njwt = { jwks_allow_http = true }\n".to_owned(),
                "test.toml:2: auth.jwt.jwks_allow_http",
                "jwks_url",
            ),
            ("[auth]\nzzz = 1\n".to_owned(), "test.toml:2: auth.zzz", "`anonymous`"),
            ("auth = \"shut\"\n".to_owned(), "test.toml:1: auth", "open"),
            ("[auth]\nanonymous = { see = [\"*\"] }\n".to_owned(), "test.toml:2: auth.anonymous", "see"),
            (
                format!("auth = \"open\"\n{token}token = \"0123456789abcdef\"\n"),
                "test.toml:1: auth",
                "one or the other",
            ),
        ] {
            let error = judge(&toml).unwrap_err();
            assert!(error.starts_with(place), "{error}");
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("hunter2") && !error.contains("1234567"), "{error}");
        }
    }

    #[test]
    fn moments_are_unix_seconds() {
        for (text, unix) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2027-01-31T18:00:00+02:00", 1_801_411_200),
        ] {
            assert_eq!(unix_of(&text.parse().unwrap()), Some(unix), "{text}");
        }
        assert_eq!(unix_of(&"2027-01-31T18:00:00".parse().unwrap()), None);
    }
}
