//! A camera with a way of its own: a server that does all as RTSP says, and before it somebody who changes what is said.

use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rtsp::{Item, Method, Reader, Request, Response};

type Asked = dyn Fn(&mut Request) -> Option<Response> + Send + Sync;
type Answered = dyn Fn(Method, &mut String, &mut String) + Send + Sync;
type Sent = dyn Fn(&mut u8, &mut Vec<u8>) -> bool + Send + Sync;

/// What is odd about it.
#[derive(Default)]
pub struct Oddity {
    asked: Option<Box<Asked>>,
    answered: Option<Box<Answered>>,
    sent: Option<Box<Sent>>,
}

/// The camera; it is gone when it is dropped.
#[derive(Debug)]
pub struct OddCamera {
    address: SocketAddr,
    common: Arc<Common>,
}

#[derive(Debug)]
struct Common {
    server: SocketAddr,
    oddity: Oddity,
    requests: Mutex<Vec<String>>,
    over: AtomicBool,
}

impl Oddity {
    /// Some requests it answers so; others it may take for something else.
    #[must_use]
    pub fn answers(self, asked: impl Fn(&mut Request) -> Option<Response> + Send + Sync + 'static) -> Self {
        Self { asked: Some(Box::new(asked)), ..self }
    }

    /// It refuses these with this status.
    #[must_use]
    pub fn refuses(self, status: u16, which: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.answers(move |request| which(request).then(|| Response::new(status)))
    }

    /// Its answers are changed so: to a request of this method, the head without its last lines' end, and the body.
    #[must_use]
    pub fn says(self, answered: impl Fn(Method, &mut String, &mut String) + Send + Sync + 'static) -> Self {
        Self { answered: Some(Box::new(answered)), ..self }
    }

    /// Its packets are changed so, channel and bytes; `false` keeps one back.
    #[must_use]
    pub fn sends(self, sent: impl Fn(&mut u8, &mut Vec<u8>) -> bool + Send + Sync + 'static) -> Self {
        Self { sent: Some(Box::new(sent)), ..self }
    }
}

impl fmt::Debug for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oddity").finish_non_exhaustive()
    }
}

impl OddCamera {
    /// Of a server that is not odd.
    pub fn of(server: SocketAddr, oddity: Oddity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let common =
            Arc::new(Common { server, oddity, requests: Mutex::default(), over: AtomicBool::new(false) });
        let shared = Arc::clone(&common);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect(shared.server) else { return };
                connect(&shared, client, server);
            }
        });
        Self { address, common }
    }

    /// The URL of a stream of it.
    pub fn url(&self, name: &str) -> String {
        format!("rtsp://{}/{name}", self.address)
    }

    /// What it was asked, as `SETUP rtsp://…`, in order; interleaved packets that came to it as `DATA`.
    pub fn requests(&self) -> Vec<String> {
        self.common.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for OddCamera {
    fn drop(&mut self) {
        self.common.over.store(true, Ordering::Relaxed);
        // Wakes whoever accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn connect(common: &Arc<Common>, client: TcpStream, server: TcpStream) {
    let (from_client, to_server) = (client.try_clone(), server.try_clone());
    let (Ok(from_client), Ok(mut to_server)) = (from_client, to_server) else { return };
    // What a number was asked for.
    let methods: Arc<Mutex<HashMap<String, Method>>> = Arc::default();
    let to_client = Arc::new(Mutex::new(client));
    let (asked, shared, answering) = (Arc::clone(&methods), Arc::clone(common), Arc::clone(&to_client));
    thread::spawn(move || {
        read(from_client, |item| {
            let mut requests = shared.requests.lock().unwrap_or_else(PoisonError::into_inner);
            let Item::Request(mut request) = item else {
                requests.push("DATA".to_owned());
                return true;
            };
            requests.push(format!("{} {}", request.method.name(), request.uri));
            drop(requests);
            let number = request.headers.get("CSeq").unwrap_or_default().to_owned();
            let mut bytes = bytes::BytesMut::new();
            if let Some(answer) = shared.oddity.asked.as_ref().and_then(|asked| asked(&mut request)) {
                answer.with("CSeq", number).write(&mut bytes);
                return write(&answering, &bytes);
            }
            asked.lock().unwrap_or_else(PoisonError::into_inner).insert(number, request.method);
            request.write(&mut bytes);
            to_server.write_all(&bytes).is_ok()
        });
        let _ = to_server.shutdown(std::net::Shutdown::Both);
    });
    let shared = Arc::clone(common);
    thread::spawn(move || {
        read(server, |item| match item {
            Item::Data(mut channel, bytes) => {
                let mut bytes = bytes.to_vec();
                if shared.oddity.sent.as_ref().is_some_and(|sent| !sent(&mut channel, &mut bytes)) {
                    return true;
                }
                let length = u16::try_from(bytes.len()).expect("a packet stays one").to_be_bytes();
                write(&to_client, &[&[b'$', channel], &length[..], &bytes].concat())
            }
            Item::Response(response) => {
                let number = response.headers.get("CSeq").unwrap_or_default();
                let method = methods.lock().unwrap_or_else(PoisonError::into_inner).remove(number);
                write(&to_client, changed(&response, method, &shared.oddity).as_bytes())
            }
            Item::Request(_) => true,
        });
        let _ = to_client.lock().unwrap_or_else(PoisonError::into_inner).shutdown(std::net::Shutdown::Both);
    });
}

/// Gives each item to `take` until it has enough, or nothing more comes.
fn read(mut from: TcpStream, mut take: impl FnMut(Item) -> bool) {
    let (mut reader, mut buffer) = (Reader::default(), [0; 16_384]);
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        reader.push(&buffer[..length]);
        while let Some(item) = reader.pull().expect("both sides speak RTSP") {
            if !take(item) {
                return;
            }
        }
    }
}

fn write(to: &Mutex<TcpStream>, bytes: &[u8]) -> bool {
    to.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes).is_ok()
}

fn changed(response: &Response, method: Option<Method>, oddity: &Oddity) -> String {
    let mut bytes = bytes::BytesMut::new();
    response.write(&mut bytes);
    let text = String::from_utf8(bytes.to_vec()).expect("an answer is text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head ends with an empty line");
    let of_length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length:");
    let mut head = head.split("\r\n").filter(|line| !of_length(line)).collect::<Vec<_>>().join("\r\n");
    let mut body = body.to_owned();
    if let (Some(answered), Some(method)) = (&oddity.answered, method) {
        answered(method, &mut head, &mut body);
    }
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
