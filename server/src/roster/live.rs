//! What of a configuration that is read again counts at once, besides the streams.
//!
//! The rest is obeyed after a restart: it says where to listen, or what endpoints were made with.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::auth::Guard;
use crate::config::limits::LiveLimits;
use crate::config::plan::Plan;
use crate::net::connections::{Connections, room_for};
use crate::net::origin::OriginPolicy;
use crate::supervise::budget::Budget;

/// Sections of a configuration by name, as they were written.
pub(super) type Sections = BTreeMap<String, toml::Value>;

/// What can be set while the server runs.
#[derive(Debug)]
pub struct Live {
    /// Who may do what.
    pub guard: Arc<Guard>,
    /// Which pages may connect.
    pub origins: Arc<OriginPolicy>,
    /// How much of what a peer may have.
    pub limits: LiveLimits,
    /// The connections there are.
    pub connections: Arc<Connections>,
    /// From where on newcomers are turned away.
    pub budget: Arc<Budget>,
}

/// The sections that say who may do what.
const POLICY: [&str; 3] = ["auth", "tokens", "users"];
/// Keys of `[http]` that count at once.
const HTTP: [&str; 2] = ["allow_origins", "trusted_proxies"];

impl Live {
    /// Obeys what can be obeyed at once. Gives the sections as they are obeyed from now on, and the names of those that are different and
    /// were not obeyed, or not wholly.
    pub(super) fn obey(&self, plan: Plan, obeyed: &Sections) -> (Sections, Vec<String>) {
        let mut restart = different(obeyed, &plan.sections);
        let mut done: Vec<String> = Vec::new();
        if restart.iter().any(|key| POLICY.contains(&key.as_str())) && self.guard.replace(plan.auth) {
            done.extend(POLICY.map(str::to_owned));
        }
        self.limits.set(plan.limits);
        self.connections.set(room_for(plan.limits.connections), plan.limits.connections_per_address);
        if self.budget.settings() != plan.budget {
            self.budget.set(plan.budget);
        }
        done.extend(["limits", "budget"].map(str::to_owned));
        self.origins.become_like(&plan.http.origins);
        self.connections.trust(plan.http.proxies);
        if rest_of_http(obeyed) == rest_of_http(&plan.sections) {
            done.push("http".to_owned());
        }
        restart.retain(|key| !done.contains(key));
        let mut now = obeyed.clone();
        now.retain(|key, _| !done.contains(key));
        now.extend(plan.sections.into_iter().filter(|(key, _)| done.contains(key)));
        (now, restart)
    }
}

/// What of `[http]` takes a restart.
fn rest_of_http(sections: &Sections) -> toml::Table {
    let mut http = sections.get("http").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    http.retain(|key, _| !HTTP.contains(&key));
    http
}

/// Keys whose values are not equal.
fn different(old: &Sections, new: &Sections) -> Vec<String> {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(value)).map(|(key, _)| key);
    gone.chain(changed).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::Text;
    use crate::config::limits;
    use crate::config::plan::plan;

    fn judged(toml: &str) -> Plan {
        plan(&Text { origin: "test".to_owned(), toml: toml.to_owned() }, &[]).unwrap()
    }

    #[test]
    fn limits_budget_and_origins_count_at_once_and_where_to_listen_does_not() {
        let live = Live {
            guard: Arc::default(),
            origins: Arc::default(),
            limits: LiveLimits::default(),
            connections: Connections::new(10, 10),
            budget: Arc::new(Budget::new(limits::Budget::default())),
        };
        let start = judged("[http]\nlisten = [\"127.0.0.1:1\"]\n").sections;
        let new = judged(
            "[http]\nlisten = [\"127.0.0.1:1\"]\nallow_origins = [\"http://a\"]\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
             [limits]\nviewers = 7\nconnections = 5\n[budget]\nmemory = \"1G\"\n",
        );
        let (now, restart) = live.obey(new, &start);
        assert_eq!(restart, [""; 0]);
        assert_eq!((live.limits.now().viewers, live.connections.most()), (7, 5));
        assert!(live.budget.is_limited());
        let (again, restart) = live.obey(judged("[http]\nlisten = [\"127.0.0.1:2\"]\n[api]\n"), &now);
        assert_eq!(restart, ["api", "http"]);
        assert!(!live.budget.is_limited() && live.limits.now() == limits::Limits::default());
        let (_, restart) = live.obey(judged("[http]\nlisten = [\"127.0.0.1:1\"]\n"), &again);
        assert_eq!(restart, [""; 0], "it is as it was at the start again");
    }
}
