//! Measures firstlight, and other servers, from outside: `bench --help` lists what.
//!
//! `load` is a crowd of viewers; `floor` the least program that could serve them; the other commands start a server, put
//! a crowd before it and quote its CPU time, memory and delays beside the targets of `docs/performance.md`. Nothing here
//! decides that a number is good: it prints it.

mod clip;
mod commands;
mod error;
mod floor;
mod lab;
mod load;
mod outcome;
mod process;
mod schedule;
mod seal;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::load::LoadOptions;
use error::{BenchError, Context};
use lab::{Lab, LabOptions};
use outcome::Outcome;
use schedule::{Mode, Schedule};

/// Load client, floor servers and measurements
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Viewers of a URL of any server
    Load(LoadOptions),
    /// The least server: sends a schedule to whoever connects
    Floor {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:9000")]
        listen: SocketAddr,
        /// A file of `bench schedule`
        #[arg(long)]
        schedule: PathBuf,
    },
    /// Writes the schedule of a floor: f1 a message a unit, f2 a message a picture, units as f1 without a frame around each
    Schedule {
        /// f1, f2 or units
        #[arg(long)]
        mode: Mode,
        /// Any file that ffprobe reads
        clip: PathBuf,
    },
    /// Makes the clip
    Clip {
        /// Where
        path: PathBuf,
    },
    /// Server CPU ÷ floor CPU
    Compare {
        #[command(flatten)]
        lab: LabOptions,
        /// Viewers at once
        #[arg(long, short = 'n', default_value_t = 400)]
        viewers: usize,
        /// Only what has this in its name, as RTSP
        #[arg(long, default_value = "")]
        only: String,
    },
    /// Publish to socket under a crowd
    Delay {
        #[command(flatten)]
        lab: LabOptions,
        /// Viewers at once
        #[arg(long, short = 'n', default_value_t = 1000)]
        viewers: usize,
    },
    /// Idle, per viewer, stalled viewers
    Memory(LabOptions),
    /// Memory of viewers who wait, and a scrape of /metrics beside them
    Idle {
        #[command(flatten)]
        lab: LabOptions,
        /// Viewers at once
        #[arg(long, short = 'n', default_value_t = 2000)]
        viewers: usize,
    },
    /// More viewers than the budget allows
    Overload(LabOptions),
    /// Start to listening
    Startup(LabOptions),
    /// Warm join to the first decodable picture
    Join(LabOptions),
    /// Ten viewers of the pattern against one
    EncodeOnce(LabOptions),
    /// Publish by HTTP to WebSocket
    Publish(LabOptions),
    /// Stills a second, and viewers of moving JPEGs
    Pictures(LabOptions),
    /// WebRTC: CPU beside a floor that only encrypts and sends, memory, delay, join
    Webrtc {
        #[command(flatten)]
        lab: LabOptions,
        /// Viewers at once, if they can be held
        #[arg(long, short = 'n', default_value_t = 1000)]
        viewers: usize,
    },
    /// Messages to a program and back by WebRTC, while pictures come
    Data(LabOptions),
    /// Age of the picture that a browser shows (Chromium and `npm ci` in bench/glass needed)
    Glass(LabOptions),
    /// All of them, one table
    All(LabOptions),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), BenchError> {
    let (outcome, json) = match command {
        Command::Floor { listen, schedule } => {
            process::raise_socket_limit();
            let text =
                std::fs::read_to_string(&schedule).context(format!("reading {}", schedule.display()))?;
            return floor::serve(listen, &Schedule::parse(&text, &schedule)?);
        }
        Command::Schedule { mode, clip } => {
            print!("{}", Schedule::of_clip(&clip, mode)?.to_text());
            return Ok(());
        }
        Command::Clip { path } => return clip::make(&path),
        Command::Load(options) => (commands::load::run(&options)?, options.json),
        Command::Compare { lab, viewers, only } => {
            (commands::compare::run(&Lab::new(&lab)?, viewers, &only)?, lab.json)
        }
        Command::Delay { lab, viewers } => (commands::delay::run(&Lab::new(&lab)?, viewers)?, lab.json),
        Command::Memory(lab) => (commands::memory::run(&Lab::new(&lab)?)?, lab.json),
        Command::Idle { lab, viewers } => (commands::idle::run(&Lab::new(&lab)?, viewers)?, lab.json),
        Command::Overload(lab) => (commands::overload::run(&Lab::new(&lab)?)?, lab.json),
        Command::Startup(lab) => (commands::startup::run(&Lab::new(&lab)?)?, lab.json),
        Command::Join(lab) => (commands::join::run(&Lab::new(&lab)?)?, lab.json),
        Command::EncodeOnce(lab) => (commands::encode_once::run(&Lab::new(&lab)?)?, lab.json),
        Command::Publish(lab) => (commands::publish::run(&Lab::new(&lab)?)?, lab.json),
        Command::Pictures(lab) => (commands::pictures::run(&Lab::new(&lab)?)?, lab.json),
        Command::Webrtc { lab, viewers } => (commands::webrtc::run(&Lab::new(&lab)?, viewers)?, lab.json),
        Command::Data(lab) => (commands::data::run(&Lab::new(&lab)?)?, lab.json),
        Command::Glass(lab) => (commands::glass::run(&Lab::new(&lab)?)?, lab.json),
        Command::All(lab) => (all(&Lab::new(&lab)?), lab.json),
    };
    outcome.print();
    json.map_or(Ok(()), |path| outcome.write(&path))
}

/// Every measurement; one that fails is a row that says why.
fn all(lab: &Lab) -> Outcome {
    type Measurement = fn(&Lab) -> Result<Outcome, BenchError>;
    let measurements: [(&str, Measurement); 13] = [
        ("startup", commands::startup::run),
        ("compare", |lab| commands::compare::run(lab, 400, "")),
        ("delay", |lab| commands::delay::run(lab, 1000)),
        ("publish", commands::publish::run),
        ("join", commands::join::run),
        ("memory", commands::memory::run),
        ("idle", |lab| commands::idle::run(lab, 2000)),
        ("overload", commands::overload::run),
        ("encode-once", commands::encode_once::run),
        ("pictures", commands::pictures::run),
        ("webrtc", |lab| commands::webrtc::run(lab, 1000)),
        ("data", commands::data::run),
        ("glass", commands::glass::run),
    ];
    let mut outcome = Outcome::default();
    for (name, measure) in measurements {
        eprintln!("measuring: {name}");
        match measure(lab) {
            Ok(found) => outcome.extend(found),
            Err(error) => outcome.note(name, format!("not measured: {error}")),
        }
    }
    outcome
}
