//! Asking another server for something by HTTP or HTTPS: one request a connection, a bounded answer, a bounded time.
//!
//! How it is reached, and how it proves who it is: see `dial`. Redirects are not followed: whoever names an address means it.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use axum::http::uri::Scheme;
use axum::http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use thiserror::Error;

use super::dial::{Dialer, Line, Trust};

/// Where something is asked for: `http` or `https`, and a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    host: String,
    port: u16,
    tls: bool,
}

/// What was answered with 200.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The head's fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Who asks.
pub const AGENT: &str = concat!("firstlight/", env!("CARGO_PKG_VERSION"));

/// Asks.
#[derive(Clone)]
pub struct Client {
    secure: Dialer,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum FetchError {
    /// It cannot be reached, or the connection broke; also a certificate that proves nothing.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What it says is no HTTP.
    #[error("{}", crate::error::chain(.0))]
    Http(#[from] hyper::Error),
    /// It answered something else.
    #[error("it answers {0}")]
    Status(u16),
    /// The body is longer than was asked for, or broke off.
    #[error("its answer is longer than {0} bytes, or broke off")]
    Body(usize),
    /// It took too long.
    #[error("it does not answer within {} s", .0.as_secs())]
    Late(Duration),
}

impl Address {
    /// Whether what is asked and answered can be read and changed on the way: no TLS, and not on this machine alone.
    pub fn is_exposed(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let loopback =
            bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        !self.tls && !loopback
    }
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no address: write it as \"https://host/path\"");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(wrong());
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let host = authority.host().to_owned();
        Ok(Self { uri, host, port, tls })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl Client {
    /// Believes the authorities of a PEM file, or those of the system.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn new(authorities: Option<&Path>) -> Result<Self, String> {
        Ok(Self {
            secure: Dialer::secure(&authorities.map_or(Trust::System, |path| Trust::File(path.to_owned())))?,
        })
    }

    /// Reaches other servers so.
    pub const fn over(secure: Dialer) -> Self {
        Self { secure }
    }

    /// Asks for what is at an address: an answer of at most so many bytes, whole within this time.
    ///
    /// # Errors
    /// [`FetchError`], in words about the other server.
    pub async fn get(&self, address: &Address, most: usize, limit: Duration) -> Result<Answer, FetchError> {
        let request = Request::get("/").header(header::ACCEPT, "application/json, */*;q=0.5");
        let request = request.body(Bytes::new()).map_err(io::Error::other)?;
        let (head, body) = self.send(address, request, most, limit).await?.into_parts();
        if head.status != 200 {
            return Err(FetchError::Status(head.status.as_u16()));
        }
        Ok(Answer { headers: head.headers, body })
    }

    /// Sends a request to an address, whatever address it names itself, and gives the answer, whatever its status.
    ///
    /// # Errors
    /// [`FetchError`], in words about the other server.
    pub async fn send(
        &self,
        address: &Address,
        mut request: Request<Bytes>,
        most: usize,
        limit: Duration,
    ) -> Result<Response<Bytes>, FetchError> {
        let path = address.uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().map_err(io::Error::other)?;
        let authority = address.uri.authority().map_or("", |authority| authority.as_str());
        let host = HeaderValue::from_str(authority).map_err(io::Error::other)?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, host);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let asked = async {
            let host = address.host.trim_start_matches('[').trim_end_matches(']');
            let dialer = if address.tls { &self.secure } else { &Dialer::PLAIN };
            exchange(dialer.dial(host, address.port, limit).await?, request, most).await
        };
        tokio::time::timeout(limit, asked).await.unwrap_or(Err(FetchError::Late(limit)))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(…)")
    }
}

async fn exchange(io: Line, request: Request<Bytes>, most: usize) -> Result<Response<Bytes>, FetchError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await?;
    let ask = async {
        let (head, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
        let body = Limited::new(body, most).collect().await.map_err(|_| FetchError::Body(most))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    tokio::pin!(ask, connection);
    tokio::select! {
        answer = &mut ask => answer,
        // What was read before the connection ended is still to be taken.
        ended = &mut connection => match ended {
            Ok(()) => ask.await,
            Err(error) => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn address(text: &str) -> Result<Address, String> {
        text.parse()
    }

    #[test]
    fn an_address_has_a_scheme_and_a_host_and_no_password() {
        let plain = address("http://id.example/keys?x=1").unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.tls), ("id.example", 80, false));
        let own = address("https://[::1]:8443").unwrap();
        assert_eq!((own.host.as_str(), own.port, own.tls), ("[::1]", 8443, true));
        for wrong in ["", "id.example/keys", "ftp://id.example", "https://", "https://a:b@id.example/", "/x"]
        {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_this_machine_may_be_asked_without_tls() {
        for (text, exposed) in [
            ("http://id.example/", true),
            ("https://id.example/", false),
            ("http://127.0.0.1:1/", false),
            ("http://[::1]/", false),
            ("http://localhost/", false),
        ] {
            assert_eq!(address(text).unwrap().is_exposed(), exposed, "{text}");
        }
    }

    /// Answers one request with these bytes.
    async fn answered(bytes: &'static [u8], most: usize) -> Result<Answer, FetchError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = address(&format!("http://{}/keys", listener.local_addr().unwrap())).unwrap();
        let serve = async {
            let (mut io, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"\r\n\r\n") {
                heard.push(io.read_u8().await.unwrap());
            }
            assert!(heard.starts_with(b"GET /keys HTTP/1.1\r\n"));
            io.write_all(bytes).await.unwrap();
        };
        let client = Client::new(None).unwrap();
        let asked = client.get(&address, most, Duration::from_secs(20));
        tokio::join!(serve, asked).1
    }

    #[tokio::test]
    async fn an_answer_is_taken_whole_or_refused_with_the_reason() {
        let answer = answered(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=5\r\n\r\n{}", 10).await.unwrap();
        assert_eq!((&answer.body[..], answer.headers.len()), (&b"{}"[..], 1));
        let long = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890", 10).await;
        assert!(matches!(long, Err(FetchError::Body(10))), "{long:?}");
        let cut = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n012", 10).await;
        assert!(cut.is_err(), "{cut:?}");
        let moved =
            answered(b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", 10).await;
        assert!(matches!(moved, Err(FetchError::Status(302))), "{moved:?}");
        assert!(answered(b"SSH-2.0-x\r\n\r\n", 10).await.is_err());
    }
}
