//! Server and client against each other, in pieces of any size.

use aws_lc_rs::hmac;
use proptest::prelude::*;

use container::Grouping;
use container::flv::TagKind;

use crate::{
    Client, ClientEvent, MessageType, Packaging, Purpose, Refusal, RtmpError, Secrets, Server, ServerEvent,
    Target, write_message,
};

/// A hash as the server has it, and no randomness.
pub(crate) fn secrets() -> Secrets {
    fn sign(key: &[u8], message: &[u8]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, message).as_ref().try_into().unwrap()
    }
    Secrets { hmac: sign, seed: [7; 32] }
}

struct Pair {
    server: Server,
    client: Client,
    piece: usize,
}

impl Pair {
    fn new(purpose: Purpose, piece: usize) -> Self {
        let target = Target {
            url: "rtmp://cam/live".to_owned(),
            app: "live".to_owned(),
            key: "front?token=secret".to_owned(),
        };
        Self {
            server: Server::new(secrets(), 1 << 20),
            client: Client::new(target, purpose, &secrets()),
            piece,
        }
    }

    /// Moves bytes until neither side has any more.
    fn settle(&mut self) -> Result<(), RtmpError> {
        loop {
            let (up, down) = (self.client.take_output(), self.server.take_output());
            if up.is_empty() && down.is_empty() {
                return Ok(());
            }
            up.chunks(self.piece).try_for_each(|piece| self.server.receive(piece))?;
            down.chunks(self.piece).try_for_each(|piece| self.client.receive(piece))?;
        }
    }
}

#[test]
fn a_publisher_is_asked_about_and_its_tags_come_through() {
    for piece in [1, 100, 10_000] {
        let mut pair = Pair::new(Purpose::Publish, piece);
        pair.settle().unwrap();
        let Some(ServerEvent::Publish(request)) = pair.server.poll_event() else { panic!("nobody asked") };
        assert_eq!(
            (&request.app[..], &request.key[..], &request.query[..]),
            ("live", "front", "token=secret")
        );
        assert!(request.knows_opus);
        assert_eq!(pair.client.poll_event(), None, "not before it is let");
        pair.server.accept();
        pair.settle().unwrap();
        assert_eq!(pair.client.poll_event(), Some(ClientEvent::Ready { stream: 1, knows_opus: true }));
        let mut bytes = Vec::new();
        let body = vec![5; 100_000];
        write_message((6, 65_536), (MessageType::Video, 40, 1), &[&body], &mut bytes);
        bytes.chunks(piece).for_each(|piece| pair.server.receive(piece).unwrap());
        assert_eq!(
            pair.server.poll_event(),
            Some(ServerEvent::Tag { kind: TagKind::Video, timestamp: 40, body })
        );
        pair.client.end();
        pair.settle().unwrap();
        assert_eq!(pair.server.poll_event(), Some(ServerEvent::Ended));
        assert_eq!(pair.server.poll_event(), None);
    }
}

#[test]
fn a_player_hears_that_it_plays_and_when_it_is_over() {
    let mut pair = Pair::new(Purpose::Play, 1_000);
    pair.settle().unwrap();
    assert!(matches!(pair.server.poll_event(), Some(ServerEvent::Play(request)) if request.key == "front"));
    pair.server.accept();
    pair.settle().unwrap();
    assert_eq!(pair.client.poll_event(), Some(ClientEvent::Ready { stream: 1, knows_opus: true }));
    assert!(matches!(pair.client.poll_event(), Some(ClientEvent::Tag { kind: TagKind::Script, .. })));
    pair.server.end_play("the stream was removed");
    pair.settle().unwrap();
    assert_eq!(pair.client.poll_event(), Some(ClientEvent::Ended("the stream is over".to_owned())));
    assert_eq!(pair.client.poll_event(), Some(ClientEvent::Ended("the stream was removed".to_owned())));
}

#[test]
fn whoever_is_refused_is_told_why() {
    for (purpose, why, code) in [
        (Purpose::Publish, Refusal::Denied, "NetStream.Publish.Denied"),
        (Purpose::Publish, Refusal::Failed, "NetStream.Publish.BadName"),
        (Purpose::Play, Refusal::NotFound, "NetStream.Play.StreamNotFound"),
        (Purpose::Play, Refusal::Failed, "NetStream.Play.Failed"),
    ] {
        let mut pair = Pair::new(purpose, 1_000);
        pair.settle().unwrap();
        pair.server.refuse(why, "no such stream");
        let error = pair.settle().unwrap_err().to_string();
        assert!(error.contains(code) && error.ends_with("no such stream"), "{error}");
    }
}

fn command(name: &str) -> Vec<u8> {
    use container::flv::amf0::{Value, write_all};
    let payload = write_all(&[name.into(), 9.0.into(), Value::Null, "x".into()]);
    let mut bytes = Vec::new();
    write_message((3, 128), (MessageType::Command, 0, 0), &[&payload], &mut bytes);
    bytes
}

