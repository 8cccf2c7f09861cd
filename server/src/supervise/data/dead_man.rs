//! The dead-man's switch: when drivers fall silent, or the last one has gone, robots are told what the configuration says, once.
//!
//! It is armed by the first message, so that a robot that nobody drives is left alone.

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::{Exchange, Side};
use crate::config::data::DeadMan;

/// Watches until `stop`.
pub(super) async fn watch(exchange: &Exchange, switch: &DeadMan, stop: &CancellationToken) {
    let mut driven = exchange.driven.subscribe();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            // The sender lives in the exchange.
            _ = driven.wait_for(Option::is_some) => {}
        }
        // Until the last word is too old, or nobody is left who could say another.
        let answered = loop {
            let last = *driven.borrow_and_update();
            let Some(spoken) = last else { break None };
            let age = Instant::now().saturating_duration_since(spoken.at);
            let Some(left) = switch.after.checked_sub(age).filter(|_| !spoken.gone) else { break last };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(left) => {}
                _ = driven.changed() => {}
            }
        };
        exchange.tell(Side::Robot, &switch.message);
        // What was said since is not answered for.
        exchange.driven.send_if_modified(|spoken| *spoken == answered && spoken.take().is_some());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    async fn with_switch(test: impl AsyncFnOnce(&Arc<Exchange>)) {
        let exchange = Arc::new(Exchange::default());
        let switch = DeadMan { after: Duration::from_millis(50), message: "stop".into() };
        let stop = CancellationToken::new();
        tokio::select! {
            () = watch(&exchange, &switch, &stop) => {}
            () = test(&exchange) => {}
        }
    }

    #[tokio::test]
    async fn silence_stops_the_robot_once_and_the_next_message_arms_it_again() {
        with_switch(async |exchange| {
            let (driver, robot) = (exchange.join(Side::Driver, None), exchange.join(Side::Robot, None));
            for said in ["1", "2"] {
                driver.say(said).unwrap();
                assert_eq!(robot.hear().await.unwrap(), said);
                assert_eq!(robot.hear().await.unwrap(), "stop");
            }
            let more = tokio::time::timeout(Duration::from_millis(200), robot.hear()).await;
            assert!(more.is_err(), "it is said once");
        })
        .await;
    }

    #[tokio::test]
    async fn a_driver_who_leaves_stops_the_robot_at_once() {
        let exchange = Arc::new(Exchange::default());
        let switch = DeadMan { after: Duration::from_secs(3_600), message: "stop".into() };
        let stop = CancellationToken::new();
        let driving = async {
            let (driver, robot) = (exchange.join(Side::Driver, None), exchange.join(Side::Robot, None));
            driver.say("go").unwrap();
            assert_eq!(robot.hear().await.unwrap(), "\"go\"");
            drop(driver);
            assert_eq!(robot.hear().await.unwrap(), "stop");
        };
        tokio::select! {
            () = watch(&exchange, &switch, &stop) => {}
            () = driving => {}
        }
    }

    #[tokio::test]
    async fn a_robot_that_nobody_has_driven_is_left_alone() {
        with_switch(async |exchange| {
            let robot = exchange.join(Side::Robot, None);
            drop(exchange.join(Side::Driver, None));
            assert!(tokio::time::timeout(Duration::from_millis(200), robot.hear()).await.is_err());
        })
        .await;
    }
}
