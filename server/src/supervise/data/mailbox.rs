//! What waits for one party: bounded, whatever is said and however slowly it is read.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::config::data::Delivery;

/// So many messages may wait.
pub(super) const MOST: usize = 256;
/// So many bytes of them.
pub(super) const BYTES_MOST: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Mailbox {
    delivery: Delivery,
    inside: Mutex<Inside>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    messages: VecDeque<Bytes>,
    bytes: usize,
    /// Something did not fit: nothing is taken out any more.
    is_over: bool,
}

impl Mailbox {
    pub(super) fn new(delivery: Delivery) -> Self {
        Self { delivery, inside: Mutex::default(), filled: Notify::new() }
    }

    pub(super) fn put(&self, message: Bytes) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if self.delivery == Delivery::Newest {
            inside.messages.clear();
            inside.bytes = 0;
        }
        inside.bytes += message.len();
        inside.messages.push_back(message);
        if inside.messages.len() > MOST || inside.bytes > BYTES_MOST {
            *inside = Inside { is_over: true, ..Inside::default() };
        } else if inside.is_over {
            inside.messages.clear();
        }
        drop(inside);
        self.filled.notify_one();
    }

    /// The next message; `None` if some did not fit. Cancel-safe.
    pub(super) async fn take(&self) -> Option<Bytes> {
        loop {
            {
                let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
                if inside.is_over {
                    return None;
                }
                if let Some(message) = inside.messages.pop_front() {
                    inside.bytes -= message.len();
                    return Some(message);
                }
            }
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_reads_slowly_gets_the_newest_or_is_given_up() {
        let newest = Mailbox::new(Delivery::Newest);
        let reliable = Mailbox::new(Delivery::Reliable);
        for number in 0..MOST {
            newest.put(number.to_string().into());
            reliable.put(number.to_string().into());
        }
        assert_eq!(newest.take().await.unwrap(), (MOST - 1).to_string());
        assert_eq!(reliable.take().await.unwrap(), "0");
        reliable.put("fits".into());
        reliable.put("does not".into());
        assert_eq!(reliable.take().await, None);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_bytes() {
        let mailbox = Mailbox::new(Delivery::Reliable);
        for _ in 0..17 {
            mailbox.put(vec![b'x'; 64 * 1_024].into());
        }
        assert_eq!(mailbox.take().await, None);
    }
}
