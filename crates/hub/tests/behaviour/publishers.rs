//! Who may push, and what readers see when that changes.

use std::task::Context;
use std::time::Duration;

use hub::{HubError, PublishError, Reason, RingLimits};
use media::{MediaTime, Timescale};

use crate::lab::{Bell, Factory, Got, Lab, item, items, read, unit};

fn millis(time: MediaTime) -> i64 {
    time.ticks_in(Timescale::MILLIS)
}

#[test]
fn a_second_publisher_is_refused_while_the_first_one_lives() {
    let mut lab = Lab::new();
    let name = lab.stream.name().clone();
    assert_eq!(lab.stream.publish().unwrap_err(), PublishError::Taken(name));
    lab.stop();
    assert!(lab.stream.publish().is_ok());
}

#[test]
fn a_publisher_that_takes_over_goes_on_for_the_same_readers_and_the_old_one_is_told() {
    let mut lab = Lab::new();
    let factory = Factory::default();
    let (mut units, mut chunks) = (lab.join(), lab.join_packaged(&factory));
    lab.key();
    lab.deltas(1);
    assert_eq!(read(&mut units), items(0..=1));
    assert_eq!(read(&mut chunks), items(0..=1));
    let mut old = lab.publisher.take().unwrap();
    lab.publisher = Some(lab.stream.take_over().unwrap());
    let late = unit(&lab.video, 2, Duration::ZERO, lab.now(), true);
    let name = lab.stream.name().clone();
    assert_eq!(old.publish(late).unwrap_err(), PublishError::Replaced(name));
    assert!(!lab.stream.snapshot().live, "the new one has sent nothing yet");
    drop(old);
    lab.deltas(1);
    assert_eq!(read(&mut units), [], "nobody can begin there");
    let key = lab.key();
    lab.deltas(1);
    assert!(lab.stream.snapshot().live, "the old one's leaving takes nothing from the new one");
    let (first, second) = (item(&mut units), item(&mut units));
    assert!(millis(first.dts) > 40 && millis(second.dts) == millis(first.dts) + 40, "{first:?} {second:?}");
    assert_eq!(read(&mut chunks), items(key..=key + 1));
    assert_eq!(factory.made(), 1, "the packaging went on too");
}

#[test]
fn viewers_live_through_a_restart_and_time_goes_on() {
    let mut lab = Lab::new();
    let factory = Factory::default();
    let (mut units, mut chunks) = (lab.join(), lab.join_packaged(&factory));
    lab.key();
    lab.deltas(4);
    assert_eq!(read(&mut units), items(0..=4));
    assert_eq!(read(&mut chunks), items(0..=4));
    lab.stop();
    assert!(!lab.stream.snapshot().live);
    lab.pass(Duration::from_secs(2));
    lab.restart();
    lab.key();
    lab.deltas(1);
    // The last picture was at 160 ms and came 2,040 ms before the new camera's first one, which it calls zero.
    let (first, second) = (item(&mut units), item(&mut units));
    assert_eq!((millis(first.dts), millis(second.dts)), (2_200, 2_240));
    assert_eq!(millis(item(&mut chunks).dts), 2_200);
    assert_eq!(factory.made(), 1, "the packaging went on too");
}

#[test]
fn a_reader_that_had_not_read_the_last_camera_to_its_end_goes_on_at_the_new_one() {
    let mut lab = Lab::new();
    lab.key();
    let mut viewer = lab.join();
    assert_eq!(read(&mut viewer), items(0..=0));
    lab.deltas(4);
    lab.restart();
    let key = lab.key();
    assert_eq!(read(&mut viewer), [Got::Skipped(4), Got::Item(key)]);
}

#[test]
fn what_a_publisher_sends_before_its_first_random_access_point_does_not_end_the_last_ones_picture() {
    let mut lab = Lab::new();
    lab.key();
    let mut viewer = lab.join();
    lab.deltas(2);
    lab.restart();
    lab.deltas(3);
    assert_eq!(read(&mut viewer), items(0..=2), "still the last camera's");
    let key = lab.key();
    assert_eq!(read(&mut viewer), items(key..=key));
}

