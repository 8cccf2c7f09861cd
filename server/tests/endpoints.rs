//! What every endpoint in the table owes: examples that work, errors that name the key, a page that documents both.

#![allow(clippy::unwrap_used)] // a test may

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use firstlight::config::file::Text;
use firstlight::config::plan::{Plan, plan};
use firstlight::endpoint::Endpoint;
use firstlight::endpoints::ENDPOINTS;
use firstlight::error::ConfigError;

/// A key nobody knows.
const UNKNOWN: &str = "zzz";

fn judge(toml: &str) -> Result<Plan, Vec<ConfigError>> {
    plan(&Text { origin: "test.toml".to_owned(), toml: toml.to_owned() }, ENDPOINTS)
}

fn errors(toml: &str) -> String {
    let errors = judge(toml).expect_err(toml);
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn sources() -> impl Iterator<Item = &'static &'static dyn Endpoint> {
    ENDPOINTS.iter().filter(|endpoint| !endpoint.schemes().is_empty())
}

/// The keys an error lists as those there are: `unknown field `zzz`, expected one of `a`, `b``.
fn listed(error: &str) -> BTreeSet<String> {
    error.split('`').skip(1).step_by(2).filter(|key| *key != UNKNOWN).map(str::to_owned).collect()
}

/// Keys of a section or a source, as the server itself tells them.
fn keys(toml: &str) -> BTreeSet<String> {
    let error = errors(toml);
    assert!(error.contains(UNKNOWN), "the key is not named: {error}");
    let keys = listed(&error);
    assert!(!keys.is_empty(), "the keys there are are not named: {error}");
    keys
}

fn source_keys(endpoint: &dyn Endpoint) -> BTreeSet<String> {
    keys(&format!("[streams.a]\nsource = {{ {} = {{ {UNKNOWN} = 1 }} }}\n", endpoint.name()))
}

/// `None` where the endpoint has no section.
fn section_keys(name: &str) -> Option<BTreeSet<String>> {
    let toml = format!("[{name}]\n{UNKNOWN} = 1\n");
    let error = errors(&toml);
    if error.contains(UNKNOWN) {
        return Some(keys(&toml));
    }
    assert!(error.starts_with(&format!("test.toml:1: {name}: ")), "the section is not refused: {error}");
    None
}

#[test]
fn every_source_has_an_example_and_every_example_works() {
    for endpoint in sources() {
        assert!(!endpoint.examples().is_empty(), "{} shows no example", endpoint.name());
        for example in endpoint.examples() {
            let plan = judge(&format!("[streams.a]\nsource = {example}\n[streams.front]\n"))
                .unwrap_or_else(|e| panic!("{e:?}"));
            assert!(plan.streams[0].source.is_some(), "{example}");
        }
    }
}

#[test]
fn an_unknown_key_in_any_source_is_refused_by_name() {
    for endpoint in sources() {
        let tables = endpoint.examples().iter().filter(|example| example.starts_with('{'));
        for example in tables {
            let (before, after) = example.rsplit_once("} }").unwrap();
            let error = errors(&format!("[streams.a]\nsource = {before}, {UNKNOWN} = 1 }} }}{after}\n"));
            assert!(error.contains(UNKNOWN), "{error}");
            assert!(error.starts_with("test.toml:2: "), "{error}");
        }
        source_keys(*endpoint);
    }
}

#[test]
fn an_unknown_key_in_any_section_is_refused_by_name_or_the_section_itself() {
    for endpoint in ENDPOINTS {
        section_keys(endpoint.name());
    }
    assert!(section_keys("http").is_some());
    assert!(section_keys("api").is_some());
}

#[test]
fn an_unknown_section_and_an_unknown_key_of_a_stream_are_refused() {
    assert!(errors("[zzz]\n").starts_with("test.toml:1: zzz: "));
    let error = errors("[streams.a]\nzzz = 1\n");
    assert!(error.starts_with("test.toml:2: streams.a.zzz: "), "{error}");
}

#[test]
fn keys_for_publishers_are_refused_where_nobody_can_publish() {
    for key in ["filler = \"test\"", "on_second_publisher = \"refuse\""] {
        let error = errors(&format!("[streams.a]\nsource = \"test\"\n{key}\n"));
        assert!(error.starts_with("test.toml:3: streams.a."), "{error}");
        assert!(judge(&format!("[streams.a]\n{key}\n")).is_ok(), "{key}");
    }
    let error = errors("[streams.a]\non_second_publisher = \"fight\"\n");
    assert!(error.contains("take_over"), "{error}");
}

#[test]
fn names_and_schemes_are_used_once() {
    let mut seen = BTreeSet::from(["api", "auth", "http", "streams", "tokens", "users"]);
    let mut schemes = BTreeSet::new();
    for endpoint in ENDPOINTS {
        assert!(seen.insert(endpoint.name()), "{}", endpoint.name());
        for scheme in endpoint.schemes() {
            assert!(schemes.insert(*scheme), "{scheme}");
        }
    }
}

#[test]
fn every_endpoint_has_a_page_with_its_examples_and_its_keys() {
    for endpoint in ENDPOINTS {
        let path = format!("docs/ref/endpoints/{}.md", endpoint.name());
        let page = read(&path);
        for example in endpoint.examples() {
            assert!(page.contains(example), "{path} does not show {example}");
        }
        let mut keys = section_keys(endpoint.name()).unwrap_or_default();
        if !endpoint.schemes().is_empty() {
            keys.extend(source_keys(*endpoint));
        }
        for key in keys {
            assert!(page.contains(&format!("`{key}`")), "{path} does not explain `{key}`");
        }
    }
}

#[test]
fn the_example_configuration_is_good_and_shows_every_key() {
    let text = read("config.example.toml");
    judge(&text).unwrap_or_else(|e| panic!("{e:?}"));
    // Secrets that everybody can read must not be in force: such lines begin with `#` and no space.
    let shown = |line| str::strip_prefix(line, "#").filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
    let text = text.lines().map(shown).collect::<Vec<_>>().join("\n");
    let plan = judge(&text).unwrap_or_else(|e| panic!("{e:?}"));
    let parsed: toml::Table = text.parse().unwrap();

    let shown = |section: &str| parsed.get(section).and_then(toml::Value::as_table).map(toml::Table::keys);
    for section in ENDPOINTS.iter().map(|e| e.name()).chain(["api", "http"]) {
        let Some(keys) = section_keys(section) else { continue };
        let shown: BTreeSet<String> = shown(section).into_iter().flatten().cloned().collect();
        assert_eq!(shown, keys, "[{section}]");
    }

    let streams: Vec<&toml::Table> =
        parsed["streams"].as_table().unwrap().values().filter_map(toml::Value::as_table).collect();
    let shown: BTreeSet<&str> = streams.iter().flat_map(|s| s.keys()).map(String::as_str).collect();
    let error = errors("[streams.a]\nzzz = 1\n");
    for key in &shown {
        assert!(error.contains(key), "the error does not name {key}: {error}");
    }
    assert_eq!(
        shown,
        BTreeSet::from(["data", "filler", "linger", "on_demand", "on_second_publisher", "push", "source"])
    );
    assert_eq!(shown_below(&parsed, "auth"), keys("[auth]\nzzz = 1\n"));
    for (section, one) in [("users", "[users.a]\nzzz = 1\n"), ("tokens", "[tokens.a]\nzzz = 1\n")] {
        let ones = parsed[section].as_table().unwrap().values().filter_map(toml::Value::as_table);
        let shown: BTreeSet<String> = ones.flat_map(|table| table.keys().cloned()).collect();
        assert_eq!(shown, keys(one), "[{section}]");
    }
    assert_eq!(streams.len(), plan.streams.len());

    for endpoint in sources() {
        let tables = streams.iter().filter_map(|s| s.get("source")?.get(endpoint.name())?.as_table());
        let shown: BTreeSet<String> = tables.flat_map(|table| table.keys().cloned()).collect();
        assert_eq!(shown, source_keys(*endpoint), "source = {{ {} = … }}", endpoint.name());
    }
}

fn shown_below(parsed: &toml::Table, section: &str) -> BTreeSet<String> {
    parsed[section].as_table().into_iter().flat_map(toml::Table::keys).cloned().collect()
}

#[test]
fn the_reference_explains_every_key_of_who_may_do_what() {
    let page = read("docs/ref/auth.md");
    for toml in ["[auth]\nzzz = 1\n", "[users.a]\nzzz = 1\n", "[tokens.a]\nzzz = 1\n"] {
        for key in listed(&errors(toml)) {
            assert!(page.contains(&format!("`{key}`")), "docs/ref/auth.md does not explain `{key}`");
        }
    }
}

#[test]
fn the_reference_explains_every_key_of_the_sections() {
    let page = read("docs/ref/config.md");
    for section in ENDPOINTS.iter().map(|e| e.name()).chain(["api", "http"]) {
        for key in section_keys(section).unwrap_or_default() {
            assert!(
                page.contains(&format!("`{key}`")),
                "docs/ref/config.md does not explain `{key}` of [{section}]"
            );
        }
    }
    for key in ["source", "linger", "on_demand", "on_second_publisher", "filler"] {
        assert!(page.contains(&format!("`{key}`")), "docs/ref/config.md does not explain `{key}`");
    }
}

/// What names a program or a path of this machine must not be in this list: whoever may change streams may not therefore run commands.
#[test]
fn only_sources_of_the_network_and_the_test_camera_are_open_to_the_api() {
    let open: Vec<&str> = ENDPOINTS.iter().filter(|e| e.is_open_to_api()).map(|e| e.name()).collect();
    assert_eq!(open, ["test", "tcp", "tcp-listen", "udp", "http-pull", "derived", "rtmp", "rtsp", "webrtc"]);
}
