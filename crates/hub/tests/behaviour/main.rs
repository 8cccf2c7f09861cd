//! The hub's promises, from outside: each test is one of them.
//!
//! Time is made up, nothing waits: readers are polled by hand, and every item carries its number.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // an instant to count from, threads, and tests may unwrap

mod joining;
mod keyframes;
mod lab;
mod observers;
mod packaging;
mod properties;
mod publishers;
mod slow_readers;
