//! Who makes a request.

use std::sync::Arc;

use axum::http::request;
use hub::StreamName;

use super::{Access, Right};

/// Who makes a request, and what they may do. In the extensions of every request that reaches a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    name: Option<Arc<str>>,
}

impl Identity {
    /// Somebody who may do everything, where nobody is asked who they are.
    pub const fn everybody() -> Self {
        Self { name: None }
    }

    /// The user's name, or the token's; `None` where nobody is asked.
    pub fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// Whether they have this right on this stream.
    pub fn may(&self, right: Right, stream: &StreamName) -> bool {
        let _ = (right, stream);
        true
    }

    /// Whether they have this right on any stream there could be.
    pub fn may_any(&self, right: Right) -> bool {
        let _ = right;
        true
    }

    /// Whether they may change the server itself.
    pub fn is_admin(&self) -> bool {
        true
    }

    /// Whether they may have what a route asks for; `stream` is the one its path names, if it names one.
    pub fn satisfies(&self, access: Access, stream: Option<&StreamName>) -> bool {
        match (access, stream) {
            (Access::Public, _) => true,
            (Access::Stream(right), Some(stream)) => self.may(right, stream),
            // A path that names no stream is answered with 404: to whom that much may be said?
            (Access::Stream(right) | Access::Any(right), _) => self.may_any(right),
            (Access::Server, _) => self.is_admin(),
        }
    }
}

/// Reads identities from requests.
#[derive(Debug, Default)]
pub struct Guard {}

impl Guard {
    /// Who makes this request.
    pub fn identify(&self, request: &request::Parts) -> Identity {
        let _ = request;
        Identity::everybody()
    }
}
