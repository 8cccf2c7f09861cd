//! The command line.

#![allow(rustdoc::broken_intra_doc_links)] // these comments are the help text, where [HOST] is no link

mod announcement;
mod password;
mod sign;

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;

use self::announcement::Announcement;
use crate::app::App;
use crate::auth::{self, Right, Rights};
use crate::config::file::Text;
use crate::config::plan::{self, Plan};
use crate::config::values::{ListenAddress, Span};
use crate::endpoints::ENDPOINTS;
use crate::error::StartError;
use crate::net::notify::Notify;
use crate::roster::{Home, Refused, Roster};
use crate::telemetry;

const EXAMPLES: &str = "\
Examples:
  firstlight                                   the test pattern, to see that everything works
  firstlight 'exec:rpicam-vid -t 0 -n --inline --flush -o -'
                                               a Raspberry Pi's camera
  firstlight tcp://192.168.1.20:8000           a camera that listens (libcamera-vid --listen)
  firstlight clip.mp4                          a file, again and again
  firstlight --config firstlight.toml          any number of cameras (see config.example.toml)
  firstlight check firstlight.toml             judge a configuration without running it

Then open http://127.0.0.1:8080/ in a browser.";

/// Any camera to any number of browsers.
#[derive(Debug, Parser)]
#[command(name = "firstlight", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Sources to show, one stream each: test, exec:COMMAND, rtsp://HOST/PATH, tcp://HOST:PORT, tcp-listen://[HOST]:PORT,
    /// udp://[HOST]:PORT, or a file
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,

    /// Configuration file (TOML)
    #[arg(short, long, value_name = "FILE", env = "FIRSTLIGHT_CONFIG", conflicts_with = "sources")]
    config: Option<PathBuf>,

    /// Address to listen on instead of the configuration's; may be given several times
    #[arg(short, long, value_name = "ADDRESS", env = "FIRSTLIGHT_LISTEN", value_delimiter = ',')]
    listen: Vec<ListenAddress>,

    /// Listen on every interface, so that other machines of the network can watch: those that have the address it prints, which
    /// holds a token, unless the configuration says who may do what. With --lan=PORT at another port than the configuration's
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, conflicts_with = "listen")]
    #[allow(clippy::option_option)] // whether it is there, and whether with a port
    lan: Option<Option<u16>>,

    /// Where streams made by the API are kept, instead of beside the configuration
    #[arg(long, value_name = "FILE", env = "FIRSTLIGHT_STREAMS_FILE")]
    streams_file: Option<PathBuf>,

    /// How much to log: error, warn, info, debug or trace, also by module
    #[arg(long, value_name = "FILTER", env = "FIRSTLIGHT_LOG", default_value = "info")]
    log: String,

    /// Log one JSON object a line
    #[arg(long, env = "FIRSTLIGHT_LOG_JSON")]
    log_json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge a configuration file and say what it would run
    Check {
        /// Configuration file (TOML)
        file: PathBuf,
    },
    /// Ask for a password and print its hash, for [users.NAME] in a configuration
    HashPassword {
        /// Print what RTSP's Digest needs as well, for the user of this name; whoever reads that can come in with it
        #[arg(long, value_name = "USER")]
        digest: Option<String>,
    },
    /// Print a link that lets whoever has it watch one stream for a while; the configuration needs a link_key
    SignUrl {
        /// The stream
        stream: String,

        /// Configuration file (TOML)
        #[arg(short, long, value_name = "FILE", env = "FIRSTLIGHT_CONFIG")]
        config: PathBuf,

        /// How long the link is good from now on, as 90s, 12h or 7d
        #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
        length: Span,

        /// Where viewers reach the server, as `https://cameras.example`, instead of the first address it listens on
        #[arg(long, value_name = "URL")]
        server: Option<String>,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Some(Command::Check { file }) => check(file),
        Some(Command::HashPassword { digest }) => password::hash(digest.as_deref()),
        Some(Command::SignUrl { stream, config, length, server }) => {
            sign::sign(stream, config, length.0, server.as_deref())
        }
        None => run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("firstlight: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check(file: &Path) -> Result<(), StartError> {
    let text = read(file)?;
    let plan = plan::plan(&text, ENDPOINTS).map_err(StartError::Config)?;
    plan.refuse_exposure()?;
    say(format_args!("{} is good: {} stream(s)", file.display(), plan.streams.len()));
    let folder = file.parent().unwrap_or(Path::new(""));
    for needed in &plan.files {
        let path = needed.path(folder);
        if let Err(error) = std::fs::File::open(&path) {
            warn_of(format_args!("{}: {}: {error}", needed.place, path.display()));
        }
    }
    for stream in &plan.streams {
        let source = stream.source.as_ref().map_or_else(|| "waits for a publisher".to_owned(), |s| s.label());
        say(format_args!("  {}: {source}", stream.name));
    }
    Ok(())
}

fn run(arguments: &Arguments) -> Result<(), StartError> {
    if let Err(message) = telemetry::start(&arguments.log, arguments.log_json) {
        return Err(StartError::Runtime(io::Error::new(io::ErrorKind::InvalidInput, message)));
    }
    let text = match &arguments.config {
        Some(file) => read(file)?,
        None => from_sources(&arguments.sources)?,
    };
    let mut plan = plan::plan(&text, ENDPOINTS).map_err(StartError::Config)?;
    let mut token = None;
    if let Some(port) = arguments.lan {
        plan.http.listen = vec![everywhere(&plan, port)];
        if !plan.auth.may_be_reached() {
            let made = auth::random_token();
            plan.auth.admit("lan", &made, Rights::everywhere(&[Right::View, Right::Publish, Right::Control]));
            token = Some(made);
        }
    } else if !arguments.listen.is_empty() {
        plan.http.listen.clone_from(&arguments.listen);
    }
    let open = plan.auth.is_open();
    let names: Vec<String> = plan.streams.iter().map(|stream| stream.name.to_string()).collect();
    let home = home(arguments, plan.streams_file.as_deref());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let app = App::start(plan, home)?;
        Announcement {
            addresses: app.addresses(),
            secure: app.secure_addresses(),
            names: &names,
            token: token.as_deref(),
            open,
        }
        .make();
        let notify = Notify::from_environment().unwrap_or_else(|error| {
            warn!(%error, "the service manager cannot be told anything");
            Notify::default()
        });
        app.look_after(&notify);
        notify.ready();
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    notify.reloading();
                    reload(app.roster()).await;
                    notify.ready();
                }
            }
        }
        notify.stopping();
        app.stop().await;
        Ok(())
    });
    // What still runs was named; a name that is being looked up, say, must not hold the exit.
    runtime.shutdown_background();
    result
}

