//! Watching without reading.
//!
//! Who takes one picture now and then reads no stream, but its source must be on, and must see that somebody came.

use std::sync::Arc;

use crate::Stream;

/// Counts as somebody who watches, as long as it lives.
#[derive(Debug)]
pub struct Hold {
    stream: Arc<Stream>,
}

impl Hold {
    pub(crate) fn new(stream: Arc<Stream>) -> Self {
        stream.held(true);
        Self { stream }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.stream.held(false);
    }
}
