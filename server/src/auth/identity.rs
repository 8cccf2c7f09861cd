//! Who makes a request.

use std::sync::Arc;

use hub::StreamName;

use super::policy::Holder;
use super::{Access, Right, Rights};

/// Who makes a request, and what they may do. In the extensions of every request that reaches a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    standing: Standing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// Nobody is asked who they are, and everybody may do everything.
    Everybody,
    /// Nobody said who they are; they may do what everybody may.
    Stranger(Arc<Rights>),
    /// Somebody we know.
    Known { name: Arc<str>, rights: Arc<Rights>, holder: Option<Holder> },
    /// They said something that is not believed, so they may do nothing.
    Disbelieved(Disbelief),
}

/// Why credentials are worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disbelief {
    /// No such user, password or token.
    Wrong,
    /// A link or a token whose time is over.
    Expired,
    /// A browser sent them for a page of another server.
    Foreign,
}

impl Identity {
    /// Somebody who may do everything, where nobody is asked who they are.
    pub const fn everybody() -> Self {
        Self { standing: Standing::Everybody }
    }

    /// Somebody who did not say who they are.
    pub const fn stranger(rights: Arc<Rights>) -> Self {
        Self { standing: Standing::Stranger(rights) }
    }

    /// Somebody with a name, once and for all.
    pub const fn known(name: Arc<str>, rights: Arc<Rights>) -> Self {
        Self { standing: Standing::Known { name, rights, holder: None } }
    }

    /// Somebody who is known by credentials that may be good no longer some day.
    pub(super) const fn held(name: Arc<str>, rights: Arc<Rights>, holder: Holder) -> Self {
        Self { standing: Standing::Known { name, rights, holder: Some(holder) } }
    }

    /// Whose credentials they are known by.
    pub(super) const fn holder(&self) -> Option<&Holder> {
        match &self.standing {
            Standing::Known { holder, .. } => holder.as_ref(),
            Standing::Everybody | Standing::Stranger(_) | Standing::Disbelieved(_) => None,
        }
    }

    /// Whether they did not say who they are.
    pub(super) const fn is_stranger(&self) -> bool {
        matches!(self.standing, Standing::Stranger(_))
    }

    /// Somebody who is not who they say.
    pub const fn disbelieved(why: Disbelief) -> Self {
        Self { standing: Standing::Disbelieved(why) }
    }

    /// The user's name, or the token's; `None` where nobody is asked, or did not say.
    pub fn name(&self) -> Option<&Arc<str>> {
        match &self.standing {
            Standing::Known { name, .. } => Some(name),
            Standing::Everybody | Standing::Stranger(_) | Standing::Disbelieved(_) => None,
        }
    }

    /// Whether credentials were given that are worth nothing, and why.
    pub fn disbelief(&self) -> Option<Disbelief> {
        match self.standing {
            Standing::Disbelieved(why) => Some(why),
            Standing::Everybody | Standing::Stranger(_) | Standing::Known { .. } => None,
        }
    }

    /// Whether nobody is asked who they are.
    pub fn is_everybody(&self) -> bool {
        self.standing == Standing::Everybody
    }

    /// What they may do; `None` where nobody is asked.
    pub fn rights(&self) -> Option<&Rights> {
        match &self.standing {
            Standing::Stranger(rights) | Standing::Known { rights, .. } => Some(rights),
            Standing::Everybody | Standing::Disbelieved(_) => None,
        }
    }

    /// Whether they have this right on this stream.
    pub fn may(&self, right: Right, stream: &StreamName) -> bool {
        self.holds(|rights| rights.on(right, stream))
    }

    /// Whether they have this right on any stream there could be.
    pub fn may_any(&self, right: Right) -> bool {
        self.holds(|rights| rights.on_any(right))
    }

    /// Whether they may change the server itself.
    pub fn is_admin(&self) -> bool {
        self.holds(|rights| rights.on_all(Right::Admin))
    }

    /// Whether they may read what is counted of all streams.
    pub fn may_read_metrics(&self) -> bool {
        self.holds(Rights::to_metrics)
    }

    /// Whether they may have what a route asks for; `stream` is the one its path names, if it names one.
    pub fn satisfies(&self, access: Access, stream: Option<&StreamName>) -> bool {
        match (access, stream) {
            (Access::Public, _) => true,
            (Access::Stream(right), Some(stream)) => self.may(right, stream),
            // A path that names no stream that there is gets 404, and who may hear that? Those who may see every stream.
            (Access::Stream(right), None) => self.holds(|rights| rights.on_all(right)),
            (Access::Either(one, other), stream) => {
                self.satisfies(Access::Stream(one), stream) || self.satisfies(Access::Stream(other), stream)
            }
            (Access::Any(right), _) => self.may_any(right),
            (Access::AnyOf(rights), _) => rights.iter().any(|right| self.may_any(*right)),
            (Access::Server, _) => self.is_admin(),
            (Access::Metrics, _) => self.may_read_metrics(),
        }
    }

    fn holds(&self, question: impl FnOnce(&Rights) -> bool) -> bool {
        match &self.standing {
            Standing::Everybody => true,
            Standing::Stranger(rights) | Standing::Known { rights, .. } => question(rights),
            Standing::Disbelieved(_) => false,
        }
    }
}
