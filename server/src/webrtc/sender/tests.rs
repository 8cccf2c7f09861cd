//! A sender and its viewer, on a socket, with reports that are really sealed.

use std::net::UdpSocket;

use rtp::packet;
use srtp::{Ends, Opener, Profile, Sealer};

use super::super::flow::Agreed;
use super::super::port::{Outbox, Port, Way};
use super::super::streams::Streams;
use super::*;

const VIDEO: u32 = 0x0101_0101;
const AGAIN_SSRC: u32 = 0x0202_0202;
const AUDIO: u32 = 0x0303_0303;

/// A sender, and its viewer on a socket.
struct Scene {
    sender: Sender,
    outbox: Outbox,
    ports: Vec<Port>,
    streams: Streams,
    way: Way,
    viewer: UdpSocket,
    /// What the viewer seals its reports with, and opens ours.
    reports: Sealer,
    opener: Opener,
    start: Instant,
}

impl Scene {
    fn new(has_again: bool) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let viewer = UdpSocket::bind("127.0.0.1:0").unwrap();
        viewer.set_nonblocking(true).unwrap();
        let (local, peer) = (socket.local_addr().unwrap(), viewer.local_addr().unwrap());
        socket.set_nonblocking(true).unwrap();
        let port = Port::new(tokio::net::UdpSocket::from_std(socket).unwrap()).unwrap();
        let Ends { client, server } = srtp::ends(Profile::AeadAes128Gcm, &[7; 56]).unwrap();
        let keys = Keys { sealer: Sealer::new(&server).unwrap(), opener: Opener::new(&client).unwrap() };
        let agreed = |ssrc, clock, again| Agreed {
            mid: "v".into(),
            payload_type: 96,
            ssrc,
            again,
            clock,
            name: "n".into(),
            mid_extension: Some(4),
            numbering_extension: Some(3),
        };
        let video = Flow::new(agreed(VIDEO, 90_000, has_again.then_some((97, AGAIN_SSRC))), 0);
        let audio = Flow::new(agreed(AUDIO, 48_000, None), 0);
        let start = Instant::now();
        let mut sender =
            Sender::new(Flows { video: Some(video), audio: Some(audio) }, KeyPlace::default(), start);
        assert_eq!(sender.unlock(), Ok(false), "there was no handshake");
        sender.keys = Some(keys);
        Self {
            sender,
            outbox: Outbox::default(),
            ports: vec![port],
            streams: Streams::default(),
            way: Way { is_tcp: false, local, peer },
            viewer,
            reports: Sealer::new(&client).unwrap(),
            opener: Opener::new(&server).unwrap(),
            start,
        }
    }

    fn after(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn exit<'s>(outbox: &'s mut Outbox, ports: &'s [Port], streams: &'s Streams, way: Way) -> Exit<'s> {
        Exit::through(way, outbox, ports, streams)
    }

    fn send(&mut self, kind: MediaKind, timestamp: u32, millis: u64) {
        let (now, packet) =
            (self.after(millis), Packet { kind, marker: true, timestamp, payload: vec![9; 100].into() });
        let mut exit = Self::exit(&mut self.outbox, &self.ports, &self.streams, self.way);
        match kind {
            MediaKind::Video => {
                self.sender.send(&Run::of([packet].into(), timestamp, Some(now)), now, &mut exit);
            }
            MediaKind::Audio => self.sender.send_sound(&[packet], now, now, &mut exit),
        }
    }

    /// The viewer says something: a compound packet that begins with a report on nothing.
    fn say(&mut self, rest: &[u8], millis: u64) -> Option<bool> {
        let mut bytes = Vec::new();
        ReceptionReport::write(None, 1, "viewer", &mut bytes);
        bytes.extend_from_slice(rest);
        self.reports.seal_report(&mut bytes).unwrap();
        self.hear(&mut bytes, millis)
    }

    fn hear(&mut self, bytes: &mut [u8], millis: u64) -> Option<bool> {
        let now = self.after(millis);
        let mut exit = Self::exit(&mut self.outbox, &self.ports, &self.streams, self.way);
        self.sender.hear(bytes, now, &mut exit)
    }

    /// The datagrams that reached the viewer.
    fn came(&mut self) -> Vec<Vec<u8>> {
        self.outbox.flush(&self.ports);
        let mut buffer = [0; 2_000];
        let receive = || self.viewer.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec());
        std::iter::from_fn(receive).collect()
    }

    /// Those of media, each with what its header says.
    fn packets(&mut self) -> Vec<(packet::Header, Vec<u8>)> {
        let media: Vec<Vec<u8>> = self.came().into_iter().filter(|bytes| !packet::is_rtcp(bytes)).collect();
        media.into_iter().map(|bytes| (packet::Packet::parse(&bytes).unwrap().header, bytes)).collect()
    }
}

