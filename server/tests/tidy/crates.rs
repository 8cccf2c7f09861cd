//! Which crate may import which, own a runtime, or be unsafe.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::tree::{code, none, root, rust_files};

/// A crate and those of ours it may import. What is in no table may import all: it stands above `server`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("media", &[]),
    ("codec", &["media"]),
    ("hub", &["media"]),
    ("encode", &["media", "codec"]),
    ("container", &["media", "codec"]),
    ("hls", &["media"]),
    ("rtp", &["media", "codec"]),
    ("rtsp", &["media", "codec", "rtp"]),
    ("rtmp", &["media", "codec", "container"]),
    ("srtp", &[]),
];

/// The same for crates beside the server, which own clocks and sockets as it does.
const BESIDE_MAY_IMPORT: &[(&str, &[&str])] =
    &[("peer", &["media", "rtp"]), ("robot", &["media", "encode", "rtp", "peer"])];

/// Crates with C code behind them. Their lints are their own, since only so can one file allow what the workspace
/// forbids; there `unsafe` is denied, and every block has to say why it is sound.
const OWN_LINTS: &[&str] = &["encode"];

/// The files that call C.
const UNSAFE_FILES: &[&str] = &["crates/encode/src/quiet.rs"];

/// What waits, opens or logs: above the floor line only.
const RUNTIMES: &[&str] = &[
    "tokio",
    "tokio-util",
    "async-std",
    "smol",
    "mio",
    "socket2",
    "rustix",
    "axum",
    "hyper",
    "hyper-util",
    "tower",
    "tracing",
    "log",
    "rand",
    "chrono",
    "time",
];

/// Every floor below `server` must refuse these.
const BANNED_METHODS: &[&str] = &[
    "std::time::Instant::now",
    "std::time::Instant::elapsed",
    "std::time::SystemTime::now",
    "std::time::SystemTime::elapsed",
    "std::thread::sleep",
    "std::thread::spawn",
];
const BANNED_TYPES: &[&str] =
    &["std::fs::File", "std::net::TcpStream", "std::net::TcpListener", "std::net::UdpSocket"];

struct Package {
    /// Without `firstlight-`.
    name: String,
    /// Where it is, below the root.
    folder: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    features: Vec<String>,
    default_features: bool,
    /// For tests only.
    dev: bool,
}

fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

fn package(value: &Value) -> Package {
    let manifest = value["manifest_path"].as_str().unwrap();
    let folder = manifest.trim_end_matches("Cargo.toml").trim_end_matches('/');
    let folder = folder.strip_prefix(root().to_str().unwrap()).unwrap().trim_start_matches('/');
    Package {
        name: short(value["name"].as_str().unwrap()),
        folder: folder.to_owned(),
        dependencies: value["dependencies"].as_array().unwrap().iter().map(dependency).collect(),
    }
}

fn dependency(value: &Value) -> Dependency {
    let features = value["features"].as_array().unwrap();
    Dependency {
        name: short(value["name"].as_str().unwrap()),
        features: features.iter().map(|f| f.as_str().unwrap().to_owned()).collect(),
        default_features: value["uses_default_features"].as_bool().unwrap(),
        dev: value["kind"] == "dev",
    }
}

fn short(name: &str) -> String {
    name.strip_prefix("firstlight-").unwrap_or(name).to_owned()
}

fn may_import(name: &str) -> Option<&'static [&'static str]> {
    may_import_of(MAY_IMPORT, name)
}

fn may_import_of(table: &[(&str, &'static [&'static str])], name: &str) -> Option<&'static [&'static str]> {
    table.iter().find(|(below, _)| *below == name).map(|(_, allowed)| *allowed)
}

#[test]
fn crates_import_only_those_below_them() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let mut offences = Vec::new();
    for package in &packages {
        let beside = || may_import_of(BESIDE_MAY_IMPORT, &package.name);
        let Some(allowed) = may_import(&package.name).or_else(beside) else { continue };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            // Tests of what owns sockets may stand real servers of others up, as those from outside do.
            let is_harness = dependency.dev && name == "e2e" && may_import(&package.name).is_none();
            if ours.contains(name) && !allowed.contains(&name) && !is_harness {
                offences.push(format!("{} may not import {name}", package.name));
            }
        }
    }
    none(&offences);
}

#[test]
fn every_crate_in_crates_has_its_floor() {
    let packages = packages();
    let below: BTreeSet<&str> =
        packages.iter().filter(|p| p.folder.starts_with("crates/")).map(|p| p.name.as_str()).collect();
    let table: BTreeSet<&str> = MAY_IMPORT.iter().map(|(name, _)| *name).collect();
    assert_eq!(below, table);
}

#[test]
fn below_the_server_there_is_no_runtime_but_the_hubs_watch_channel() {
    let mut offences = Vec::new();
    for package in packages().iter().filter(|p| may_import(&p.name).is_some()) {
        for dependency in package.dependencies.iter().filter(|d| !d.dev) {
            let name = dependency.name.as_str();
            let watch = package.name == "hub"
                && name == "tokio"
                && dependency.features == ["sync"]
                && !dependency.default_features;
            if RUNTIMES.contains(&name) && !watch {
                let features = dependency.features.join(", ");
                offences.push(format!("{} may not use {name} [{features}]", package.name));
            }
        }
    }
    none(&offences);
}

#[test]
fn unsafe_code_is_forbidden_and_every_crate_takes_the_workspaces_lints() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    let mut offences = Vec::new();
    for package in packages() {
        let manifest = fs::read_to_string(root().join(&package.folder).join("Cargo.toml")).unwrap();
        let has = |lint: &str| manifest.lines().any(|line| line == lint);
        let good = if OWN_LINTS.contains(&package.name.as_str()) {
            has("unsafe_code = \"deny\"") && has("undocumented_unsafe_blocks = \"deny\"")
        } else {
            manifest.contains("[lints]\nworkspace = true\n")
        };
        if !good {
            offences.push(format!("{}/Cargo.toml: [lints] is not what the tidy test says", package.folder));
        }
    }
    for file in rust_files() {
        let is_unsafe = code(&file.text).any(|(_, line)| line.contains("unsafe_code"));
        if is_unsafe
            && !UNSAFE_FILES.contains(&file.path.as_str())
            && !file.path.starts_with("server/tests/tidy/")
        {
            offences.push(format!("{} may not allow unsafe code", file.path));
        }
    }
    none(&offences);
}

#[test]
fn below_the_server_clippy_refuses_clocks_sockets_files_and_threads() {
    let mut offences = Vec::new();
    for (name, _) in MAY_IMPORT {
        let path = format!("crates/{name}/clippy.toml");
        let text = fs::read_to_string(root().join(&path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        for banned in BANNED_METHODS.iter().chain(BANNED_TYPES) {
            if !text.contains(&format!("path = \"{banned}\"")) {
                offences.push(format!("{path} does not refuse {banned}"));
            }
        }
    }
    none(&offences);
}
