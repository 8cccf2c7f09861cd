//! Cursors that read on behalf of others and count as nobody.

use hub::Next;

use crate::lab::{Factory, Got, Lab, items, read};

#[test]
fn an_observer_reads_what_its_subscription_would() {
    let mut lab = Lab::new();
    lab.key();
    lab.deltas(2);
    let viewer = lab.join();
    let mut observer = viewer.observe();
    assert_eq!(read(&mut observer), items(0..=2));
    assert_eq!((viewer.position(), observer.position()), (Some(0), Some(3)));
}

#[test]
fn an_observer_is_no_demand_and_in_no_list() {
    let mut lab = Lab::new();
    let factory = Factory::default();
    lab.key();
    let viewer = lab.join_packaged(&factory);
    let mut observer = viewer.observe();
    assert_eq!(*lab.stream.demand().borrow(), 1);
    assert_eq!(lab.stream.snapshot().packagings[0].readers, 1);
    drop(viewer);
    assert_eq!(*lab.stream.demand().borrow(), 0);
    assert_eq!(factory.dropped(), 0, "it can still read");
    assert_eq!(read(&mut observer), items(0..=0));
    drop(observer);
    assert_eq!(factory.dropped(), 1);
}

#[test]
fn a_subscription_goes_on_where_its_observer_left_off() {
    let mut lab = Lab::new();
    lab.key();
    let mut viewer = lab.join();
    let mut observer = viewer.observe();
    lab.deltas(4);
    assert!(matches!(observer.try_next(), Some(Next::Item(_))));
    assert!(matches!(observer.try_next(), Some(Next::Item(_))));
    viewer.seek(observer.position().unwrap());
    drop(observer);
    assert_eq!(read(&mut viewer), items(2..=4));
}

#[test]
fn a_subscription_sent_to_where_nothing_is_left_skips_to_what_is() {
    let mut lab = Lab::new();
    lab.key();
    let mut viewer = lab.join();
    lab.restart();
    let key = lab.key();
    viewer.seek(0);
    assert_eq!(read(&mut viewer), [Got::Skipped(key), Got::Item(key)]);
}

#[test]
fn peeking_moves_nothing() {
    let mut lab = Lab::new();
    lab.key();
    lab.deltas(2);
    let mut viewer = lab.join();
    assert_eq!(viewer.peek(2).map(|unit| unit.random_access), Some(false));
    assert!(viewer.peek(3).is_none());
    assert_eq!(read(&mut viewer), items(0..=2));
}

#[test]
fn before_the_first_random_access_point_there_is_no_position() {
    let mut lab = Lab::new();
    let mut viewer = lab.join();
    assert_eq!(viewer.position(), None);
    lab.key();
    read(&mut viewer);
    assert_eq!(viewer.position(), Some(1));
}
