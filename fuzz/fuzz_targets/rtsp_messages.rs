//! Any bytes of a connection through the reader, and what comes of it through both sides' machines.
//!
//! Read in one piece or in many, it is the same, in HTTP too. Whatever a driver would grant is granted.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use rtsp::{
    Client, Credentials, Item, Method, Reader, Server, Step, Transport, TransportSpec, TunnelDecoder,
    TunnelHead,
};

fn read(bytes: &[u8], piece: usize) -> Vec<Item> {
    let (mut reader, mut items) = (Reader::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        reader.push(piece);
        loop {
            match reader.pull() {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(_) => return items,
            }
        }
    }
    items
}

/// A half of a tunnel: its head, and requests behind it.
fn unwrap(bytes: &[u8], piece: usize) -> Option<Vec<u8>> {
    let head = TunnelHead::read(bytes).ok()??;
    assert_eq!(TunnelHead::read(&bytes[..head.length - 1]), Ok(None));
    let (mut decoder, mut out) = (TunnelDecoder::default(), Vec::new());
    for piece in bytes[head.length..].chunks(piece) {
        decoder.push(piece, &mut out).ok()?;
    }
    Some(out)
}

fuzz_target!(|bytes: &[u8]| {
    if TunnelHead::is_begun(bytes) == Some(true) {
        assert_eq!(unwrap(bytes, bytes.len()), unwrap(bytes, 3));
    }
    let items = read(bytes, bytes.len().max(1));
    assert_eq!(items, read(bytes, 7));
    let mut server = Server::new("s".to_owned()).with_groups(true);
    let mut client = Client::new(Some(Credentials::new("u", "p")));
    let mut out = BytesMut::new();
    for item in items {
        match item {
            Item::Request(request) => {
                let response = match server.handle(&request) {
                    Step::Answer(response) => response,
                    Step::Describe(asked) => server.answer(&asked, 200),
                    Step::Announce(asked, description) => server.announced(&asked, description),
                    Step::SetUp(set_up) => {
                        let mut spec =
                            TransportSpec { protocol: "RTP/AVP".to_owned(), ..TransportSpec::default() };
                        match set_up.transport {
                            Transport::Udp(rtp, rtcp) => spec.client_port = Some((rtp, rtcp)),
                            Transport::Multicast => {
                                spec.is_multicast = true;
                                spec.destination = Some("239.1.2.3".to_owned());
                                spec.ttl = Some(1);
                            }
                            Transport::Interleaved(channels) => {
                                spec.protocol = "RTP/AVP/TCP".to_owned();
                                spec.interleaved = channels.or(Some((0, 1)));
                            }
                        }
                        server.set_up(&set_up, &spec)
                    }
                    Step::Play(asked) | Step::Record(asked) => server.begin(&asked),
                    Step::Pause(asked) => server.pause(&asked),
                    Step::TearDown(response) => response,
                };
                assert!(server.tracks().len() <= 16);
                out.clear();
                response.write(&mut out);
                assert!(
                    matches!(read(&out, out.len())[..], [Item::Response(_)]),
                    "what we write can be read"
                );
            }
            Item::Response(response) => {
                let _ = client.answered(Method::Describe, &response);
                out.clear();
                client.request(Method::Play, "rtsp://h/a").write(&mut out);
            }
            Item::Data(..) => {}
        }
    }
});
