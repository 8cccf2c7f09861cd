//! The guard process: keeps a command from outliving us.
//!
//! `firstlight --exec-guard COMMAND` runs the command in a new process group and reads its own standard input, a pipe whose other
//! end only the server holds. Its end of file means that the server stopped the source or is gone, even by SIGKILL; the group is
//! then asked to end and, shortly after, killed.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use super::TERM_TO_KILL;

/// The first argument that makes this program a guard.
pub const GUARD_ARGUMENT: &str = "--exec-guard";

/// Runs `command` and gives its exit code.
pub fn run_guard(command: &str) -> ExitCode {
    let child = Command::new("/bin/sh").arg("-c").arg(command).stdin(Stdio::null()).process_group(0).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            eprintln!("cannot start /bin/sh: {error}");
            return ExitCode::from(127);
        }
    };
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    watch_for_the_end(group);
    let status = child.wait();
    // What the shell left behind in its group must not hold our standard output open.
    signal(group, Signal::KILL);
    let code =
        status.ok().and_then(|s| s.code().or_else(|| s.signal().map(|signal| 128 + signal))).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

#[allow(clippy::disallowed_methods)] // a process of its own: there is no runtime here
fn watch_for_the_end(group: Option<Pid>) {
    std::thread::spawn(move || {
        let mut nothing = [0; 64];
        let mut input = std::io::stdin();
        while !matches!(input.read(&mut nothing), Ok(0) | Err(_)) {}
        signal(group, Signal::TERM);
        std::thread::sleep(TERM_TO_KILL);
        signal(group, Signal::KILL);
    });
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // No such group: everything in it has ended already.
        let _ = kill_process_group(group, signal);
    }
}
