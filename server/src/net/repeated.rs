//! What will be asked for again and again on the same connection.

use std::fmt;
use std::sync::Arc;

use super::held::Held;
use super::ready::Ready;

/// In the extensions of an answer: whoever asked for this asks for its like ten times a second, as a player of HLS does. Such a connection is
/// served with less ceremony (`http/again.rs`).
#[derive(Clone)]
pub struct Repeated {
    /// Where the like is found for a request with the very same header lines; `None` where each is to be judged by itself.
    pub like: Option<Arc<dyn Like>>,
}

/// Finds answers for one caller, on one connection.
///
/// It stands for a judgement that was made: whoever gives it looks at each request whether the caller still may have what they ask for,
/// and knows nothing more after a while, so that all of it is judged anew.
pub trait Like: Send + Sync {
    /// The answer to `GET target`. What comes is given to `held`, which waits for it from here on.
    fn find(&self, target: &str, held: &Arc<Held>) -> Found;
}

/// What a request leads to.
#[derive(Debug)]
pub enum Found {
    /// An answer.
    Ready(Arc<Ready>),
    /// It is being waited for.
    Held,
    /// Nothing that is known here: it is to be asked for as anything is.
    Unknown,
}

impl fmt::Debug for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeated").field("like", &self.like.is_some()).finish()
    }
}