fn nack(ssrc: u32, first: u16, mask: u16) -> Vec<u8> {
    let mut bytes = vec![0x81, 205, 0, 3, 0, 0, 0, 1];
    bytes.extend_from_slice(&ssrc.to_be_bytes());
    bytes.extend_from_slice(&first.to_be_bytes());
    bytes.extend_from_slice(&mask.to_be_bytes());
    bytes
}

#[tokio::test]
async fn what_is_missing_is_sent_again_from_another_source_and_not_twice_at_once() {
    let mut scene = Scene::new(true);
    scene.ports[0].writable().await;
    for at in 0..4 {
        scene.send(MediaKind::Video, 3_000 * at, u64::from(at));
    }
    let sent = scene.packets();
    assert!(sent.iter().map(|(header, _)| (header.sequence, header.ssrc)).eq((0..4).map(|at| (at, VIDEO))));
    assert_eq!(scene.say(&nack(VIDEO, 1, 0b10), 10), Some(false));
    scene.say(&nack(VIDEO, 1, 0), 12);
    let again = scene.packets();
    let told = |(header, bytes): &(packet::Header, Vec<u8>)| {
        (header.sequence, header.ssrc, header.payload_type, header.timestamp, bytes.len())
    };
    let longer = sent[1].1.len() + 2;
    assert_eq!(
        again.iter().map(told).collect::<Vec<_>>(),
        [(0, AGAIN_SSRC, 97, 3_000, longer), (1, AGAIN_SSRC, 97, 9_000, longer)]
    );
    // Later it is asked for because that was lost as well; what never was, or is long over, is not there.
    scene.say(&nack(VIDEO, 1, 0), 40);
    assert_eq!(scene.packets().len(), 1);
    scene.say(&nack(VIDEO, 60_000, 0xffff), 80);
    scene.say(&nack(AUDIO, 0, 0xffff), 80);
    assert_eq!(scene.packets().len(), 0);
    scene.send(MediaKind::Video, 12_000, 1_100);
    scene.say(&nack(VIDEO, 1, 0), 1_100);
    assert_eq!(scene.packets().len(), 1);
}

#[tokio::test]
async fn of_a_picture_of_many_packets_those_are_sent_again_that_are_missing() {
    let mut scene = Scene::new(true);
    scene.ports[0].writable().await;
    let packet = |at: u8| Packet {
        kind: MediaKind::Video,
        marker: at == 9,
        timestamp: 1,
        payload: vec![at; 50 + usize::from(at)].into(),
    };
    let picture: Arc<[Packet]> = (0..10).map(packet).collect();
    let now = scene.start;
    let mut exit = Scene::exit(&mut scene.outbox, &scene.ports, &scene.streams, scene.way);
    // Some at once, the others one by one, as where a road is narrow; all at a time of this viewer's.
    let (first, rest) = Run::of(picture, 77, None).split(4);
    scene.sender.send(&first, now, &mut exit);
    rest.each().for_each(|packet| scene.sender.send(&packet, now, &mut exit));
    let sent = scene.packets();
    assert!(
        sent.iter().map(|(header, _)| (header.sequence, header.timestamp)).eq((0..10).map(|at| (at, 77)))
    );
    scene.say(&nack(VIDEO, 2, 0b100_0010), 10);
    let again: Vec<_> = scene
        .packets()
        .iter()
        .map(|(header, bytes)| (header.timestamp, header.marker, bytes.len()))
        .collect();
    let longer = |at: usize| sent[at].1.len() + 2;
    assert_eq!(again, [(77, false, longer(2)), (77, false, longer(4)), (77, true, longer(9))]);
}

#[tokio::test]
async fn without_another_source_a_packet_is_repeated_to_the_last_byte() {
    let mut scene = Scene::new(false);
    scene.ports[0].writable().await;
    scene.send(MediaKind::Video, 0, 0);
    scene.sender.number(true);
    scene.send(MediaKind::Video, 3_000, 1);
    let sent = scene.packets();
    scene.sender.number(false);
    scene.say(&nack(VIDEO, 0, 1), 20);
    let again = scene.packets();
    assert_eq!(again.iter().map(|(_, bytes)| bytes).collect::<Vec<_>>(), [&sent[0].1, &sent[1].1]);
}

#[tokio::test]
async fn who_asks_for_everything_again_and_again_is_sent_no_more_than_a_part() {
    let mut scene = Scene::new(true);
    scene.ports[0].writable().await;
    for at in 0..100 {
        scene.send(MediaKind::Video, at, 0);
    }
    scene.came();
    let mut again = 0;
    for turn in 1..200 {
        scene.say(&nack(VIDEO, 90, 0x1ff), turn * 20 % 900);
        again += scene.packets().len();
    }
    // 30 kB, and three tenths of what was sent.
    assert!((100..400).contains(&again), "{again}");
}

