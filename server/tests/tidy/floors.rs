//! The floors inside `server`: who names whom by `crate::`.

use crate::tree::{File, code, files, none};

/// Modules from the ground up; one may name what stands below it or on its own floor.
const FLOORS: &[&[&str]] = &[
    &["error", "telemetry", "metrics"],
    &["net", "config", "controls", "auth"],
    &["endpoint", "supervise", "still", "ingest", "webrtc"],
    &["config::plan", "config::push", "roster", "viewers", "ws", "transcode"],
    &["endpoints", "http"],
    &["app"],
    &["cli"],
];

/// The floor of a path like `config::file::Section`: that of the longest name it begins with, since `config::plan` stands
/// above the rest of `config`.
fn floor(path: &str) -> Option<usize> {
    let begins = |module: &str| path == module || path.starts_with(&format!("{module}::"));
    let floors =
        FLOORS.iter().enumerate().flat_map(|(at, floor)| floor.iter().map(move |module| (at, *module)));
    floors.filter(|(_, module)| begins(module)).max_by_key(|(_, module)| module.len()).map(|(at, _)| at)
}

/// `supervise::tasks` for `server/src/supervise/tasks.rs`; `None` for the roots and for `config`, which only lists.
fn module(file: &File) -> Option<String> {
    let path = file.path.strip_prefix("server/src/")?.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    (!matches!(path, "lib" | "main" | "config")).then(|| path.replace('/', "::"))
}

/// What follows each `crate::` in the code.
fn named(text: &str) -> impl Iterator<Item = (usize, &str)> {
    code(text).flat_map(|(number, line)| {
        line.split("crate::").skip(1).map(move |rest| {
            let end =
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            (number, &rest[..end])
        })
    })
}

#[test]
fn modules_name_only_what_is_below_them() {
    let mut offences = Vec::new();
    for file in files("server/src", &[".rs"]) {
        let Some(module) = module(&file) else { continue };
        let Some(own) = floor(&module) else {
            offences.push(format!("{} has no floor", file.path));
            continue;
        };
        for (number, target) in named(&file.text) {
            let place = format!("{}:{number}", file.path);
            match floor(target) {
                None => {
                    offences.push(format!("{place}: crate::{target} has no floor; name the module itself"));
                }
                Some(other) if other > own => offences.push(format!("{place}: {target} is above {module}")),
                Some(_) => {}
            }
        }
    }
    none(&offences);
}

#[test]
fn http_knows_no_endpoint_and_no_endpoint_knows_http() {
    let mut offences = Vec::new();
    for file in files("server/src", &[".rs"]) {
        let module = module(&file).unwrap_or_default();
        let forbidden = match module.split("::").next() {
            Some("http") => "endpoints",
            Some("endpoints") => "http",
            _ => continue,
        };
        for (number, target) in named(&file.text) {
            if target.split("::").next() == Some(forbidden) {
                offences.push(format!("{}:{number}: {target}", file.path));
            }
        }
    }
    none(&offences);
}

#[test]
fn endpoints_are_strangers_to_each_other() {
    let files = files("server/src/endpoints", &[".rs"]);
    let folder = |file: &File| file.path.split('/').nth(3).unwrap_or_default().to_owned();
    let mut names: Vec<String> = files.iter().map(folder).filter(|name| name != "mod.rs").collect();
    names.dedup();
    let mut offences = Vec::new();
    for file in files.iter().filter(|file| folder(file) != "mod.rs") {
        for other in names.iter().filter(|name| **name != folder(file)) {
            for (number, line) in code(&file.text) {
                let names = |prefix: &str| {
                    line.match_indices(&format!("{prefix}::{other}")).any(|(at, found)| {
                        !line[at + found.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
                    })
                };
                if names("endpoints") || names("super") {
                    offences.push(format!("{}:{number}: names the endpoint {other}", file.path));
                }
            }
        }
    }
    none(&offences);
}

/// A task that is started elsewhere has no name and no end.
#[test]
fn tasks_start_in_one_place() {
    let starts =
        ["tokio::spawn", "task::spawn", "spawn_blocking", "spawn_local", "JoinSet", "thread::Builder"];
    let mut offences = Vec::new();
    for file in files("server/src", &[".rs"]) {
        if file.path == "server/src/supervise/tasks.rs" {
            continue;
        }
        for (number, line) in code(&file.text) {
            if let Some(start) = starts.iter().find(|start| line.contains(*start)) {
                offences.push(format!("{}:{number}: {start}", file.path));
            }
        }
    }
    none(&offences);
}
