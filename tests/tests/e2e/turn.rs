//! Calls that reach the other side by a TURN server alone: coturn, in a network where nothing else is let through.

#![allow(clippy::unwrap_used)] // a test may

use std::time::Duration;

use firstlight_e2e::own_network::in_a_network_of_its_own;
use firstlight_e2e::turn::{PASSWORD, PORTS, TurnServer};
use firstlight_e2e::webrtc::ANYWHERE;
use firstlight_e2e::{Server, Viewer, eventually, tool};

const PATTERN: &str = "{ test = { width = 320, height = 240, fps = 25, gop = 25, audio = \"aac\" } }";
/// What is for the port 4999 by UDP passes only if it comes from a port that a TURN server gives ([`PORTS`]).
const ONLY_BY_TURN: &str = "ip rule add pref 100 lookup local && ip rule del pref 0 \
    && ip rule add pref 1 ipproto udp dport 4999 sport 20000-20999 lookup local && ip rule add pref 2 ipproto udp dport 4999 prohibit";

/// Pulls a stream of another server, and pushes one to it.
fn caller(ice_servers: &str, other: &Server) -> Server {
    let other = other.address();
    Server::start(&format!(
        "[webrtc]\nlisten = []\nice_servers = [{ice_servers}]\n[streams.eye]\nsource = \"whep://{other}/eye/whep\"\n\
         [streams.front]\nsource = {PATTERN}\npush = \"whip://{other}/guest/whip\"\n",
    ))
}

#[test]
fn where_only_a_turn_server_gets_through_calls_go_by_it() {
    let name = "turn::where_only_a_turn_server_gets_through_calls_go_by_it";
    assert!(ONLY_BY_TURN.contains(&format!("sport {PORTS} ")));
    in_a_network_of_its_own(ONLY_BY_TURN, name, || {
        let other = Server::start(&format!(
            "[webrtc]\nlisten = \"127.0.0.1:4999\"\n[streams.eye]\nsource = {PATTERN}\n[streams.guest]\n"
        ));
        let turn = TurnServer::at("127.0.0.1".parse().unwrap());
        // Who does not know of it does not get there.
        let stranger = Server::start(&format!(
            "[webrtc]\nlisten = []\n[streams.eye]\nsource = \"whep://{}/eye/whep\"\n",
            other.address()
        ));
        let _lost = Viewer::open(&stranger, "/eye/ws?format=fmp4");
        let server = caller(&turn.config(PASSWORD), &other);
        let mut viewer = Viewer::open(&server, "/eye/ws?format=fmp4");
        let seen = viewer.binaries(60).concat();
        let decoded = tool::decode("mp4", &seen);
        assert_eq!(decoded.errors, "");
        assert!(decoded.pictures >= 15, "{}", decoded.pictures);
        other.await_state("guest", "live", Duration::from_secs(20));
        let mut viewer = Viewer::open(&other, "/guest/ws?format=fmp4");
        assert_eq!(tool::decode("mp4", &viewer.binaries(60).concat()).errors, "");
        let why = stranger.await_reason("eye");
        assert!(why.contains("nothing that can be played came"), "{why}");
        assert!(!server.log().contains("does not help"), "{}", server.log());
    });
}

#[test]
fn a_turn_server_that_does_not_help_is_told_and_done_without() {
    let other = Server::start(&format!("{ANYWHERE}[streams.eye]\nsource = {PATTERN}\n[streams.guest]\n"));
    let turn = TurnServer::at("127.0.0.1".parse().unwrap());
    let nobody = "{ url = \"turn:127.0.0.1:9\", user = \"anna\", password = \"hidden\" }";
    let server = caller(&format!("{}, {nobody}", turn.config("hidden")), &other);
    let mut viewer = Viewer::open(&server, "/eye/ws?format=fmp4");
    assert_eq!(tool::decode("mp4", &viewer.binaries(60).concat()).errors, "");
    for why in [
        format!(
            "turn:{}: it gives no address: is the user known there, and the password right?",
            turn.address()
        ),
        "turn:127.0.0.1:9: it does not answer".to_owned(),
    ] {
        eventually(&why, || server.log().contains(&why).then_some(()));
    }
    assert!(!server.log().contains("hidden"), "{}", server.log());
}
