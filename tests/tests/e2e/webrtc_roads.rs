//! WebRTC over bad roads and to a machine with several addresses: who is on a bad link gets less and not late, and nobody else notices.

#![allow(clippy::unwrap_used)] // a test may

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use firstlight_e2e::own_network::{TWO_ADDRESSES, in_a_network_of_its_own};
use firstlight_e2e::random::Random;
use firstlight_e2e::road::{GOOD, Quality, Road};
use firstlight_e2e::webrtc::{ANYWHERE, Peer, WATCH, listening};
use firstlight_e2e::{Server, http};

const LONG: Duration = Duration::from_secs(20);
/// 25 pictures a second, a random access point each second, 1.5 Mbit/s.
const CAMERA: &str = "[streams.front]\nsource = { test = { width = 640, height = 360, fps = 25, gop = 25, bitrate = \"1500k\", audio = \"opus\" } }\n";

fn camera() -> Server {
    Server::start(&format!("{ANYWHERE}{CAMERA}"))
}

/// Serves all of them for so long.
fn serve(peers: &mut [Peer], time: Duration, mut each: impl FnMut(&mut [Peer])) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        peers.iter_mut().for_each(|peer| peer.step(Duration::from_millis(1)));
        each(peers);
    }
}

fn all_play(peers: &mut [Peer], least: usize) {
    let end = Instant::now() + LONG;
    while peers.iter().any(|peer| peer.pictures.len() < least) {
        assert!(Instant::now() < end, "{peers:?}");
        peers.iter_mut().for_each(|peer| peer.step(Duration::from_millis(1)));
    }
}

#[test]
fn what_is_lost_or_late_is_repaired_and_a_lost_keyframe_at_once() {
    let server = camera();
    let address = listening(&server);
    let lossy = |lost| Quality { lost, ..GOOD };
    let jittery = Quality { lost: 20, jitter: Duration::from_millis(30), ..GOOD };
    let roads = [lossy(10), lossy(50), lossy(100), jittery, GOOD];
    let roads: Vec<Road> = (1..).zip(roads).map(|(seed, quality)| Road::to(address, quality, seed)).collect();
    let mut peers: Vec<Peer> = roads.iter().map(|road| Peer::watch_by(&server, "front", road)).collect();
    all_play(&mut peers, 20);
    let (start, before) = (Instant::now(), peers.iter().map(|peer| peer.pictures.len()).collect::<Vec<_>>());
    serve(&mut peers, Duration::from_secs(6), |_| ());
    let seconds = start.elapsed().as_secs_f64();
    // Where one in ten is lost, or all come in another order, what is sent again is lost or late again now and then.
    let longest = [500, 500, 1_000, 1_000, 500].map(Duration::from_millis);
    for (((peer, road), before), longest) in peers.iter().zip(&roads).zip(before).zip(longest) {
        let (pictures, gap) = (peer.pictures.len() - before, peer.longest_gap(start));
        let (lost, passed) = road.counts();
        println!(
            "{lost} of {} lost: {pictures} pictures in {seconds:.1} s, at most {gap:?} apart",
            lost + passed
        );
        assert!(pictures as f64 > seconds * 25.0 * 0.7, "{pictures} pictures of 25 a second");
        assert!(gap < longest, "{gap:?}");
    }
    // A keyframe, or most of it: the next ten packets after the last picture before it.
    let last = peers.len() - 1;
    let starts = |peer: &Peer| peer.pictures.iter().filter(|(_, is_start)| *is_start).count();
    let known = starts(&peers[last]);
    let mut seen = None;
    serve(&mut peers, Duration::from_secs(3), |peers| {
        let peer = &peers[last];
        if starts(peer) > known && seen.is_none() {
            seen = peer.pictures.iter().rposition(|(_, is_start)| *is_start);
        }
        if seen.is_some_and(|at| peer.pictures.len() == at + 24) {
            roads[last].lose(10);
            seen = Some(usize::MAX - 24);
        }
    });
    let gap = peers[last].longest_gap(start + Duration::from_secs_f64(seconds));
    println!("a lost keyframe was there after {gap:?}");
    assert!(roads[last].counts().0 >= 10, "it was lost");
    assert!(gap < Duration::from_millis(300), "{gap:?}");
}

