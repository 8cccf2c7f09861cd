//! Who asks, and whether they may; how those are told who may not.

use std::sync::Arc;

use axum::http::{Extensions, Method, Request as HttpRequest, header};
use hub::StreamName;
use rtsp::{Asked, Method as RtspMethod, Response, Target};

use super::Conversation;
use crate::auth::{DigestAnswer, Disbelief, Right, Stale};
use crate::endpoints::rtsp::described::{Described, Refusal};
use crate::supervise::audience::Admission;
use crate::supervise::caller::settle;
use crate::supervise::cameras::Camera;

impl Conversation {
    pub(super) async fn describe(&mut self, asked: &Asked) -> Result<Described, Refusal> {
        let camera = self.may(asked, Right::View).await?;
        Described::of(&camera, &asked.uri, asked.target.query.as_deref().unwrap_or_default()).await
    }

    /// The stream that a request names, if its maker has this right on it.
    pub(super) async fn may(&mut self, asked: &Asked, right: Right) -> Result<Arc<Camera>, Refusal> {
        let guard = &self.shared.context.guard;
        let query = asked.target.query.as_deref().unwrap_or_default();
        let digest = asked.authorization.as_deref().and_then(DigestAnswer::parse).and_then(Result::ok);
        let outcome = if let Some(answer) = digest {
            let method = asked.method.name();
            let judged =
                guard.judge_digest(&answer, method, is_asked(&answer.uri, asked), self.peer.bucket());
            self.is_stale = judged.is_err();
            judged.map_err(|Stale| (401, "this nonce is no longer good".to_owned()))?
        } else {
            let mut request = HttpRequest::builder().method(Method::GET).uri(format!("/?{query}"));
            if let Some(authorization) = &asked.authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let head = request.body(()).map_err(|_| (400, "the query cannot be read".to_owned()))?;
            let mut head = head.into_parts().0;
            head.extensions.insert(self.peer);
            self.is_stale = false;
            guard.identify(&head)
        };
        let caller = settle(guard, outcome).await.map_err(|wait| {
            (429, format!("too many wrong passwords or tokens; try again in {} s", wait.as_secs() + 1))
        })?;
        // Nothing was said this time: what was said before still holds.
        let said_nothing = caller.identity.name().is_none() && caller.identity.disbelief().is_none();
        let identity = match &self.identity {
            Some(known) if said_nothing => known.clone(),
            _ => caller.identity,
        };
        let name = StreamName::new(&asked.target.path).ok();
        let allowed = name.as_ref().is_some_and(|name| identity.may(right, name));
        if !allowed {
            let known = identity.name().is_some() || identity.is_everybody();
            return Err(match identity.disbelief() {
                None if known && name.is_none() => (404, "there is no such stream".to_owned()),
                None if known => (403, "you may not do this".to_owned()),
                Some(Disbelief::Expired) => (401, "these credentials have expired".to_owned()),
                Some(_) => (401, "these credentials are wrong".to_owned()),
                None => (
                    401,
                    "say who you are: by a name and a password, or by ?token= in the address".to_owned(),
                ),
            });
        }
        self.identity = Some(identity);
        let camera = self.shared.context.cameras.get(&asked.target.path);
        camera.ok_or_else(|| (404, format!("there is no stream named {}", asked.target.path)))
    }

    pub(super) fn refuse(&self, asked: &Asked, (status, why): Refusal) -> Response {
        let response = self.server.refuse(asked, status, &why);
        match status {
            401 => {
                let digest = self.digest_challenges(asked).into_iter();
                let all = digest.chain(["Basic realm=\"firstlight\", charset=\"UTF-8\"".to_owned()]);
                all.fold(response, |response, challenge| response.with("WWW-Authenticate", challenge))
            }
            503 => response.with("Retry-After", "5"),
            _ => response,
        }
    }

    fn digest_challenges(&self, asked: &Asked) -> Vec<String> {
        let publishes = self.server.announcement().is_some()
            || matches!(asked.method, RtspMethod::Announce | RtspMethod::Record);
        let right = if publishes { Right::Publish } else { Right::View };
        let stream = StreamName::new(&asked.target.path).ok();
        let mut query = asked.target.query.as_deref().unwrap_or_default().split('&');
        let wants = query.any(|pair| pair == ASKS_FOR_DIGEST);
        let guard = &self.shared.context.guard;
        guard.digest_challenges((right, stream.as_ref()), wants, self.is_stale, self.peer.bucket())
    }

    pub(super) fn admit(&self, format: &str) -> Result<Admission, Refusal> {
        let described = self.described.as_ref().ok_or((455, "nothing is set up".to_owned()))?;
        let admitted = self.shared.context.audience.admit(&described.camera, format, &self.extensions());
        admitted.map_err(|refusal| (503, refusal.to_string()))
    }

    /// Who asks, as the rest of the server knows them.
    pub(super) fn extensions(&self) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(self.peer);
        if let Some(identity) = &self.identity {
            extensions.insert(identity.clone());
        }
        extensions
    }
}

/// Whether what a Digest was made for is what is asked for: to the letter, or another part of the same stream, since some clients answer
/// for the stream whichever of its tracks they ask for.
fn is_asked(uri: &str, asked: &Asked) -> bool {
    uri == asked.uri || Target::parse(uri).is_some_and(|target| target.path == asked.target.path)
}

/// In a query, of a client that is to be offered a Digest whoever else may come.
const ASKS_FOR_DIGEST: &str = "auth=digest";
