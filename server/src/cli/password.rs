//! `firstlight hash-password`: from a password that nobody sees to the line that a configuration holds.

use std::io::{self, BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::say;
use crate::auth::{DigestSecrets, MAX_PASSWORD, PasswordHash};
use crate::error::StartError;

/// Reads a password from standard input and prints its hash; and as lines of a configuration, what a Digest by this user is checked
/// against.
pub(super) fn hash(digest: Option<&str>) -> Result<(), StartError> {
    let interactive = io::stdin().is_terminal();
    let password = read("Password: ", interactive)?;
    if password.is_empty() || password.len() > MAX_PASSWORD {
        return Err(StartError::Password(format!("a password has 1 to {MAX_PASSWORD} bytes")));
    }
    if interactive && read("Once more: ", true)? != password {
        return Err(StartError::Password("these were two different passwords".to_owned()));
    }
    let hash = PasswordHash::of(&password);
    match digest {
        None => say(format_args!("{}", hash.as_str())),
        Some(user) => {
            say(format_args!("password = \"{}\"", hash.as_str()));
            say(format_args!("digest = {}", DigestSecrets::of(user, &password).to_toml()));
        }
    }
    Ok(())
}

/// One line, without the terminal showing it.
fn read(prompt: &str, interactive: bool) -> io::Result<String> {
    let quiet = interactive.then(Quiet::start).transpose()?;
    if interactive {
        eprint!("{prompt}");
        io::stderr().flush()?;
    }
    let mut line = String::new();
    // A line that does not end must not fill the memory.
    io::Read::take(io::stdin().lock(), MAX_LINE).read_line(&mut line)?;
    if interactive {
        eprintln!();
    }
    drop(quiet);
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// A terminal that shows nothing until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn start() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // The terminal was there a moment ago; if it is gone there is nothing to put right.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

const MAX_LINE: u64 = 4_096;
