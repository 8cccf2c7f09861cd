//! Another server that speaks RTMP: its address taken apart, and the conversation with it up to the media.
//!
//! Secrets of an address are its stream key and its query. Neither labels nor errors show them, not even where the other server repeats them.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rtmp::{Client, ClientEvent, Purpose, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::secrets;
use crate::net::dial::{Dialer, Line, Place, Trust};

/// Where to, and how.
#[derive(Debug)]
pub(super) struct Remote {
    host: String,
    port: u16,
    dialer: Dialer,
    target: Target,
    /// Without secrets.
    pub(super) label: String,
    /// What is never shown.
    secrets: Vec<String>,
}

/// A connection to it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) io: Line,
    pub(super) client: Client,
}

/// How long it may take to be reached, and then to agree.
const PATIENCE: Duration = Duration::from_secs(10);
/// A server that takes nothing for this long is given up.
const SEND: Duration = Duration::from_secs(10);
/// As much as one read takes.
pub(super) const READ: usize = 64 * 1_024;
/// The ports without TLS and with it.
const PORTS: [u16; 2] = [1_935, 443];

impl Remote {
    /// # Errors
    /// What is wrong with the address, without its secrets.
    pub(super) fn new(place: Place, trust: &Trust) -> Result<Self, String> {
        let tls = place.scheme == "rtmps";
        let dialer = Dialer::new(tls, trust)?;
        let (path, written) = place.path.split_once('?').unwrap_or((&place.path, ""));
        let says_user = written.split('&').any(|pair| pair.starts_with("user=") || pair.starts_with("pass="));
        let query = &match &place.credentials {
            None => written.to_owned(),
            Some(_) if says_user => {
                return Err(
                    "user and password are said twice: before the host, and behind the question mark"
                        .to_owned(),
                );
            }
            // RTMP itself has no place for them; this is where servers look for them.
            Some((user, password)) => {
                let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
                let said = format!("user={}&pass={}", encode(user), encode(password));
                if written.is_empty() { said } else { format!("{written}&{said}") }
            }
        };
        let path = path.trim_start_matches('/');
        if path.is_empty() {
            return Err(format!("expected {}://HOST/APP/KEY", place.scheme));
        }
        // What lies behind the last slash is the key; an address of one part has none.
        let (app, key) = path.rsplit_once('/').unwrap_or((path, ""));
        let base = format!("{}://{}", place.scheme, place.authority);
        let with_query =
            |text: &str| if query.is_empty() { text.to_owned() } else { format!("{text}?{query}") };
        let (app, key, label) = match key {
            "" => (with_query(app), String::new(), format!("{base}/{app}")),
            key => (app.to_owned(), with_query(key), format!("{base}/{app}/…")),
        };
        let password = place.credentials.as_ref().map(|(_, password)| &password[..]);
        let values = query.split('&').filter_map(|pair| pair.split_once('='));
        let secrets: Vec<String> = [&key[..], key.split('?').next().unwrap_or_default(), query]
            .into_iter()
            .chain(password)
            .chain(values.filter(|(name, _)| *name != "user").map(|(_, value)| value))
            .filter(|secret| !secret.is_empty())
            .map(str::to_owned)
            .collect();
        Ok(Self {
            host: place.host,
            port: place.port.unwrap_or(PORTS[usize::from(tls)]),
            dialer,
            target: Target { url: format!("{base}/{app}"), app, key },
            label,
            secrets,
        })
    }

    /// Reaches it, and agrees on what is wanted; gives the message stream for media, and whether it knows Opus.
    ///
    /// # Errors
    /// Why not, in words without secrets.
    pub(super) async fn call(&self, purpose: Purpose) -> Result<(Call, u32, bool), String> {
        let io =
            self.dialer.dial(&self.host, self.port, PATIENCE).await.map_err(|error| self.failed(&error))?;
        let mut call = Call { io, client: Client::new(self.target.clone(), purpose, &secrets()) };
        let agreed = tokio::time::timeout(PATIENCE, self.agree(&mut call)).await;
        let (stream, opus) = agreed.unwrap_or_else(|_| Err(self.failed(&"it does not answer")))?;
        Ok((call, stream, opus))
    }

