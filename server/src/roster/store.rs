//! The file in which streams of the API are kept across a restart.
//!
//! Invariant: whenever the machine or the program stops, the file is the old one or the new one, whole. It is written beside itself, forced to
//! the disk, and renamed; the folder is forced too, so that the name is. What cannot be read is never written over: it is set aside.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hub::StreamName;
use tracing::{error, warn};

use super::judge::allowed;
use crate::config::file::Text;
use crate::config::origins::{WrongOrigin, wrong_origins};
use crate::config::plan::{self, StreamPlan};
use crate::endpoint::Endpoint;
use crate::telemetry::unix_micros;

const HEAD: &str = "# Streams that were added by the API of firstlight, which writes this file. Change it by hand only while firstlight does not run.\n\n";

/// The streams kept in a file; none if there is no file. What is wrong is logged, and a copy of the file set aside.
pub(super) fn load(path: &Path, endpoints: &[&dyn Endpoint]) -> BTreeMap<StreamName, StreamPlan> {
    let toml = match fs::read_to_string(path) {
        Ok(toml) => toml,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return BTreeMap::new(),
        Err(error) => {
            error!(file = %path.display(), %error, "the streams of the API cannot be read");
            set_aside(path);
            return BTreeMap::new();
        }
    };
    let text = Text { origin: path.display().to_string(), toml };
    let mut kept = BTreeMap::new();
    let mut damaged = false;
    match plan::streams(&text, endpoints) {
        Ok((plans, errors)) => {
            for error in errors {
                error!(%error, "a stream of the API is left out");
                damaged = true;
            }
            for plan in plans {
                if allowed(&plan.definition, endpoints).is_ok() {
                    kept.insert(plan.name.clone(), plan);
                } else {
                    error!(stream = %plan.name, place = plan.place, "a stream that the API could not have made is left out");
                    damaged = true;
                }
            }
        }
        Err(error) => {
            error!(%error, "the streams of the API cannot be read");
            damaged = true;
        }
    }
    let circles = wrong_origins(kept.values()).into_iter().filter_map(|(name, wrong)| match wrong {
        // It may be in the configuration, or come back.
        WrongOrigin::Missing(_) => None,
        WrongOrigin::Circle(words) => Some((name.clone(), words)),
    });
    for (name, words) in circles.collect::<Vec<_>>() {
        error!(stream = %name, words, "a stream of the API is left out");
        kept.remove(&name);
        damaged = true;
    }
    if damaged {
        set_aside(path);
    }
    kept
}

/// Writes these streams, or leaves the file as it was.
///
/// # Errors
/// The system's answer.
pub(super) fn write(path: &Path, streams: &BTreeMap<StreamName, toml::Table>) -> io::Result<()> {
    let tables = streams.iter().map(|(name, table)| (name.to_string(), toml::Value::Table(table.clone())));
    let document = toml::Table::from_iter([("streams".to_owned(), toml::Value::Table(tables.collect()))]);
    let toml = toml::to_string(&document).map_err(io::Error::other)?;
    let beside = with_ending(path, ".new");
    // A source may have a password in its address: nobody else reads it.
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(HEAD.as_bytes())?;
    file.write_all(toml.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Keeps a copy of what is not understood, since the next change writes the file anew.
fn set_aside(path: &Path) {
    let aside = with_ending(path, &format!(".damaged-{}", unix_micros() / 1_000_000));
    match fs::copy(path, &aside) {
        Ok(_) => warn!(copy = %aside.display(), "a copy of the damaged file is kept"),
        Err(error) => error!(file = %path.display(), %error, "no copy of the damaged file could be kept"),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}
