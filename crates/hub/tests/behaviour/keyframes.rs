//! The one signal upward.

use std::time::Duration;

use crate::lab::Lab;

#[test]
fn many_requests_are_one() {
    let mut lab = Lab::new();
    lab.key();
    assert!(!lab.keyframe_wanted());
    for _ in 0..100 {
        lab.stream.request_keyframe();
    }
    assert!(lab.keyframe_wanted());
    assert!(!lab.keyframe_wanted());
}

#[test]
fn requests_reach_the_camera_300_ms_apart_and_none_is_forgotten() {
    let mut lab = Lab::new();
    lab.key();
    lab.stream.request_keyframe();
    assert!(lab.keyframe_wanted());
    lab.stream.request_keyframe();
    lab.pass(Duration::from_millis(299));
    assert!(!lab.keyframe_wanted());
    lab.pass(Duration::from_millis(1));
    assert!(lab.keyframe_wanted());
    lab.pass(Duration::from_secs(10));
    assert!(!lab.keyframe_wanted());
}

#[test]
fn a_new_camera_is_not_asked_what_the_last_one_was() {
    let mut lab = Lab::new();
    lab.key();
    lab.stream.request_keyframe();
    lab.restart();
    lab.key();
    assert!(!lab.keyframe_wanted());
    lab.stream.request_keyframe();
    assert!(lab.keyframe_wanted(), "nor does the last one's spacing bind it");
}