#[test]
fn closing_ends_every_reader_and_the_publisher() {
    let mut lab = Lab::new();
    let factory = Factory::default();
    lab.key();
    let (mut units, mut chunks) = (lab.join(), lab.join_packaged(&factory));
    read(&mut units);
    read(&mut chunks);
    let (bell, waker) = Bell::new();
    assert!(units.poll_next(&Context::from_waker(&waker)).is_pending());
    assert!(chunks.poll_next(&Context::from_waker(&waker)).is_pending());

    lab.stream.close(Reason::Shutdown);
    assert_eq!(bell.rung(), 2);
    assert_eq!(read(&mut units), [Got::Closed(Reason::Shutdown)]);
    assert_eq!(read(&mut units), [Got::Closed(Reason::Shutdown)], "and stays so");
    assert_eq!(read(&mut chunks), [Got::Closed(Reason::Shutdown)]);
    assert_eq!(read(&mut lab.join()), [Got::Closed(Reason::Shutdown)], "also for those who come later");

    let name = lab.stream.name().clone();
    let late = unit(&lab.video, 1, Duration::ZERO, lab.now(), true);
    let refused = lab.publisher.as_mut().unwrap().publish(late);
    assert_eq!(refused.unwrap_err(), PublishError::Closed(name.clone()));
    lab.stop();
    assert_eq!(lab.stream.publish().unwrap_err(), PublishError::Closed(name));
}

#[test]
fn a_stream_taken_out_of_the_hub_is_closed_with_the_reason() {
    let mut lab = Lab::new();
    lab.key();
    let mut viewer = lab.join();
    let name = lab.stream.name().clone();
    assert_eq!(
        lab.hub.create(name.clone(), RingLimits::default()).unwrap_err(),
        HubError::Exists(name.clone())
    );
    assert!(lab.hub.remove("front", Reason::Removed).is_some());
    assert_eq!(read(&mut viewer), [Got::Closed(Reason::Removed)]);
    assert!(lab.hub.get("front").is_none());
    assert!(lab.hub.create(name, RingLimits::default()).is_ok());
}

#[test]
fn demand_is_the_number_of_readers_of_all_kinds() {
    let lab = Lab::new();
    let factory = Factory::default();
    let mut demand = lab.stream.demand();
    assert_eq!(*demand.borrow_and_update(), 0);
    let units = lab.join();
    assert!(demand.has_changed().unwrap());
    let chunks = [lab.join_packaged(&factory), lab.join_packaged(&factory)];
    assert_eq!(*demand.borrow_and_update(), 3);
    drop(units);
    assert_eq!(*demand.borrow_and_update(), 2);
    drop(chunks);
    assert_eq!(*demand.borrow_and_update(), 0);
    assert_eq!(lab.stream.snapshot().joins, 3);
}

#[test]
fn without_publisher_and_reader_nothing_is_kept() {
    let mut lab = Lab::new();
    lab.key();
    lab.stop();
    assert_eq!(lab.stream.snapshot().held_bytes, 0, "the publisher left last");

    let viewer = lab.join();
    lab.restart();
    lab.key();
    lab.stop();
    assert_ne!(lab.stream.snapshot().held_bytes, 0, "somebody may be about to read it");
    drop(viewer);
    assert_eq!(lab.stream.snapshot().held_bytes, 0, "the reader left last");
}

#[test]
fn counters_tell_pictures_from_random_access_points() {
    let mut lab = Lab::new();
    lab.key();
    lab.deltas(3);
    lab.publish(&crate::lab::sound());
    let snapshot = lab.stream.snapshot();
    assert_eq!((snapshot.units, snapshot.pictures, snapshot.keyframes), (5, 4, 1));
    assert_eq!((snapshot.bytes, snapshot.reordered), (5 * 8, 0));
}
