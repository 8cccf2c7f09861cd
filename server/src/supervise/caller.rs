//! Who makes a request, where a password has to be checked for that: on a thread of its own, when it is its turn.

use std::time::Duration;

use super::tasks::on_thread;
use crate::auth::{Caller, Check, Guard, Outcome};

/// Who it is in the end.
///
/// # Errors
/// How long to wait before another attempt.
pub async fn settle(guard: &Guard, outcome: Outcome) -> Result<Caller, Duration> {
    let check = match outcome {
        Outcome::Caller(caller) => return Ok(caller),
        Outcome::Slowed(wait) => return Err(wait),
        Outcome::Check(check) => check,
    };
    let turn = guard.turn().await?;
    let checked = on_thread("password".to_owned(), move || {
        let checked = Check::run(check);
        drop(turn);
        checked
    });
    // Without a thread there is no answer, as there is none when too many wait.
    let (check, right) = checked.await.map_err(|_| Duration::from_secs(2))?;
    Ok(guard.settle(check, right))
}
