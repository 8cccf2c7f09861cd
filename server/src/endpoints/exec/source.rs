//! One run of a command.

use std::collections::VecDeque;
use std::process::Stdio;
use std::time::Duration;

use container::demux::InputFormat;
use futures_core::future::BoxFuture;
use hub::Publisher;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{GUARD_ARGUMENT, TERM_TO_KILL};
use crate::endpoint::Source;
use crate::error::SourceError;
use crate::ingest::Ingest;
use crate::net::notify;
use crate::telemetry::Throttle;

#[derive(Debug)]
pub(super) struct ExecSource {
    pub(super) command: String,
    pub(super) format: Option<InputFormat>,
}

/// The running program, even if its file was replaced by a newer one.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// Lines of standard error kept for the message of a failure.
const LAST_WORDS: usize = 3;
/// Lines of standard error logged each second; the rest is counted.
const LINES_PER_SECOND: usize = 10;
/// A longer line is cut: some programs write progress without ever ending a line.
const MAX_LINE: usize = 500;

impl Source for ExecSource {
    /// The program alone: arguments may hold passwords.
    fn label(&self) -> String {
        let program = self.command.split_whitespace().find(|word| !word.contains('=')).unwrap_or("?");
        format!("exec:{}", program.rsplit('/').next().unwrap_or(program))
    }

    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let name = publisher.stream().name().to_string();
            let mut child = self.start()?;
            let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
                return Err(SourceError::Ended("the command has no output".to_owned()));
            };
            let mut ingest = Ingest::new(publisher, self.format);
            let words = listen(stderr, &name);
            tokio::pin!(words);
            let label = self.label();
            let pump = ingest.pump(stdout, &label);
            tokio::pin!(pump);
            let mut last_words = None;
            let result = loop {
                tokio::select! {
                    result = &mut pump => break result,
                    // Standard error closed first; the picture may well go on.
                    said = &mut words, if last_words.is_none() => last_words = Some(said),
                    () = stop.cancelled() => {
                        end(&mut child).await;
                        return Ok(());
                    }
                }
            };
            if let Err(error) = result {
                // The camera must be free before it is tried again.
                end(&mut child).await;
                return Err(error);
            }
            let last_words = match last_words {
                Some(said) => said,
                None => tokio::time::timeout(Duration::from_millis(200), words).await.unwrap_or_default(),
            };
            let status = tokio::time::timeout(TERM_TO_KILL, child.wait()).await;
            let status = status.map_or_else(
                |_| "closed its output".to_owned(),
                |status| status.map_or_else(|e| e.to_string(), |s| format!("ended with {s}")),
            );
            let said: Vec<String> = last_words.into();
            let said = if said.is_empty() { String::new() } else { format!(": {}", said.join(" / ")) };
            Err(SourceError::Ended(format!("the command {status}{said}")))
        })
    }
}

impl ExecSource {
    fn start(&self) -> Result<Child, SourceError> {
        let mut command = Command::new(THIS_PROGRAM);
        // The service manager listens to us alone.
        for variable in notify::VARIABLES {
            command.env_remove(variable);
        }
        command
            .arg(GUARD_ARGUMENT)
            .arg(&self.command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at our terminal is ours to pass on, in order.
            .process_group(0)
            .spawn()
            .map_err(|e| SourceError::io("cannot start the command", e))
    }
}

/// Closes the guard's pipe, which ends the command, and waits for that.
async fn end(child: &mut Child) {
    drop(child.stdin.take());
    // The guard kills the group after `TERM_TO_KILL`; what it cannot kill, nobody can.
    let _ = tokio::time::timeout(TERM_TO_KILL + Duration::from_millis(500), child.wait()).await;
}

/// Logs what the command says and gives its last words when it has ended.
async fn listen(stderr: impl AsyncRead + Unpin, stream: &str) -> VecDeque<String> {
    let mut reader = BufReader::new(stderr);
    let mut last = VecDeque::new();
    let second = Throttle::new(Duration::from_secs(1));
    let mut left = 0;
    while let Some(line) = read_line(&mut reader).await {
        if line.is_empty() {
            continue;
        }
        if let Some(held) = second.allow() {
            left = LINES_PER_SECOND;
            let lines = held.unwrap_or(0).saturating_sub(LINES_PER_SECOND as u64);
            if lines > 0 {
                info!(stream, lines, "the command said more than is logged");
            }
        }
        if left > 0 {
            left -= 1;
            info!(stream, "command: {line}");
        }
        if last.len() == LAST_WORDS {
            last.pop_front();
        }
        last.push_back(line);
    }
    last
}

/// One line, cut at [`MAX_LINE`]; carriage returns end a line too, as progress displays use them.
async fn read_line(reader: &mut (impl AsyncBufReadExt + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    loop {
        let buffer = reader.fill_buf().await.ok()?;
        if buffer.is_empty() {
            return (!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned());
        }
        let end = buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let taken = end.unwrap_or(buffer.len());
        line.extend_from_slice(&buffer[..taken.min(MAX_LINE.saturating_sub(line.len()))]);
        let used = end.map_or(taken, |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Some(String::from_utf8_lossy(&line).trim().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_names_the_program_and_hides_its_arguments() {
        let label = |command: &str| ExecSource { command: command.to_owned(), format: None }.label();
        assert_eq!(label("/usr/bin/ffmpeg -i rtsp://user:secret@cam/ -f mpegts -"), "exec:ffmpeg");
        assert_eq!(label("TOKEN=secret rpicam-vid -t 0"), "exec:rpicam-vid");
    }

    #[tokio::test]
    async fn an_endless_line_is_cut() {
        let text = format!("{}\nnext\r\n", "x".repeat(10_000));
        let mut reader = BufReader::new(text.as_bytes());
        assert_eq!(read_line(&mut reader).await.unwrap().len(), MAX_LINE);
        assert_eq!(read_line(&mut reader).await.unwrap(), "next");
    }
}
