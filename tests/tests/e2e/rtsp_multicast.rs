//! RTSP by multicast, in a network of the test's own: a stream is sent once, however many listen.

#![allow(clippy::unwrap_used)] // a test may

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use firstlight_e2e::Server;
use firstlight_e2e::own_network::{GROUPS, in_a_network_of_its_own};
use firstlight_e2e::rtsp::{ANYWHERE, CAMERA, Client, gstreamer_play, play, url};

#[test]
fn players_play_by_multicast_and_what_many_hear_is_sent_once() {
    in_a_network_of_its_own(
        GROUPS,
        "rtsp_multicast::players_play_by_multicast_and_what_many_hear_is_sent_once",
        || {
            let server =
                Server::start(&format!("{ANYWHERE}multicast = \"239.1.2.0/24\"\n[streams.front]\n{CAMERA}"));
            let (errors, pictures, sounds) = play(&url(&server, "front"), "udp_multicast", 20);
            assert_eq!(errors, "");
            assert!(pictures == 20 && sounds > 20, "{pictures} pictures, {sounds} sounds");
            let by_group = ["protocols=udp-mcast", "multicast-iface=lo"];
            assert_eq!(gstreamer_play(&url(&server, "front"), &by_group), Vec::<String>::new());
            server.await_state("front", "idle", Duration::from_secs(20));

            // Thirty who listen cost what one does.
            let mut listeners: Vec<_> = (0..30).map(|_| Client::connect(&server)).collect();
            let url = url(&server, "front");
            let transport = "Transport: RTP/AVP;multicast";
            let mut groups = Vec::new();
            for listener in &mut listeners {
                let set_up = listener.ask("SETUP", &format!("{url}/trackID=0"), &[transport], "");
                assert_eq!(set_up.status, 200, "{}", set_up.body);
                groups.push(set_up.headers["transport"].clone());
                let session = format!("Session: {}", set_up.headers["session"]);
                assert_eq!(listener.ask("PLAY", &url, &[&session], "").status, 200);
            }
            groups.dedup();
            assert_eq!(groups.len(), 1, "{groups:?}");
            assert!(
                groups[0].contains(";destination=239.1.2.") && groups[0].contains(";ttl=1"),
                "{groups:?}"
            );
            let seen = server.get("/api/v1/viewers").body;
            assert_eq!(seen.matches("rtsp&multicast").count(), 30, "{seen}");
            assert_eq!(server.stream("front")["viewers"].as_u64(), Some(1), "one reads for all of them");
            let part = |name: &str| {
                let (_, rest) = groups[0].split_once(name).unwrap();
                rest.split([';', '-']).next().unwrap().to_owned()
            };
            let group: Ipv4Addr = part(";destination=").parse().unwrap();
            let port: u16 = part(";port=").parse().unwrap();
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
            socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut datagram = [0; 2_048];
            let mut next = || {
                socket.recv(&mut datagram).unwrap();
                u16::from_be_bytes([datagram[2], datagram[3]])
            };
            let first = next();
            for ahead in 1..100 {
                assert_eq!(next(), first.wrapping_add(ahead), "each packet comes once");
            }
            drop(listeners);
            server.await_state("front", "idle", Duration::from_secs(20));
        },
    );
}

#[test]
fn multicast_that_nobody_configured_is_not_taken() {
    let server = Server::start(&format!("{ANYWHERE}[streams.front]\n{CAMERA}"));
    let mut client = Client::connect(&server);
    let url = format!("{}/trackID=0", url(&server, "front"));
    assert_eq!(client.ask("SETUP", &url, &["Transport: RTP/AVP;multicast"], "").status, 461);
    let transport = "Transport: RTP/AVP;multicast,RTP/AVP/TCP;unicast;interleaved=0-1";
    let taken = client.ask("SETUP", &url, &[transport], "");
    assert_eq!(taken.headers["transport"], "RTP/AVP/TCP;unicast;interleaved=0-1");
}
