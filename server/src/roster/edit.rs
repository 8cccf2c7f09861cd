//! One change of the API's streams: from the set that is kept to the set that shall be, or a refusal.
//!
//! Pure: nothing is started or written here.

use std::collections::BTreeMap;

use hub::StreamName;

use super::judge::{judge, may_be_made};
use super::{Refused, tag};
use crate::auth::Identity;
use crate::config::plan::StreamPlan;
use crate::endpoint::Endpoint;

/// What the API asks for.
#[derive(Debug, Clone)]
pub enum Edit {
    /// A stream that there is not yet.
    Create {
        /// Its name.
        name: StreamName,
        /// Its keys.
        definition: toml::Table,
    },
    /// A stream with this definition, whether there is one by the name or not.
    Put {
        /// Its name.
        name: StreamName,
        /// All its keys.
        definition: toml::Table,
        /// The tag that the stream must have.
        tag: Option<String>,
    },
    /// Some keys of a stream, or its name.
    Patch {
        /// Its name.
        name: StreamName,
        /// Keys to set; to take away, if `None`.
        keys: Vec<(String, Option<toml::Value>)>,
        /// Its name from now on.
        rename: Option<StreamName>,
        /// The tag that the stream must have.
        tag: Option<String>,
    },
    /// No such stream any more.
    Remove {
        /// Its name.
        name: StreamName,
        /// The tag that the stream must have.
        tag: Option<String>,
    },
}

/// Streams by name.
pub(super) type Plans = BTreeMap<StreamName, StreamPlan>;

/// The API can make this many: each costs a ring and a task, and a mistake in a loop must have an end.
const MAX_STREAMS: usize = 1_000;

impl Edit {
    /// The name under which the stream is found when the change is made.
    pub fn name(&self) -> &StreamName {
        match self {
            Self::Patch { rename: Some(name), .. }
            | Self::Create { name, .. }
            | Self::Put { name, .. }
            | Self::Patch { name, .. }
            | Self::Remove { name, .. } => name,
        }
    }

    /// The set of the API's streams after this change by somebody whose right to change the stream is known.
    ///
    /// # Errors
    /// [`Refused`], and nothing changes.
    pub(super) fn apply(
        self,
        fixed: &Plans,
        kept: &Plans,
        endpoints: &[&dyn Endpoint],
        by: &Identity,
    ) -> Result<Plans, Refused> {
        let mut new = kept.clone();
        let made = match self {
            Self::Create { name, definition } => {
                if let Some(known) = fixed.get(&name).or_else(|| kept.get(&name)) {
                    return Err(Refused::Exists { name, place: known.place.clone() });
                }
                let plan = judge(&name, &definition, endpoints)?;
                Some((plan, None))
            }
            Self::Put { name, definition, tag: expected } => {
                unfixed(&name, fixed)?;
                let plan = judge(&name, &definition, endpoints)?;
                expect(&name, kept.get(&name), expected)?;
                Some((plan, kept.get(&name)))
            }
            Self::Patch { name, keys, rename, tag: expected } => {
                unfixed(&name, fixed)?;
                let Some(known) = kept.get(&name) else { return Err(Refused::Missing(name)) };
                let mut definition = known.definition.clone();
                for (key, value) in keys {
                    match value {
                        Some(value) => drop(definition.insert(key, value)),
                        None => drop(definition.remove(&key)),
                    }
                }
                let plan = judge(rename.as_ref().unwrap_or(&name), &definition, endpoints)?;
                expect(&name, Some(known), expected)?;
                new.remove(&name);
                let name = rename.unwrap_or(name);
                if let Some(other) = fixed.get(&name).or_else(|| new.get(&name)) {
                    return Err(Refused::Exists { name, place: other.place.clone() });
                }
                Some((plan, Some(known)))
            }
            Self::Remove { name, tag: expected } => {
                unfixed(&name, fixed)?;
                let Some(known) = new.remove(&name) else { return Err(Refused::Missing(name)) };
                expect(&name, Some(&known), expected)?;
                None
            }
        };
        if let Some((plan, before)) = made {
            let name = plan.name.clone();
            new.insert(name.clone(), plan);
            let mut all = new.clone();
            all.extend(fixed.clone());
            if let Some(plan) = all.get(&name) {
                may_be_made(plan, before, &all, by)?;
            }
        }
        if new.len() > MAX_STREAMS && new.len() > kept.len() {
            return Err(Refused::Full(MAX_STREAMS));
        }
        Ok(new)
    }
}

fn unfixed(name: &StreamName, fixed: &Plans) -> Result<(), Refused> {
    match fixed.get(name) {
        Some(plan) => Err(Refused::Fixed { name: name.clone(), place: plan.place.clone() }),
        None => Ok(()),
    }
}

/// Whoever read a stream before changing it must not undo what somebody else did meanwhile.
fn expect(name: &StreamName, known: Option<&StreamPlan>, expected: Option<String>) -> Result<(), Refused> {
    let Some(expected) = expected else { return Ok(()) };
    let matches = known.is_some_and(|plan| expected == "*" || expected == tag(&plan.definition));
    if matches { Ok(()) } else { Err(Refused::Changed(name.clone())) }
}
