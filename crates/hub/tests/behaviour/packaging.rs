//! One muxer for all who watch, for exactly as long as one does.

use std::sync::Arc;

use hub::{LagPolicy, PackagingKey};

use crate::lab::{Factory, Got, Lab, item, items, read, sound, unit, video};

#[test]
fn ten_readers_share_one_muxer() {
    let mut lab = Lab::new();
    let factory = Factory::default();
    lab.key();
    let mut readers: Vec<_> = (0..10).map(|_| lab.join_packaged(&factory)).collect();
    lab.deltas(4);
    assert_eq!((factory.made(), factory.pushed()), (1, 5));
    for reader in &mut readers {
        assert_eq!(read(reader), items(0..=4));
    }
    let snapshot = lab.stream.snapshot();
    assert_eq!(snapshot.packagings.len(), 1);
    assert_eq!((snapshot.packagings[0].key.as_str(), snapshot.packagings[0].readers), ("plain", 10));
    assert_eq!(snapshot.subscriptions, 10);
}

#[test]
fn all_readers_get_the_same_bytes_and_the_same_init_segment() {
    let mut lab = Lab::new();
    let factory = Factory::default();
    lab.key();
    let (mut one, mut two) = (lab.join_packaged(&factory), lab.join_packaged(&factory));
    let (one, two) = (item(&mut one), item(&mut two));
    assert!(Arc::ptr_eq(one.init.as_ref().unwrap(), two.init.as_ref().unwrap()));
    assert_eq!(one.bytes.as_ptr(), two.bytes.as_ptr(), "shared, not copied");
}

#[test]
fn nothing_is_muxed_while_nobody_reads_it() {
    let mut lab = Lab::new();
    let factory = Factory::default();
    lab.key();
    let _units = lab.join();
    lab.deltas(10);
    assert_eq!(factory.made(), 0);
    drop(lab.join_packaged(&factory));
    let pushed = factory.pushed();
    lab.deltas(10);
    assert_eq!((factory.made(), factory.dropped(), factory.pushed()), (1, 1, pushed));
    assert!(lab.stream.snapshot().packagings.is_empty());
}

#[test]
fn the_last_reader_takes_the_packaging_along_and_the_next_one_begins_anew() {
    let mut lab = Lab::new();
    let factory = Factory::default();
    lab.key();
    let (mut one, two) = (lab.join_packaged(&factory), lab.join_packaged(&factory));
    let before = item(&mut one).init.unwrap();
    drop(one);
    assert_eq!(factory.dropped(), 0);
    drop(two);
    assert_eq!(factory.dropped(), 1);
    let mut three = lab.join_packaged(&factory);
    assert_eq!(factory.made(), 2);
    assert!(!Arc::ptr_eq(&before, &item(&mut three).init.unwrap()));
}

#[test]
fn other_options_are_another_packaging() {
    let mut lab = Lab::new();
    let factory = Factory::default();
    let policy = LagPolicy::default();
    let _one = lab.stream.subscribe_packaged(&PackagingKey::new("fmp4"), policy, || factory.make());
    let _two =
        lab.stream.subscribe_packaged(&PackagingKey::new("fmp4?group_ms=100"), policy, || factory.make());
    lab.key();
    assert_eq!((factory.made(), factory.pushed()), (2, 2));
}

#[test]
fn the_first_reader_gets_what_the_stream_remembers() {
    let mut lab = Lab::new();
    lab.key();
    lab.deltas(2);
    let key = lab.key();
    lab.deltas(2);
    assert_eq!(read(&mut lab.join_packaged(&Factory::default())), items(key..=key + 2));
}

#[test]
fn a_later_reader_starts_at_the_last_random_access_point_of_the_packaging() {
    let mut lab = Lab::new();
    let factory = Factory::default();
    lab.key();
    let mut early = lab.join_packaged(&factory);
    lab.deltas(4);
    lab.key();
    lab.deltas(4);
    assert_eq!(read(&mut early), items(0..=9));
    assert_eq!(read(&mut lab.join_packaged(&factory)), items(5..=9));
}

#[test]
fn new_parameters_are_a_new_init_segment_on_the_same_subscription() {
    let mut lab = Lab::new();
    let mut viewer = lab.join_packaged(&Factory::default());
    lab.key();
    lab.deltas(1);
    let (first, second) = (item(&mut viewer).init.unwrap(), item(&mut viewer).init.unwrap());
    assert!(Arc::ptr_eq(&first, &second));
    lab.video = video(640, 360);
    lab.key();
    let third = item(&mut viewer).init.unwrap();
    assert_eq!((first.mime.as_str(), third.mime.as_str()), ("1280x720", "640x360"));
}

#[test]
fn the_same_parameters_in_another_place_of_memory_are_not_new() {
    let mut lab = Lab::new();
    lab.key();
    let mut viewer = lab.join_packaged(&Factory::default());
    lab.video = video(1280, 720);
    lab.key();
    let (first, second) = (item(&mut viewer).init.unwrap(), item(&mut viewer).init.unwrap());
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn a_track_the_format_has_no_place_for_is_left_out() {
    let mut lab = Lab::new();
    let factory = Factory::default();
    lab.key();
    let mut viewer = lab.join_packaged(&factory);
    lab.publish(&sound());
    let next = lab.key();
    assert_eq!(read(&mut viewer), [Got::Item(0), Got::Item(next)]);
    assert_eq!(lab.stream.snapshot().packagings[0].refused, 0);
}

#[test]
fn a_unit_the_muxer_refuses_is_counted_and_nothing_else_is_lost() {
    let mut lab = Lab::new();
    let mut viewer = lab.join_packaged(&Factory::default());
    lab.key();
    let mut odd = unit(&lab.video, 99, crate::lab::PICTURE, lab.now(), false);
    odd.lost_before = 1;
    lab.publisher.as_mut().unwrap().publish(odd).unwrap();
    lab.deltas(1);
    assert_eq!(read(&mut viewer), items(0..=1));
    assert_eq!(lab.stream.snapshot().packagings[0].refused, 1);
}
