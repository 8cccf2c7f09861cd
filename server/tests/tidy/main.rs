//! The laws of the workspace that the compiler does not hold: who may import whom, what a file looks like.
//!
//! A test that fails here names the file and the rule. Where a rule stands wrong, change it here and say why in
//! `docs/design/decisions.md`.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test may unwrap, and runs `cargo metadata`

mod crates;
mod files;
mod floors;
mod tree;
