//! What is kept of one stream: its newest keyframe as a picture, and the files made of it.
//!
//! Invariant: all of it is of the one keyframe of the one stream it says. It holds the stream by no more than a name on it, so that a
//! stream that was removed is gone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use encode::Picture;
use hub::Stream;
use media::{AccessUnit, Codec, Wallclock};

use super::{Encoding, Size, Still, StillError};

/// Files of one picture that are kept: sizes that pages ask for are few.
const FILES: usize = 8;

#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) kept: tokio::sync::Mutex<Kept>,
    touched: Mutex<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The stream and the keyframe's number in it.
    of: Option<(Weak<Stream>, u64)>,
    picture: Option<Result<Arc<Picture>, String>>,
    /// As it came, if that is a file already.
    pub(super) file: Option<Bytes>,
    captured: Option<Wallclock>,
    arrival: Option<Instant>,
    files: VecDeque<((Size, Encoding), Arc<Still>)>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { kept: tokio::sync::Mutex::default(), touched: Mutex::new(Instant::now()) }
    }
}

impl Shelf {
    pub(super) fn touch(&self) {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(super) fn untouched(&self) -> Duration {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

impl Kept {
    pub(super) fn is_of(&self, stream: &Arc<Stream>, number: u64) -> bool {
        self.of.as_ref().is_some_and(|(known, at)| *at == number && known.as_ptr() == Arc::as_ptr(stream))
    }

    /// Another keyframe; one that could not be decoded is remembered too, so that it is not tried again.
    pub(super) fn renew(
        &mut self,
        stream: &Arc<Stream>,
        number: u64,
        decoded: Result<(Picture, AccessUnit), String>,
    ) {
        self.of = Some((Arc::downgrade(stream), number));
        self.files.clear();
        self.file = None;
        match decoded {
            Ok((picture, unit)) => {
                self.picture = Some(Ok(Arc::new(picture)));
                (self.captured, self.arrival) = (unit.captured, Some(unit.arrival));
                self.file = (unit.track.parameters.codec() == Codec::Jpeg).then_some(unit.data);
            }
            Err(reason) => self.picture = Some(Err(reason)),
        }
    }

    pub(super) fn picture(&self) -> Result<(Arc<Picture>, Option<Wallclock>, Instant), StillError> {
        match &self.picture {
            Some(Ok(picture)) => {
                Ok((Arc::clone(picture), self.captured, self.arrival.unwrap_or_else(Instant::now)))
            }
            Some(Err(reason)) => Err(StillError::Undecodable(reason.clone())),
            None => Err(StillError::NoPicture),
        }
    }

    pub(super) fn find(&self, size: Size, encoding: Encoding) -> Option<Arc<Still>> {
        let found = self.files.iter().find(|(key, _)| *key == (size, encoding));
        found.map(|(_, still)| Arc::clone(still))
    }

    pub(super) fn keep(&mut self, size: Size, encoding: Encoding, still: Arc<Still>) {
        if self.files.len() >= FILES {
            self.files.pop_front();
        }
        self.files.push_back(((size, encoding), still));
    }
}