#[test]
fn a_road_too_narrow_for_the_stream_carries_less_and_not_late_and_others_see_everything() {
    let server = camera();
    let address = listening(&server);
    // Half of what the stream has, in front of which four seconds of it may wait.
    let narrow = Quality { rate: Some((100_000.0, Duration::from_secs(4))), ..GOOD };
    let road = Road::to(address, narrow, 7);
    let mut peers = vec![Peer::watch_by(&server, "front", &road), Peer::watch(&server, "front")];
    all_play(&mut peers, 10);
    serve(&mut peers, Duration::from_secs(10), |_| ());
    let early = road.longest_wait();
    let (start, before) = (Instant::now(), peers.iter().map(|peer| peer.pictures.len()).collect::<Vec<_>>());
    serve(&mut peers, Duration::from_secs(6), |_| ());
    let (wait, lost) = (road.longest_wait(), road.counts().0);
    let counts: Vec<usize> =
        peers.iter().zip(before).map(|(peer, before)| peer.pictures.len() - before).collect();
    println!("{counts:?} pictures; packets waited for {early:?}, then {wait:?}; {lost} were lost");
    // Without control the four seconds are full by now.
    assert!(wait < Duration::from_millis(2_500), "{wait:?}");
    assert!(counts[0] >= 20 && counts[0] < counts[1], "less, and not nothing: {counts:?}");
    assert!(counts[1] >= 90 && peers[1].longest_gap(start) < Duration::from_millis(800), "{counts:?}");
    assert_eq!(peers[1].damaged, 0);
    // The road is wide again, and so is what comes.
    road.become_like(GOOD);
    let end = Instant::now() + Duration::from_secs(40);
    loop {
        let (before, others) = (peers[0].pictures.len(), peers[1].pictures.len());
        serve(&mut peers, Duration::from_secs(2), |_| ());
        // All that the other gets, but for some that are on their way.
        if peers[0].pictures.len() - before + 5 >= peers[1].pictures.len() - others {
            break;
        }
        assert!(Instant::now() < end, "everything comes again");
    }
}

#[test]
fn a_viewer_who_moves_to_another_address_goes_on_there() {
    let server = camera();
    let mut peer = Peer::watch(&server, "front");
    assert!(peer.run(LONG, |peer| peer.pictures.len() >= 30));
    for _ in 0..2 {
        peer.move_away(&server);
        let before = peer.pictures.len();
        let goes_on = peer.run(LONG, |peer| peer.pictures.len() >= before + 40);
        assert!(goes_on, "{} {}", server.json("/api/v1/webrtc/check"), server.log());
    }
    let viewers = server.json("/api/v1/viewers");
    assert_eq!(viewers.as_array().unwrap().len(), 1, "{viewers}");
}

#[test]
fn media_of_a_machine_with_two_addresses_comes_from_the_one_that_is_asked_and_no_other() {
    let name =
        "webrtc_roads::media_of_a_machine_with_two_addresses_comes_from_the_one_that_is_asked_and_no_other";
    in_a_network_of_its_own(TWO_ADDRESSES, name, || {
        let server = Server::start(&format!("auth = \"open\"\n[webrtc]\nlisten = \"0.0.0.0:0\"\n{CAMERA}"));
        let ours = ["10.9.1.1", "10.9.2.1"];
        for (from, hidden) in [(ours[0], None), (ours[0], Some(ours[0])), (ours[1], Some(ours[1]))] {
            let mut peer = Peer::at(from.parse().unwrap(), WATCH);
            let created = peer.post(&server, "/front/whep");
            assert!(ours.iter().all(|ip| created.body.contains(&format!(" {ip} "))), "{}", created.body);
            // Whoever knows one of them alone is answered from there, though the other would be nearer.
            let is_hidden = |line: &&str| {
                hidden.is_some_and(|ip| line.contains(&format!(" {ip} ")) && line.contains("candidate"))
            };
            let answer: Vec<&str> = created.body.lines().filter(|line| !is_hidden(line)).collect();
            peer.take(&(answer.join("\r\n") + "\r\n"));
            assert!(peer.run(LONG, |peer| peer.pictures.len() >= 50), "{from} without {hidden:?}: {peer:?}");
            assert_eq!((peer.sources.len(), peer.damaged), (1, 0), "{:?}", peer.sources);
            let (source, _) = peer.sources.first_key_value().unwrap();
            assert_ne!(Some(source.ip().to_string().as_str()), hidden);
        }
    });
}

