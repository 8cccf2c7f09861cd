//! Where a reader begins.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hub::{RingLimits, Subscription};

use crate::lab::{Factory, Got, Lab, Numbered, PICTURE, got, item, items, read, sound, unit, video};

#[test]
fn a_late_viewer_starts_at_the_last_random_access_point() {
    let mut lab = Lab::new();
    lab.key();
    lab.deltas(5);
    lab.key();
    lab.deltas(3);
    let mut viewer = lab.join();
    assert_eq!(read(&mut viewer), items(6..=9));
    lab.deltas(1);
    assert_eq!(read(&mut viewer), items(10..=10));
}

#[test]
fn a_viewer_who_came_before_the_camera_starts_with_its_first_random_access_point() {
    let mut lab = Lab::new();
    let mut viewer = lab.join();
    assert_eq!(read(&mut viewer), []);
    lab.deltas(4);
    assert_eq!(read(&mut viewer), [], "nobody could decode these");
    assert!(!lab.stream.snapshot().live);
    let first = lab.key();
    lab.deltas(2);
    assert_eq!(read(&mut viewer), items(first..=first + 2));
    assert!(lab.stream.snapshot().live);
    assert_eq!(lab.stream.snapshot().units, 3);
}

#[test]
fn sound_before_the_first_picture_reaches_nobody_if_a_picture_was_announced() {
    let mut lab = Lab::new();
    let (video, sound) = (video(640, 360), sound());
    lab.publisher.as_mut().unwrap().set_tracks(vec![video.clone(), sound.clone()]);
    let mut viewer = lab.join();
    lab.publish(&sound);
    assert_eq!(read(&mut viewer), []);
    let first = lab.publish(&video);
    let second = lab.publish(&sound);
    assert_eq!(read(&mut viewer), items(first..=second));
}

#[test]
fn sound_leads_where_there_is_no_picture() {
    let mut lab = Lab::new();
    let sound = sound();
    for _ in 0..3 {
        lab.publish(&sound);
    }
    assert_eq!(read(&mut lab.join()), items(2..=2), "a viewer starts at the newest sound");
}

#[test]
fn sound_is_no_place_to_start_where_there_is_a_picture() {
    let mut lab = Lab::new();
    let sound = sound();
    let key = lab.key();
    let newest = lab.publish(&sound);
    assert_eq!(read(&mut lab.join()), items(key..=newest));
}

#[test]
fn a_viewer_of_a_camera_that_is_gone_waits_for_the_next_one() {
    let mut lab = Lab::new();
    lab.key();
    lab.stop();
    let mut viewer = lab.join();
    assert_eq!(read(&mut viewer), [], "what a camera left behind is old");
    lab.restart();
    let first = lab.key();
    assert_eq!(read(&mut viewer), items(first..=first));
}

#[test]
fn joining_close_behind_a_random_access_point_asks_for_no_other() {
    let mut lab = Lab::new();
    lab.key();
    lab.deltas(2);
    let _viewer = lab.join();
    assert!(!lab.keyframe_wanted());
}

#[test]
fn joining_far_behind_the_random_access_point_asks_for_one() {
    let mut lab = Lab::new();
    lab.key();
    lab.deltas(20);
    let _viewer = lab.join();
    assert!(lab.keyframe_wanted());
}

#[test]
fn where_no_random_access_point_is_left_the_next_one_is_asked_for_and_awaited() {
    let mut lab = Lab::with(RingLimits { max_items: 4, ..RingLimits::default() });
    lab.key();
    lab.deltas(10);
    let mut viewer = lab.join();
    assert_eq!(read(&mut viewer), []);
    assert!(lab.keyframe_wanted());
    lab.deltas(2);
    assert_eq!(read(&mut viewer), []);
    let key = lab.key();
    lab.deltas(1);
    assert_eq!(
        read(&mut viewer),
        items(key..=key + 1),
        "it was entitled to nothing before, so nothing is skipped"
    );
}

#[test]
fn lag_is_the_time_between_the_next_item_and_the_newest() {
    let mut lab = Lab::new();
    lab.key();
    lab.deltas(5);
    let mut viewer = lab.join();
    assert_eq!(viewer.lag(), 5 * PICTURE);
    item(&mut viewer);
    assert_eq!(viewer.lag(), 4 * PICTURE);
    read(&mut viewer);
    assert_eq!(viewer.lag(), Duration::ZERO);
}

/// Viewers join while another thread publishes: none may miss the item between its backfill and its first wake-up, and
/// none may get one twice.
#[test]
fn joining_while_publishing_leaves_no_gap_and_doubles_nothing() {
    let mut lab = Lab::new();
    let (video, start) = (lab.video.clone(), lab.now());
    let mut publisher = lab.publisher.take().unwrap();
    let (lab, factory, done) = (&lab, Factory::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in (0..).take_while(|_| !done.load(Ordering::Relaxed)) {
                let at = Duration::from_millis(number);
                publisher.publish(unit(&video, number, at, start + at, number % 10 == 0)).unwrap();
                std::thread::yield_now(); // a camera does not hold the lock all the time
            }
        });
        let _publishing = Until(&done);
        for _ in 0..300 {
            consecutive(&read_some(&mut lab.join()));
            consecutive(&read_some(&mut lab.join_packaged(&factory)));
        }
    });

    /// Ends the publishing thread, also where an assertion fails.
    struct Until<'a>(&'a AtomicBool);
    impl Drop for Until<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn read_some<T: Numbered>(viewer: &mut Subscription<T>) -> Vec<Got> {
        (0..100).filter_map(|_| viewer.try_next()).map(|next| got(&next)).collect()
    }

    fn consecutive(read: &[Got]) {
        // It may have been too slow to get even the first one; that is told, and starts it at another.
        let begun = read.iter().position(|next| matches!(next, Got::Item(_))).unwrap_or(read.len());
        let read = &read[begun..];
        let Some(Got::Item(first)) = read.first() else { return };
        assert_eq!(first % 10, 0, "starts at a random access point");
        let mut expected = *first;
        for next in read {
            match next {
                Got::Item(number) => assert_eq!(*number, expected),
                Got::Skipped(items) => {
                    expected += items;
                    continue;
                }
                Got::Closed(reason) => panic!("closed: {reason:?}"),
            }
            expected += 1;
        }
    }
}

#[test]
fn an_item_carries_its_track() {
    let mut lab = Lab::new();
    lab.key();
    let unit = item(&mut lab.join());
    assert!(unit.random_access());
    assert_eq!(unit.track.parameters.dimensions(), Some((1280, 720)));
}
