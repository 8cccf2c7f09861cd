//! Streams by Robopipe's names: a camera (`mxid`) has sensors, and each sensor is a stream.
//!
//! Camera and sensor are the parts of a stream's name: `OAK1/CAM_A`; a one-part name is a camera whose sensor is `CAM_A`. Streams with
//! more parts have no such name. Where two streams would be the same sensor, the one with two parts is.

use std::sync::Arc;

use crate::supervise::cameras::{Camera, Cameras};

/// The sensor of a camera with a one-part name.
const DEFAULT_SENSOR: &str = "CAM_A";

/// A stream by Robopipe's names.
#[derive(Debug, Clone)]
pub(super) struct Sensor {
    /// The camera's name.
    pub(super) mxid: String,
    /// The sensor's.
    pub(super) name: String,
    /// The stream.
    pub(super) camera: Arc<Camera>,
}

/// Every sensor of every camera, by name.
pub(super) fn all(cameras: &Cameras) -> Vec<Sensor> {
    let mut sensors: Vec<Sensor> = Vec::new();
    for camera in cameras.list() {
        let Some((mxid, name)) = split(camera.stream().name().as_str()) else { continue };
        let (mxid, name) = (mxid.to_owned(), name.to_owned());
        let same = |sensor: &Sensor| sensor.mxid == mxid && sensor.name == name;
        match sensors.iter_mut().find(|sensor| same(sensor)) {
            // `front` comes before `front/CAM_A`.
            Some(known) => known.camera = camera,
            None => sensors.push(Sensor { mxid, name, camera }),
        }
    }
    sensors.sort_by(|a, b| (&a.mxid, &a.name).cmp(&(&b.mxid, &b.name)));
    sensors
}

/// The stream of one sensor.
pub(super) fn find(cameras: &Cameras, mxid: &str, name: &str) -> Option<Arc<Camera>> {
    if mxid.contains('/') || name.contains('/') {
        return None;
    }
    let two_parts = cameras.get(&format!("{mxid}/{name}"));
    let found = two_parts.or_else(|| cameras.get(mxid).filter(|_| name == DEFAULT_SENSOR));
    found.filter(|camera| !camera.is_hidden())
}

fn split(stream: &str) -> Option<(&str, &str)> {
    match stream.split_once('/') {
        None => Some((stream, DEFAULT_SENSOR)),
        Some((_, sensor)) if sensor.contains('/') => None,
        parts => parts,
    }
}

/// What Robopipe lets a camera be called: a search pattern, so that it may stand anywhere.
pub(super) const MXID: &str = "[A-Z0-9]+";
/// What Robopipe lets a sensor be called.
pub(super) const SENSOR: &str = "CAM_[A-H]|DEPTH_[A-H]_[A-H]";

/// Whether [`MXID`] is found in a text.
pub(super) fn is_mxid(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Whether [`SENSOR`] is found in a text.
pub(super) fn is_sensor(text: &str) -> bool {
    let letter = |byte: u8| (b'A'..=b'H').contains(&byte);
    let mono = |w: &[u8]| w.starts_with(b"CAM_") && letter(w[4]);
    let depth = |w: &[u8]| w.starts_with(b"DEPTH_") && letter(w[6]) && w[7] == b'_' && letter(w[8]);
    text.as_bytes().windows(5).any(mono) || text.as_bytes().windows(9).any(depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cameras(names: &[&str]) -> Cameras {
        let cameras = Cameras::default();
        for name in names {
            cameras.add(name.parse().unwrap(), None).unwrap();
        }
        let origin = cameras.add("OAK1/CAM_H".parse().unwrap(), None).unwrap();
        let made = "OAK1/CAM_H@intra".parse().unwrap();
        cameras.add_made_from(&origin, made, "made from it".to_owned()).unwrap();
        cameras
    }

    #[test]
    fn the_parts_of_a_name_are_camera_and_sensor() {
        let cameras = cameras(&["front", "OAK1/CAM_B", "OAK1", "a/b/c", "front/CAM_A"]);
        let listed: Vec<String> = all(&cameras)
            .iter()
            .map(|s| format!("{} {} {}", s.mxid, s.name, s.camera.stream().name()))
            .collect();
        assert_eq!(
            listed,
            ["OAK1 CAM_A OAK1", "OAK1 CAM_B OAK1/CAM_B", "OAK1 CAM_H OAK1/CAM_H", "front CAM_A front/CAM_A"]
        );
        for sensor in all(&cameras) {
            let found = find(&cameras, &sensor.mxid, &sensor.name).unwrap();
            assert!(Arc::ptr_eq(&found, &sensor.camera));
        }
        assert!(find(&cameras, "a/b", "c").is_none());
        assert!(find(&cameras, "OAK1", "CAM_C").is_none());
        assert!(find(&cameras, "OAK1", "CAM_H@intra").is_none(), "a rendition is no sensor");
    }

    #[test]
    fn patterns_are_searched_for() {
        assert!(is_mxid("14442C10D13EABD200") && is_mxid("camera7"));
        assert!(!is_mxid("lower") && !is_mxid(""));
        assert!(is_sensor("CAM_A") && is_sensor("xCAM_Hx") && is_sensor("DEPTH_B_C"));
        assert!(
            !is_sensor("CAM_Z") && !is_sensor("CAM_") && !is_sensor("DEPTH_B_") && !is_sensor("DEPTH_B-C")
        );
    }
}