/// Reads the configuration again; a wrong one changes nothing.
async fn reload(roster: &Arc<Roster>) {
    match roster.reload().await {
        Ok(reloaded) if reloaded.restart.is_empty() => {}
        Ok(reloaded) => warn!(sections = ?reloaded.restart, "these sections changed, which takes a restart"),
        Err(Refused::Wrong(errors)) => {
            errors.iter().for_each(|error| warn!(%error, "the configuration is wrong; nothing was changed"));
        }
        Err(error) => warn!(%error, "the configuration was not read again"),
    }
}

/// Where streams come from and are kept: what the command line says, or the configuration, or beside the configuration.
fn home(arguments: &Arguments, configured: Option<&Path>) -> Home {
    let configuration = arguments.config.clone();
    let beside = || {
        let file = configuration.as_deref()?;
        let folder = file.parent().unwrap_or(Path::new(""));
        Some(configured.map_or_else(|| file.with_extension("streams.toml"), |path| folder.join(path)))
    };
    let streams_file = arguments.streams_file.clone().or_else(beside);
    Home { configuration, streams_file }
}

/// A configuration of the sources on the command line; of the test pattern if there are none.
///
/// # Errors
/// [`StartError::NoFile`] for what neither is a file nor begins as a source does.
fn from_sources(sources: &[String]) -> Result<Text, StartError> {
    let mut toml = String::new();
    let fallback = ["test".to_owned()];
    let sources = if sources.is_empty() { &fallback } else { sources };
    for (index, source) in sources.iter().enumerate() {
        let name = match (source.as_str(), index) {
            ("test", 0) => "test".to_owned(),
            (_, 0) => "cam".to_owned(),
            (_, index) => format!("cam{}", index + 1),
        };
        let known = ENDPOINTS.iter().flat_map(|e| e.schemes()).any(|scheme| {
            source == scheme || source.strip_prefix(scheme).is_some_and(|rest| rest.starts_with(':'))
        });
        let source = match source.split_once(':') {
            _ if known => source.clone(),
            _ if Path::new(source).exists() => format!("file:{source}"),
            // What comes before a colon may be a scheme that was written wrongly; the configuration's reader says which there are.
            Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') => {
                source.clone()
            }
            _ => return Err(StartError::NoFile { path: source.clone(), schemes: schemes() }),
        };
        toml.push_str(&format!("[streams.{name}]\nsource = {}\n", toml::Value::String(source)));
    }
    Ok(Text { origin: "command line".to_owned(), toml })
}

