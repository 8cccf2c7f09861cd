//! Who may do what.
//!
//! A request is made by an [`Identity`], which the [`Guard`] reads from its credentials before any handler sees it. What a route
//! asks for stands in its entry of the route table ([`Access`]); a handler that shows several streams asks the identity about each.
//!
//! Not here: how a refusal looks and where a password is checked (see `http`), which pages may connect (see `net::origin`).

mod access;
mod credentials;
mod digest;
mod guard;
mod identity;
mod jwt;
mod keys;
mod link;
mod password;
mod policy;
mod remembered;
mod rights;
mod secret;
mod sessions;
mod settings;
mod slowdown;

pub use self::access::{Access, Right};
pub use self::credentials::{Credential, cookie_name};
pub use self::digest::{Answer as DigestAnswer, Secrets as DigestSecrets};
pub use self::guard::{Caller, Check, Guard, Outcome, Stale, address, session_of};
pub use self::identity::{Disbelief, Identity};
pub use self::password::{MAX_PASSWORD, PasswordHash};
pub use self::policy::Policy;
pub use self::rights::Rights;
pub use self::secret::random as random_token;
pub use self::settings::Sections;
