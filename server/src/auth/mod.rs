//! Who may do what.
//!
//! A request is made by an [`Identity`], which the [`Guard`] reads from its credentials before any handler sees it. What a route
//! asks for stands in its entry of the route table ([`Access`]); a handler that shows several streams asks the identity about each.
//!
//! Not here: how a refusal looks (see `http`), which pages may connect (see `net::origin`).

mod access;
mod identity;

pub use self::access::{Access, Right};
pub use self::identity::{Guard, Identity};
