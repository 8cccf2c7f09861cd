//! Somebody between who calls by WHIP or WHEP and the server, who changes what that answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::http;

type Changes = dyn Fn(String) -> String + Send + Sync;

/// In front of a server of HTTP, for as long as the test runs.
#[derive(Debug)]
pub struct GoBetween {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl GoBetween {
    /// Stands in front of this one, and changes the bodies of its answers.
    pub fn of(server: SocketAddr, changes: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let (changes, requests): (Arc<Changes>, Arc<Mutex<Vec<String>>>) =
            (Arc::new(changes), Arc::default());
        let heard = Arc::clone(&requests);
        thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                let (changes, heard) = (Arc::clone(&changes), Arc::clone(&heard));
                thread::spawn(move || pass(caller, server, &*changes, &heard));
            }
        });
        Self { address, requests }
    }

    /// Where it is called.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bodies of the requests that came.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("nobody panics").clone()
    }
}

/// Passes on one request; a caller who says none is nobody.
fn pass(
    mut caller: TcpStream,
    server: SocketAddr,
    changes: &Changes,
    heard: &Mutex<Vec<String>>,
) -> Option<()> {
    let (mut read, mut buffer) = (Vec::new(), [0; 16_384]);
    let (head, start, length) = loop {
        let count = caller.read(&mut buffer).ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&buffer[..count]);
        let Some(end) = read.windows(4).position(|at| at == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        break (head, end + 4, length.unwrap_or(0));
    };
    while read.len() < start + length {
        let count = caller.read(&mut buffer).ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&buffer[..count]);
    }
    heard.lock().expect("nobody panics").push(String::from_utf8_lossy(&read[start..]).into_owned());
    let mut words = head.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let headers = [("Content-Type", "application/sdp")];
    let answer = http::request(server, method, path, &headers, &read[start..start + length]);
    let body = changes(answer.body.clone());
    let location = answer.header("location").map(|at| format!("Location: {at}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} x\r\n{location}Content-Type: application/sdp\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.status,
        body.len()
    );
    caller.write_all((head + &body).as_bytes()).ok()
}