/// What sources begin with.
fn schemes() -> String {
    let schemes = ENDPOINTS.iter().flat_map(|endpoint| endpoint.schemes());
    schemes.map(|scheme| format!("{scheme}:")).collect::<Vec<_>>().join(", ").replace("test:", "test")
}

fn read(path: &Path) -> Result<Text, StartError> {
    let toml =
        std::fs::read_to_string(path).map_err(|source| StartError::Read { path: path.to_owned(), source })?;
    Ok(Text { origin: path.display().to_string(), toml })
}

/// This port, or the configured one, on every interface.
fn everywhere(plan: &Plan, port: Option<u16>) -> ListenAddress {
    let configured = || plan.http.listen.iter().flat_map(|l| &l.0).map(SocketAddr::port).next();
    let port = port.or_else(configured).unwrap_or(8080);
    ListenAddress(vec![(std::net::Ipv6Addr::UNSPECIFIED, port).into()])
}

/// One line on standard output. If nobody reads it (`firstlight | head -1`) it is lost, and the server goes on.
fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// One line on standard error that changes nothing.
fn warn_of(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "warning: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_on_the_command_line_become_streams_whose_names_are_free() {
        let sources = ["exec:cat", "tcp://192.168.1.20:8000", "test", "file:clip.mp4"].map(str::to_owned);
        let plan = plan::plan(&from_sources(&sources).unwrap(), ENDPOINTS).unwrap();
        let names: Vec<&str> = plan.streams.iter().map(|stream| stream.name.as_str()).collect();
        assert_eq!(names, ["cam", "cam2", "cam3", "cam4"]);
    }

    #[test]
    fn what_is_no_file_and_no_source_is_said_to_be_neither() {
        for source in ["nosuch.mp4", "/nowhere/clip.ts", "clips/10:30.mp4"] {
            let error = from_sources(&[source.to_owned()]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("there is no file {source}")), "{error}");
            assert!(error.contains("begins with test, exec:, tcp:"), "{error}");
        }
        let misspelt = from_sources(&["rstp://camera/1".to_owned()]).unwrap();
        assert!(
            plan::plan(&misspelt, ENDPOINTS).unwrap_err()[0]
                .to_string()
                .contains("no source begins with \"rstp\"")
        );
    }

    #[test]
    fn a_port_goes_with_lan_and_what_follows_it_is_a_source() {
        let parse = |arguments: &[&str]| {
            let arguments = Arguments::try_parse_from([&["firstlight"], arguments].concat()).unwrap();
            (arguments.lan, arguments.sources)
        };
        assert_eq!(parse(&["--lan=9000"]), (Some(Some(9_000)), vec![]));
        assert_eq!(parse(&["--lan", "clip.mp4"]), (Some(None), vec!["clip.mp4".to_owned()]));
        assert_eq!(parse(&["clip.mp4"]), (None, vec!["clip.mp4".to_owned()]));
        assert!(Arguments::try_parse_from(["firstlight", "--lan=9000", "--listen", ":80"]).is_err());
    }

    #[test]
    fn without_a_source_there_is_the_test_pattern() {
        let plan = plan::plan(&from_sources(&[]).unwrap(), ENDPOINTS).unwrap();
        assert_eq!(plan.streams.len(), 1);
        assert_eq!(plan.streams[0].name.as_str(), "test");
    }
}
