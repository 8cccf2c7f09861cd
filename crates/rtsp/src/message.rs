//! Requests and responses (RFC 2326 §4 to §7): a start line, headers, a body.

use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};

use crate::RtspError;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // RFC 2326 §10 has them
pub enum Method {
    Options,
    Describe,
    Announce,
    Setup,
    Play,
    Pause,
    Record,
    Teardown,
    GetParameter,
    SetParameter,
    /// REDIRECT, or none of the standard's.
    Other,
}

impl Method {
    const ALL: [Self; 10] = [
        Self::Options,
        Self::Describe,
        Self::Announce,
        Self::Setup,
        Self::Play,
        Self::Pause,
        Self::Record,
        Self::Teardown,
        Self::GetParameter,
        Self::SetParameter,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Options => "OPTIONS",
            Self::Describe => "DESCRIBE",
            Self::Announce => "ANNOUNCE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
            Self::Pause => "PAUSE",
            Self::Record => "RECORD",
            Self::Teardown => "TEARDOWN",
            Self::GetParameter => "GET_PARAMETER",
            Self::SetParameter => "SET_PARAMETER",
            Self::Other => "(other)",
        }
    }

    fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|method| method.name() == name).unwrap_or(Self::Other)
    }
}

/// Headers in their order; names are compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Adds one. What would end the line is left out.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        let mut value = value.into();
        value.retain(|c| c != '\r' && c != '\n');
        self.0.push((name.to_owned(), value));
    }

    fn parse<'l>(lines: impl Iterator<Item = &'l str>) -> Result<Self, RtspError> {
        let mut headers = Self::default();
        for line in lines.filter(|line| !line.is_empty()) {
            let Some((name, value)) = line.split_once(':') else {
                return Err(RtspError::Message {
                    problem: format!("a header without a colon: {:?}", shorten(line)),
                });
            };
            headers.0.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        Ok(headers)
    }

    fn write(&self, out: &mut String) {
        for (name, value) in &self.0 {
            // Writing to a string does not fail.
            let _ = write!(out, "{name}: {value}\r\n");
        }
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub method: Method,
    /// Of what.
    pub uri: String,
    /// More about it.
    pub headers: Headers,
    /// A description, mostly.
    pub body: Bytes,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// As HTTP's.
    pub status: u16,
    /// In words.
    pub reason: String,
    /// More about it.
    pub headers: Headers,
    /// A description, mostly.
    pub body: Bytes,
}

impl Request {
    /// Without headers and body.
    pub fn new(method: Method, uri: impl Into<String>) -> Self {
        Self { method, uri: uri.into(), headers: Headers::default(), body: Bytes::new() }
    }

    /// As it goes on the wire.
    pub fn write(&self, out: &mut BytesMut) {
        write(format!("{} {} RTSP/1.0\r\n", self.method.name(), self.uri), &self.headers, &self.body, out);
    }
}

impl Response {
    /// With the standard's words for its status.
    pub fn new(status: u16) -> Self {
        Self { status, reason: reason(status).to_owned(), headers: Headers::default(), body: Bytes::new() }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// With a body of this type.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.headers.add("Content-Type", content_type);
        self.body = body.into();
        self
    }

    /// Whether it says that the request was carried out.
    pub const fn is_success(&self) -> bool {
        self.status / 100 == 2
    }

    /// As it goes on the wire.
    pub fn write(&self, out: &mut BytesMut) {
        write(format!("RTSP/1.0 {} {}\r\n", self.status, self.reason), &self.headers, &self.body, out);
    }
}

/// A message's head, read; the body is still to come.
pub(crate) enum Head {
    Request(Request),
    Response(Response),
}

impl Head {
    /// Reads everything up to the empty line.
    pub(crate) fn parse(head: &str) -> Result<Self, RtspError> {
        let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let start = lines.next().unwrap_or_default();
        let wrong =
            |problem: &str| RtspError::Message { problem: format!("{problem}: {:?}", shorten(start)) };
        let mut words = start.splitn(3, ' ');
        let (first, second, third) = (words.next(), words.next(), words.next().unwrap_or_default());
        let (Some(first), Some(second)) = (first, second) else { return Err(wrong("no start line")) };
        let (headers, body) = (Headers::parse(lines)?, Bytes::new());
        if let Some(version) = first.strip_prefix("RTSP/") {
            if !version.starts_with("1.") {
                return Err(wrong("not of version 1.0"));
            }
            let status = second.parse().map_err(|_| wrong("a status that is no number"))?;
            return Ok(Self::Response(Response { status, reason: third.to_owned(), headers, body }));
        }
        if !third.starts_with("RTSP/1.") {
            return Err(wrong("not of version 1.0"));
        }
        Ok(Self::Request(Request { method: Method::parse(first), uri: second.to_owned(), headers, body }))
    }

    pub(crate) const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }
}

fn write(start: String, headers: &Headers, body: &Bytes, out: &mut BytesMut) {
    let mut head = start;
    headers.write(&mut head);
    if !body.is_empty() {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    out.put_slice(head.as_bytes());
    out.put_slice(body);
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        454 => "Session Not Found",
        455 => "Method Not Valid in This State",
        457 => "Invalid Range",
        459 => "Aggregate Operation Not Allowed",
        460 => "Only Aggregate Operation Allowed",
        461 => "Unsupported Transport",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Error",
    }
}
