//! What a route asks of whoever calls it.

/// What somebody may do with a stream; a pattern of names says with which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// See and hear it.
    View,
    /// Be its camera.
    Publish,
    /// Say something to it: drive a robot.
    Control,
    /// Change and remove it; on all streams: change the server.
    Admin,
}

impl Right {
    /// As the configuration and the API write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Publish => "publish",
            Self::Control => "control",
            Self::Admin => "admin",
        }
    }
}

/// What a request must be allowed to do before its handler is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: the answer holds nothing of any stream.
    Public,
    /// This right on the stream that the path names, whether there is such a stream or not.
    Stream(Right),
    /// One of these two rights on that stream.
    Either(Right, Right),
    /// This right on one stream at least. The handler shows no other.
    Any(Right),
    /// One of these rights on one stream at least. The handler asks for what it does by which.
    AnyOf(&'static [Right]),
    /// [`Right::Admin`] on every stream.
    Server,
    /// The right to read what is counted, which tells of every stream but shows none.
    Metrics,
}