/// A server whose peer has shaken hands.
fn opened() -> Server {
    let mut server = Server::new(secrets(), 1 << 20);
    server.receive(&[&[3][..], &[0; 1_536], &[0; 1_536]].concat()).unwrap();
    assert!(server.is_open());
    server
}

#[test]
fn commands_at_the_wrong_time_are_refused() {
    let error = opened().receive(&command("publish")).unwrap_err().to_string();
    assert_eq!(error, "connect must be the first command");
    let mut server = opened();
    server.receive(&command("connect")).unwrap();
    server.receive(&command("play")).unwrap();
    let error = server.receive(&command("publish")).unwrap_err().to_string();
    assert_eq!(error, "publish comes twice on one connection");
}

#[test]
fn a_stranger_may_send_little() {
    let mut server = opened();
    let mut bytes = Vec::new();
    write_message((4, 128), (MessageType::Video, 0, 1), &[&[0; 70_000]], &mut bytes);
    assert!(matches!(server.receive(&bytes), Err(RtmpError::TooLong { length: 70_000, limit: 65_536, .. })));
}

#[test]
fn questions_of_the_protocol_are_answered() {
    let mut server = opened();
    server.take_output();
    // The peer wants to hear after 5,000 bytes, and asks whether we are there.
    server.receive(&[2, 0, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0, 0, 0, 0x13, 0x88]).unwrap();
    server.receive(&[2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 1, 2, 3, 4]).unwrap();
    assert_eq!(server.take_output(), [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4]);
    let mut bytes = Vec::new();
    write_message((4, 128), (MessageType::Audio, 0, 1), &[&[0; 6_000]], &mut bytes);
    server.receive(&bytes).unwrap();
    let told = u32::try_from(16 + 18 + bytes.len()).unwrap().to_be_bytes();
    assert_eq!(server.take_output(), [&[2, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0][..], &told].concat());
}

#[test]
fn several_tags_in_one_message_are_taken_apart() {
    let mut pair = Pair::new(Purpose::Publish, 1_000);
    pair.settle().unwrap();
    pair.server.poll_event();
    pair.server.accept();
    let tag = |kind: u8, time: u8| [kind, 0, 0, 1, 0, 0, time, 0, 0, 0, 0, time, 0, 0, 0, 12];
    let payload = [tag(8, 10), tag(9, 33)].concat();
    let mut bytes = Vec::new();
    write_message((4, 65_536), (MessageType::Aggregate, 1_000, 1), &[&payload], &mut bytes);
    pair.server.receive(&bytes).unwrap();
    let tag = |kind, timestamp, body: u8| Some(ServerEvent::Tag { kind, timestamp, body: vec![body] });
    assert_eq!(pair.server.poll_event(), tag(TagKind::Audio, 1_000, 10));
    assert_eq!(pair.server.poll_event(), tag(TagKind::Video, 1_023, 33));
}

#[test]
fn a_server_that_sends_at_once_and_several_tags_together_is_played() {
    let mut pair = Pair::new(Purpose::Play, 1_000);
    pair.settle().unwrap();
    let tag = |kind: u8, time: u8| [kind, 0, 0, 1, 0, 0, time, 0, 0, 0, 0, time, 0, 0, 0, 12];
    let mut bytes = Vec::new();
    let payload = [tag(8, 10), tag(9, 33)].concat();
    write_message((4, 65_536), (MessageType::Aggregate, 1_000, 1), &[&payload], &mut bytes);
    pair.client.receive(&bytes).unwrap();
    assert_eq!(pair.client.poll_event(), Some(ClientEvent::Ready { stream: 1, knows_opus: true }));
    let tag = |kind, timestamp, body: u8| Some(ClientEvent::Tag { kind, timestamp, body: vec![body] });
    assert_eq!(pair.client.poll_event(), tag(TagKind::Audio, 1_000, 10));
    assert_eq!(pair.client.poll_event(), tag(TagKind::Video, 1_023, 33));
}

#[test]
fn keys_of_packagings_differ_with_the_output() {
    let mut keys = std::collections::HashSet::new();
    for (stream, publishes, opus) in [1, 2].into_iter().flat_map(|stream| {
        [(false, false), (false, true), (true, false), (true, true)].map(|(p, o)| (stream, p, o))
    }) {
        for grouping in [Grouping::RideOnVideo, Grouping::EveryUnit] {
            keys.insert(Packaging { stream, publishes, opus, grouping }.key());
        }
    }
    assert_eq!(keys.len(), 16);
}

proptest! {
    #[test]
    fn any_bytes_behind_the_handshake_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut server = opened();
        let _ = server.receive(&bytes);
        prop_assert!(server.take_output().len() < 64_000);
    }
}
