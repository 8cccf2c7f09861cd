//! What a reader loses that is too slow, and that nobody else does.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hub::{LagPolicy, RingLimits};

use crate::lab::{Bell, Factory, Got, Lab, items, read};

#[test]
fn a_slow_reader_goes_on_at_the_newest_random_access_point_and_is_told_what_it_missed() {
    let mut lab = Lab::new();
    lab.key();
    let mut slow = lab.join();
    assert_eq!(read(&mut slow), items(0..=0));
    lab.deltas(9);
    lab.key(); // 10
    lab.deltas(9);
    lab.key(); // 20
    lab.deltas(9);
    let mut expected = vec![Got::Skipped(19)];
    expected.extend(items(20..=29));
    assert_eq!(read(&mut slow), expected);
    assert_eq!(lab.stream.snapshot().skipped, 19);
}

#[test]
fn a_reader_less_late_than_its_policy_allows_loses_nothing() {
    let mut lab = Lab::new();
    lab.key();
    let mut late = lab.join();
    lab.deltas(9);
    lab.key();
    lab.deltas(14); // 24 pictures behind: 960 ms
    assert_eq!(read(&mut late), items(0..=24));
}

#[test]
fn a_late_reader_stays_where_it_is_while_there_is_nothing_newer_to_start_at() {
    let mut lab = Lab::new();
    lab.key();
    let mut late = lab.join();
    lab.deltas(200);
    assert_eq!(read(&mut late), items(0..=200));
}

#[test]
fn each_reader_has_its_own_patience() {
    let mut lab = Lab::new();
    lab.key();
    let mut hasty = lab.stream.subscribe(LagPolicy { max_lag: Duration::from_millis(100) });
    let mut patient = lab.stream.subscribe(LagPolicy { max_lag: Duration::from_secs(10) });
    lab.deltas(9);
    lab.key();
    assert_eq!(read(&mut hasty), [Got::Skipped(10), Got::Item(10)]);
    assert_eq!(read(&mut patient), items(0..=10));
}

#[test]
fn a_reader_that_fell_off_the_tail_goes_on_at_the_random_access_point_that_is_left() {
    let mut lab = Lab::with(RingLimits { max_items: 8, ..RingLimits::default() });
    lab.key();
    let mut slow = lab.join();
    assert_eq!(read(&mut slow), items(0..=0));
    lab.deltas(5);
    let key = lab.key();
    lab.deltas(6);
    let mut expected = vec![Got::Skipped(key - 1)];
    expected.extend(items(key..=key + 6));
    assert_eq!(read(&mut slow), expected);
}

#[test]
fn a_reader_that_fell_off_the_tail_asks_for_a_random_access_point_where_none_is_left() {
    let mut lab = Lab::with(RingLimits { max_items: 8, ..RingLimits::default() });
    lab.key();
    let mut slow = lab.join();
    lab.deltas(20);
    assert!(!lab.keyframe_wanted());
    assert_eq!(read(&mut slow), []);
    assert!(lab.keyframe_wanted());
    lab.deltas(1);
    lab.pass(Duration::from_secs(1));
    assert_eq!(read(&mut slow), []);
    assert!(!lab.keyframe_wanted(), "it asks once");
    let key = lab.key();
    assert_eq!(read(&mut slow), [Got::Skipped(key), Got::Item(key)]);
}

#[test]
fn a_slow_reader_takes_nothing_from_a_fast_one() {
    let mut lab = Lab::new();
    lab.key();
    let mut slow = lab.join();
    let mut fast = lab.join();
    let mut seen = read(&mut fast);
    for round in 1..=100 {
        lab.picture(round % 10 == 0);
        seen.extend(read(&mut fast));
    }
    assert_eq!(seen, items(0..=100));
    assert_eq!(read(&mut slow), [Got::Skipped(100), Got::Item(100)]);
}

#[test]
fn a_stalled_reader_holds_nothing_back() {
    let limits = RingLimits { max_bytes: 800, ..RingLimits::default() };
    let mut lab = Lab::with(limits);
    let factory = Factory::default();
    lab.key();
    let _stalled = lab.join();
    let _stalled_too = lab.join_packaged(&factory);
    for _ in 0..1_000 {
        lab.key();
        lab.deltas(9);
    }
    let held = lab.stream.snapshot().held_bytes;
    assert!(held <= 2 * 800, "{held} bytes");
}

#[test]
fn a_next_that_is_cancelled_loses_nothing() {
    let mut lab = Lab::new();
    let mut viewer = lab.join();
    let (bell, waker) = Bell::new();
    let mut context = Context::from_waker(&waker);
    for _ in 0..3 {
        assert!(pin!(viewer.next()).poll(&mut context).is_pending());
    }
    lab.key();
    assert_eq!(bell.rung(), 1, "one reader, one wake-up");
    lab.deltas(1);
    assert_eq!(bell.rung(), 1, "who does not wait is not woken");
    assert_eq!(read(&mut viewer), items(0..=1));
}

#[test]
fn only_the_last_waker_of_a_reader_is_woken() {
    let mut lab = Lab::new();
    let mut viewer = lab.join();
    let ((first, first_waker), (second, second_waker)) = (Bell::new(), Bell::new());
    assert!(viewer.poll_next(&Context::from_waker(&first_waker)).is_pending());
    assert!(viewer.poll_next(&Context::from_waker(&second_waker)).is_pending());
    lab.key();
    assert_eq!((first.rung(), second.rung()), (0, 1));
    assert!(matches!(viewer.poll_next(&Context::from_waker(&second_waker)), Poll::Ready(_)));
}

#[test]
fn a_reader_that_left_is_not_woken() {
    let mut lab = Lab::new();
    let (bell, waker) = Bell::new();
    let mut viewer = lab.join();
    assert!(viewer.poll_next(&Context::from_waker(&waker)).is_pending());
    drop(viewer);
    lab.key();
    assert_eq!(bell.rung(), 0);
}
