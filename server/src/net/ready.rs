//! An answer that many get: made once, its head written out once, and sent to each without waiting.
//!
//! A write copies what it sends for each reader. So what is large, and was asked for a few times, is put into a file in memory once, and
//! `sendfile` sends that file's pages to everybody else. Where there can be none (no room, an old kernel, TLS) it is written.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{HeaderMap, Response, StatusCode};
use bytes::Bytes;
use rustix::fs::{MemfdFlags, memfd_create, sendfile};
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use tokio::net::TcpStream;

/// Writes the head of an answer with a body of so many bytes.
pub type WriteHead = fn(StatusCode, HeaderMap, usize) -> Vec<u8>;

/// An answer.
#[derive(Debug)]
pub struct Ready {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    written: OnceLock<Written>,
    asked: AtomicUsize,
    file: OnceLock<Option<File>>,
}

/// As it goes out.
#[derive(Debug)]
struct Written {
    /// The head, and a body that is small.
    first: Bytes,
    /// A body that is not.
    rest: Bytes,
}

impl Ready {
    /// This answer, for many.
    pub fn new(answer: Response<Bytes>) -> Self {
        let (head, body) = answer.into_parts();
        let (status, headers) = (head.status, head.headers);
        let asked = AtomicUsize::new(0);
        Self { status, headers, body, written: OnceLock::new(), asked, file: OnceLock::new() }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Sends as much as goes at once of what is behind the first `sent` bytes; gives how many have gone then, and whether that is all.
    ///
    /// # Errors
    /// `WouldBlock` if nothing goes; else the connection is broken.
    pub(super) fn send(&self, io: &TcpStream, sent: usize, head: WriteHead) -> io::Result<(usize, bool)> {
        let Written { first, rest } = self.written(head);
        let all = first.len() + rest.len();
        let now = if let Some(file) = self.file(sent, first, rest) {
            sendfile(io, file, Some(&mut (sent as u64)), all - sent)?
        } else if rest.is_empty() {
            send(io, &first[sent.min(first.len())..], FLAGS)?
        } else {
            let slices = self.slices(sent, head);
            sendmsg(io, &slices, &mut SendAncillaryBuffer::default(), FLAGS)?
        };
        if now == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok((sent + now, sent + now >= all))
    }

    /// What is behind the first `sent` bytes.
    pub(super) fn slices(&self, sent: usize, head: WriteHead) -> [IoSlice<'_>; 2] {
        let Written { first, rest } = self.written(head);
        let of_first = sent.min(first.len());
        let of_rest = (sent - of_first).min(rest.len());
        [IoSlice::new(&first[of_first..]), IoSlice::new(&rest[of_rest..])]
    }

    fn written(&self, head: WriteHead) -> &Written {
        self.written.get_or_init(|| {
            let mut first = head(self.status, self.headers.clone(), self.body.len());
            if self.body.len() >= LARGE {
                return Written { first: first.into(), rest: self.body.clone() };
            }
            first.extend_from_slice(&self.body);
            Written { first: first.into(), rest: Bytes::new() }
        })
    }

    /// The file that has all of it, if it is worth one.
    fn file(&self, sent: usize, first: &[u8], rest: &[u8]) -> Option<&File> {
        if !(LARGE..=LARGEST).contains(&rest.len()) {
            return None;
        }
        let asked = if sent == 0 { self.asked.fetch_add(1, Ordering::Relaxed) } else { 0 };
        if asked < WRITTEN && self.file.get().is_none() {
            return None;
        }
        self.file.get_or_init(|| in_memory(&[first, rest]).ok()).as_ref()
    }
}

/// A file that is nowhere but in memory, with these bytes.
fn in_memory(pieces: &[&[u8]]) -> io::Result<File> {
    let make = |flags| memfd_create("firstlight-answer", flags);
    // Kernels before 6.3 do not know that such a file can be one that is never run.
    let file = make(MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL).or_else(|_| make(MemfdFlags::CLOEXEC))?;
    let mut file = File::from(file);
    pieces.iter().try_for_each(|piece| file.write_all(piece))?;
    Ok(file)
}

const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
/// From this size on a body is not copied behind its head, and worth a file.
const LARGE: usize = 16 << 10;
/// Larger ones are few, and their files would be memory that no limit knows of.
const LARGEST: usize = 1 << 20;
/// So many are written before there is a file: it costs as much as three writes.
const WRITTEN: usize = 3;

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[allow(clippy::needless_pass_by_value)] // it stands in for one that takes them
    fn head(status: StatusCode, headers: HeaderMap, length: usize) -> Vec<u8> {
        format!("{} {} {length}\n", status.as_u16(), headers.len()).into_bytes()
    }

    #[tokio::test]
    async fn everybody_gets_the_same_bytes_however_they_are_sent_and_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for (length, files) in
            [(0, false), (100, false), (LARGE, true), (LARGEST, true), (LARGEST + 1, false)]
        {
            let body: Bytes = (0..length).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
            let ready = Ready::new(Response::new(body.clone()));
            let expected = [&head(StatusCode::OK, HeaderMap::new(), length)[..], &body[..]].concat();
            for _ in 0..=WRITTEN {
                let mut reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                let (io, _) = listener.accept().await.unwrap();
                let sending = async {
                    let (mut sent, mut whole) = (0, false);
                    while !whole {
                        match ready.send(&io, sent, head) {
                            Ok(now) => (sent, whole) = now,
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                                tokio::task::yield_now().await;
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                    drop(io);
                    sent
                };
                let mut read = Vec::new();
                let (sent, received) = tokio::join!(sending, reader.read_to_end(&mut read));
                received.unwrap();
                assert_eq!((sent, read == expected), (expected.len(), true), "{length}");
            }
            assert_eq!(ready.file.get().is_some(), files, "{length}");
        }
    }

    #[test]
    fn what_is_left_begins_where_the_sent_ends() {
        let ready = Ready::new(Response::new(Bytes::from(vec![7; LARGE])));
        let head_length = head(StatusCode::OK, HeaderMap::new(), LARGE).len();
        for sent in [0, 1, head_length, head_length + 1, head_length + LARGE] {
            let left: usize = ready.slices(sent, head).iter().map(|slice| slice.len()).sum();
            assert_eq!(left, head_length + LARGE - sent);
        }
    }
}