#[tokio::test]
async fn a_report_ties_both_clocks_and_comes_back_as_a_round_trip() {
    let mut scene = Scene::new(true);
    scene.ports[0].writable().await;
    scene.send(MediaKind::Video, 90_000, 0);
    scene.send(MediaKind::Audio, 48_000, 100);
    let mut reports: Vec<Vec<u8>> = scene.came().into_iter().filter(|bytes| packet::is_rtcp(bytes)).collect();
    assert_eq!(reports.len(), 1, "as soon as both clocks are known");
    let told = Rtcp::parse(scene.opener.open(&mut reports[0]).unwrap()).unwrap();
    let told: Vec<_> = told
        .iter()
        .filter_map(|packet| match packet {
            Rtcp::SenderReport(report, _) => Some((report.ssrc, report.rtp_timestamp, report.ntp)),
            _ => None,
        })
        .collect();
    // A tenth of a second after the picture's time.
    let [(VIDEO, 99_000, ntp), (AUDIO, 48_000, same)] = told[..] else { panic!("{told:?}") };
    assert_eq!(ntp, same);
    let report = ReceptionReport {
        ssrc: VIDEO,
        fraction_lost: 64,
        last_report: ntp.middle(),
        delay: 0,
        ..ReceptionReport::default()
    };
    let mut bytes = Vec::new();
    ReceptionReport::write(Some(&report), 1, "viewer", &mut bytes);
    scene.reports.seal_report(&mut bytes).unwrap();
    assert_eq!(scene.hear(&mut bytes.clone(), 150), Some(false));
    assert_eq!(scene.hear(&mut bytes, 150), None, "it came before");
    let news = scene.sender.news(scene.after(150)).unwrap();
    assert!((news.lost - 0.25).abs() < 1e-6 && news.round_trip < Duration::from_secs(60));
    // Each second from then on; and the peer knows the medium, so its name is no longer said.
    let mut exit = Scene::exit(&mut scene.outbox, &scene.ports, &scene.streams, scene.way);
    scene.sender.advance(scene.start + Duration::from_millis(900), &mut exit);
    scene.sender.advance(scene.start + Duration::from_millis(1_100), &mut exit);
    scene.send(MediaKind::Video, 93_000, 1_200);
    let came = scene.came();
    assert_eq!(came.iter().map(|bytes| packet::is_rtcp(bytes)).collect::<Vec<_>>(), [true, false]);
    assert_eq!(came[1].len(), 12 + 100 + 16);
}

#[tokio::test]
async fn packets_are_numbered_while_something_is_wrong() {
    let mut scene = Scene::new(true);
    scene.ports[0].writable().await;
    scene.send(MediaKind::Video, 0, 0);
    scene.sender.number(true);
    scene.send(MediaKind::Video, 3_000, 10);
    scene.send(MediaKind::Audio, 960, 20);
    let extensions: Vec<Vec<u8>> =
        scene.packets().into_iter().map(|(_, bytes)| bytes[12..bytes.len() - 116].to_vec()).collect();
    let mid = [4 << 4, b'v'];
    assert_eq!(extensions[0], [&[0xbe, 0xde, 0, 1][..], &mid, &[0, 0]].concat());
    assert_eq!(extensions[1], [&[0xbe, 0xde, 0, 2][..], &mid, &[3 << 4 | 1, 0, 0, 0, 0, 0]].concat());
    assert_eq!(extensions[2], [&[0xbe, 0xde, 0, 2][..], &mid, &[3 << 4 | 1, 0, 1, 0, 0, 0]].concat());
    // The first came, the second did not.
    let arrivals = [0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0b1010_0000, 0, 0, 0];
    scene.say(&arrivals, 60);
    let news = scene.sender.news(scene.after(60)).unwrap();
    assert_eq!((news.round_trip, news.lost), (Duration::from_millis(50), 0.5));
}

#[tokio::test]
async fn a_beginning_is_asked_for_by_the_peer_alone() {
    let mut scene = Scene::new(true);
    let ask = |ssrc: u32| {
        let mut bytes = vec![0x81, 206, 0, 2, 0, 0, 0, 1];
        bytes.extend_from_slice(&ssrc.to_be_bytes());
        bytes
    };
    assert_eq!(scene.say(&ask(VIDEO), 0), Some(true));
    assert_eq!(scene.say(&ask(AUDIO), 0), Some(false));
    assert_eq!(scene.hear(&mut ask(VIDEO), 0), None, "not sealed");
}
