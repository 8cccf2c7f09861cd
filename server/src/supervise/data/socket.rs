//! A robot's program on this machine: a Unix socket, one JSON value a line, both ways.
//!
//! Who may connect says the file system: the socket is for its owner and its group.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hub::StreamName;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Exchange, MESSAGE_MOST, Side};
use crate::supervise::tasks::Tasks;

/// Listens until `stop`; the file goes with it.
pub(super) async fn listen(
    exchange: Arc<Exchange>,
    path: PathBuf,
    stream: StreamName,
    tasks: Tasks,
    stop: CancellationToken,
) {
    let Some(listener) = patiently(&path, &stream, &stop).await else { return };
    info!(%stream, socket = %path.display(), "a robot's program may connect");
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((robot, _)) => {
                let (exchange, stream, stop) = (Arc::clone(&exchange), stream.clone(), stop.clone());
                tasks.spawn("robot", async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        ended = converse(&exchange, robot) => if let Err(error) = ended {
                            warn!(%stream, %error, "a robot's program was given up");
                        }
                    }
                });
            }
            // Out of files, mostly: they come back.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    // Gone already is as good.
    let _ = std::fs::remove_file(&path);
}

/// Until there is a socket, or `stop`: what had it before may be about to end.
async fn patiently(path: &Path, stream: &StreamName, stop: &CancellationToken) -> Option<UnixListener> {
    let mut failures = 0u32;
    loop {
        match bind(path) {
            Ok(listener) => return Some(listener),
            Err(error) => {
                failures += 1;
                if failures == NEWS {
                    warn!(%stream, socket = %path.display(), %error, "a robot's program cannot connect: no socket");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// A socket that a server left behind when it was killed is taken away; one that somebody listens on is not, and no other file.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path).is_err()
    {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

async fn converse(exchange: &Arc<Exchange>, robot: UnixStream) -> io::Result<()> {
    let party = exchange.join(Side::Robot, None);
    let (reading, mut writing) = robot.into_split();
    let said = async {
        // One byte more than a line may have: so one that is too long shows.
        let mut reading = BufReader::new(reading);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut reading).take(MESSAGE_MOST as u64 + 1).read_until(b'\n', &mut line).await?;
            if read == 0 {
                return Ok(());
            }
            let text =
                std::str::from_utf8(&line).map_err(|_| io::Error::other("a line that is not UTF-8"))?;
            if !text.trim().is_empty() {
                party.say(text.trim()).map_err(io::Error::other)?;
            }
        }
    };
    let heard = async {
        while let Some(message) = party.hear().await {
            let line = [&message[..], b"\n"].concat();
            tokio::time::timeout(STALLED, writing.write_all(&line)).await??;
        }
        Err(io::Error::other("it does not read what it is told"))
    };
    tokio::select! {
        ended = said => ended,
        ended = heard => ended,
    }
}

const PAUSE: Duration = Duration::from_millis(100);
/// So many failures in a row are no accident.
const NEWS: u32 = 10;
/// So long a message may take to be read.
const STALLED: Duration = Duration::from_secs(10);