/// Datagrams that look like something, and are nothing.
fn nonsense(luck: &mut Random) -> Vec<u8> {
    let length = 1 + luck.below(1_300);
    let mut bytes = luck.bytes(length);
    // STUN, DTLS, RTP, RTCP, or anything.
    match luck.below(5) {
        0 => {
            // A binding request for a session that is guessed.
            let fragment = format!("{:04x}:guess", luck.below(65_536));
            let mut rest = vec![0, 6, 0, fragment.len() as u8];
            rest.extend_from_slice(fragment.as_bytes());
            rest.resize(rest.len().next_multiple_of(4), 0);
            bytes = vec![0, 1, 0, rest.len() as u8, 0x21, 0x12, 0xa4, 0x42];
            bytes.extend_from_slice(&luck.bytes(12));
            bytes.extend_from_slice(&rest);
        }
        1 => bytes[0] = 22,
        2 => bytes[0] = 0x80,
        3 if length > 1 => (bytes[0], bytes[1]) = (0x81, 201),
        _ => {}
    }
    bytes
}

#[test]
fn garbage_and_what_is_sent_again_hurt_no_session_and_grow_nothing() {
    let server = camera();
    let address = listening(&server);
    let road = Road::to(address, GOOD, 3);
    let mut peers = [Peer::watch_by(&server, "front", &road)];
    all_play(&mut peers, 25);
    let memory = |server: &Server| {
        let all = server.get("/metrics").body;
        let line = all.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        line.and_then(|bytes| bytes.parse::<f64>().ok()).expect("memory is counted")
    };
    let before = memory(&server);
    // Everything the peer said, from an address that is not theirs, and as fast as one sender can; answers are counted.
    let (heard, over) = (road.heard(), AtomicBool::new(false));
    let (sent, answers) = thread::scope(|scope| {
        let storm = scope.spawn(|| storm(address, &heard, &over));
        let start = Instant::now();
        serve(&mut peers, Duration::from_secs(3), |_| ());
        over.store(true, Ordering::Relaxed);
        let gap = peers[0].longest_gap(start);
        println!("at most {gap:?} between pictures");
        storm.join().unwrap()
    });
    let grown = memory(&server) - before;
    println!("{sent} datagrams of nonsense, {answers} answers, {grown} bytes more");
    assert!(grown < 32e6, "{grown} bytes");
    assert_eq!(answers, 0, "what is nobody's, or came before, is not answered");
    assert!(sent > 1_000);
    let seen = peers[0].pictures.len();
    all_play(&mut peers, seen + 25);
    assert_eq!(peers[0].damaged, 0);
    assert_eq!(server.json("/api/v1/viewers").as_array().unwrap().len(), 1);
    // A session that is guessed is nobody's.
    for path in ["/front/whep/0123456789abcdef", "/front/whip/guessed"] {
        assert_eq!(http::request(server.address(), "DELETE", path, &[], b"").status, 404, "{path}");
    }
}

/// Sends nonsense until it is over; how much, and how often it was answered.
fn storm(server: SocketAddr, heard: &[Vec<u8>], over: &AtomicBool) -> (usize, usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let (mut luck, mut sent, mut answers, mut buffer) = (Random::new(5), 0, 0, [0; 2_000]);
    while !over.load(Ordering::Relaxed) {
        let datagram = if luck.below(4) == 0 { luck.pick(heard).clone() } else { nonsense(&mut luck) };
        sent += usize::from(socket.send_to(&datagram, server).is_ok());
        while socket.recv(&mut buffer).is_ok() {
            answers += 1;
        }
    }
    (sent, answers)
}

#[test]
fn a_flood_of_offers_ends_at_the_limit_with_words_and_starts_no_camera_for_those_refused() {
    let server = Server::start(&format!(
        "{ANYWHERE}[limits]\nviewers = 5\n{CAMERA}[streams.other]\nsource = \"test\"\n"
    ));
    let offer = Peer::new(WATCH).offer().to_owned();
    let post = |path: &str| firstlight_e2e::webrtc::post(&server, path, &offer);
    let answers: Vec<_> = (0..40).map(|_| post("/front/whep")).collect();
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 5);
    for refused in &answers[5..] {
        assert_eq!(refused.status, 503, "{}", refused.body);
        assert!(refused.body.contains("as many watch as may (5)"), "{}", refused.body);
    }
    assert_eq!(post("/other/whep").status, 503);
    assert_eq!(server.state("other"), "idle", "a viewer who is refused wakes no camera");
}
