//! One viewer of moving JPEGs: a body of parts (RFC 2046 §5.1), each replacing the last.
//!
//! The boundary is sent right behind each picture rather than before the next: browsers show a part when they see its end.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pictures::Pictures;
use crate::net::connection::Connection;
use crate::net::transport::Socket;
use crate::supervise::audience::Admission;

/// Of the answer.
pub(super) const CONTENT_TYPE: &str = "multipart/x-mixed-replace; boundary=picture";
const FIRST: &[u8] = b"--picture\r\n";
const NEXT: &[u8] = b"\r\n--picture\r\n";
const LAST: &[u8] = b"\r\n--picture--\r\n";

/// Somebody who watches.
pub(super) struct Viewer {
    pub(super) pictures: Pictures,
    pub(super) fps: f32,
    pub(super) send_timeout: Duration,
    pub(super) stop: CancellationToken,
    pub(super) admission: Admission,
}

impl Viewer {
    /// Sends pictures until either side ends.
    pub(super) async fn run(mut self, connection: Connection) {
        let Connection { io, permit: _permit, .. } = connection;
        let io = io.into_socket();
        let (stop, door) = (self.stop.clone(), self.admission.door().clone());
        // A connection that breaks has nobody left to tell.
        tokio::select! {
            _ = self.show(&io) => {}
            () = gone(&io) => {}
            () = door.cancelled() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn show(&mut self, io: &Socket) -> io::Result<()> {
        let distance = Duration::from_secs_f32(1.0 / self.fps);
        let mut due = Instant::now() + distance;
        let mut served = false;
        self.send(io, Bytes::from_static(FIRST)).await?;
        loop {
            tokio::time::sleep_until(due - distance.mul_f32(EARLY)).await;
            let Some(picture) = self.pictures.next().await else {
                return self.send(io, Bytes::from_static(&LAST[2..])).await;
            };
            // In step while pictures come as they should, begun anew after a gap.
            due = due.max(Instant::now() - distance) + distance;
            let head = format!("Content-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len());
            self.send(io, Bytes::from(head).chain(picture).chain(NEXT)).await?;
            if !served {
                served = true;
                self.admission.served();
            }
        }
    }

    /// Writes all of it, as long as any of it goes out within the timeout.
    async fn send(&self, io: &Socket, mut rest: impl Buf) -> io::Result<()> {
        while rest.has_remaining() {
            let mut slices = [io::IoSlice::new(&[]); 3];
            let filled = rest.chunks_vectored(&mut slices);
            match io.try_write_vectored(&slices[..filled]) {
                Ok(written) => rest.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::timeout(self.send_timeout, io.writable()).await??;
                }
                Err(error) => return Err(error),
            }
        }
        while let Err(error) = io.try_flush() {
            if error.kind() != io::ErrorKind::WouldBlock {
                return Err(error);
            }
            tokio::time::timeout(self.send_timeout, io.writable()).await??;
        }
        Ok(())
    }
}

/// Until the viewer has closed the connection; what it says is not heard.
async fn gone(io: &Socket) {
    let mut heard = [0; 1_024];
    loop {
        if poll_fn(|context| io.poll_read_ready(context)).await.is_err() {
            return;
        }
        match io.try_read(&mut heard) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// What part of the distance a picture may come before its time: where viewer and camera go at the same pace, each is a little early or late.
const EARLY: f32 = 0.25;