    async fn agree(&self, call: &mut Call) -> Result<(u32, bool), String> {
        let mut buffer = vec![0; 4 * 1_024];
        loop {
            self.flush(call).await?;
            let length = self.read(call, &mut buffer).await?;
            self.take(call, &buffer[..length])?;
            if let Some(event) = call.client.poll_event() {
                match event {
                    ClientEvent::Ready { stream, knows_opus } => return Ok((stream, knows_opus)),
                    ClientEvent::Ended(words) => return Err(self.failed(&words)),
                    ClientEvent::Tag { .. } => {}
                }
            }
        }
    }

    /// Reads what comes next. Cancel-safe.
    pub(super) async fn read(&self, call: &mut Call, buffer: &mut [u8]) -> Result<usize, String> {
        match call.io.read(buffer).await {
            Ok(0) => Err(self.failed(&"the server closed the connection")),
            Ok(length) => Ok(length),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Takes in what came.
    pub(super) fn take(&self, call: &mut Call, bytes: &[u8]) -> Result<(), String> {
        call.client.receive(bytes).map_err(|error| self.failed(&error))
    }

    /// Sends what the conversation has to say.
    pub(super) async fn flush(&self, call: &mut Call) -> Result<(), String> {
        let output = call.client.take_output();
        if output.is_empty() { Ok(()) } else { self.send(call, &output).await }
    }

    /// Sends it whole.
    pub(super) async fn send(&self, call: &mut Call, bytes: &[u8]) -> Result<(), String> {
        let sent = async {
            call.io.write_all(bytes).await?;
            call.io.flush().await
        };
        match tokio::time::timeout(SEND, sent).await {
            Ok(sent) => sent.map_err(|error| self.failed(&error)),
            Err(_) => Err(self.failed(&format!("the server took nothing for {} s", SEND.as_secs()))),
        }
    }

    /// Says goodbye.
    pub(super) async fn end(&self, call: &mut Call) {
        call.client.end();
        // Whoever does not hear it, or cuts it off, has understood.
        if self.flush(call).await.is_ok() {
            let _ = call.io.shutdown().await;
        }
    }

    /// What went wrong, without secrets.
    pub(super) fn failed(&self, problem: &dyn std::fmt::Display) -> String {
        self.secrets.iter().fold(problem.to_string(), |words, secret| words.replace(secret, "…"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(url: &str) -> Result<Remote, String> {
        Remote::new(Place::parse(url).unwrap(), &Trust::System)
    }

    #[test]
    fn what_lies_behind_the_last_slash_is_the_key_and_a_secret() {
        let far = remote("rtmp://host/live/inner/key?token=a%20b").unwrap();
        assert_eq!((&far.host[..], far.port), ("host", 1_935));
        let Target { url, app, key } = &far.target;
        assert_eq!(
            [&url[..], app, key, &far.label],
            ["rtmp://host/live/inner", "live/inner", "key?token=a%20b", "rtmp://host/live/inner/…"]
        );
        assert_eq!(
            far.failed(&"no stream named live/inner/key for a%20b"),
            "no stream named live/inner/… for …"
        );
        let short = remote("rtmps://[::1]:1936/guest?token=t").unwrap();
        assert_eq!((&short.host[..], short.port), ("::1", 1_936));
        assert_eq!((&short.target.app[..], &short.target.key[..]), ("guest?token=t", ""));
        assert_eq!(short.label, "rtmps://[::1]:1936/guest");
        assert_eq!(remote("rtmps://host/a/b").unwrap().port, 443);
        let named = remote("rtmp://anna:s%40cret@host/a/key?x=9").unwrap();
        assert_eq!(named.target.key, "key?x=9&user=anna&pass=s%40cret");
        assert_eq!((&named.target.url[..], &named.label[..]), ("rtmp://host/a", "rtmp://host/a/…"));
        assert_eq!(named.failed(&"anna may not, by s@cret or s%40cret"), "anna may not, by … or …");
        for (wrong, why) in [("rtmp://host", "APP/KEY"), ("rtmp://anna:secret@host/a/b?user=x", "twice")] {
            let words = remote(wrong).unwrap_err();
            assert!(words.contains(why) && !words.contains("secret"), "{words}");
        }
    }
}
