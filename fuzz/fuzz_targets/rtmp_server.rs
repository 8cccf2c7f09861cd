//! A session's bytes: handshake by the first byte's choice, then anything, with whoever asks let or turned away.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rtmp::{Client, Purpose, Refusal, Secrets, Server, ServerEvent, Target};

/// No hash, but something that differs with what it is given.
fn mix(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut sum = [0_u8; 32];
    for (at, byte) in key.iter().chain(message).enumerate() {
        sum[at % 32] = sum[at % 32].wrapping_mul(31).wrapping_add(*byte);
    }
    sum
}

fuzz_target!(|input: &[u8]| {
    let Some((&seed, bytes)) = input.split_first() else { return };
    let secrets = Secrets { hmac: mix, seed: [seed; 32] };
    let piece = usize::from(seed >> 2) * 5 + 1;
    let mut server = Server::new(secrets, 1 << 16);
    if seed & 1 == 0 {
        let hello = [&[3][..], &[0; 1_536], &[0; 1_536]].concat();
        server.receive(&hello).expect("a plain handshake");
    }
    for piece in bytes.chunks(piece) {
        let received = server.receive(piece);
        while let Some(event) = server.poll_event() {
            match event {
                ServerEvent::Publish(_) | ServerEvent::Play(_) if seed & 2 == 0 => server.accept(),
                ServerEvent::Publish(_) | ServerEvent::Play(_) => server.refuse(Refusal::Failed, "no"),
                ServerEvent::Tag { body, .. } => assert!(body.len() <= 1 << 16),
                ServerEvent::Ended => {}
            }
        }
        // A few bytes may ask for many answers, but not for more than some hundred each.
        assert!(server.take_output().len() <= 4_096 + 256 * bytes.len());
        if received.is_err() {
            break;
        }
    }

    let target = Target { url: "rtmp://h/a".to_owned(), app: "a".to_owned(), key: "k".to_owned() };
    let purpose = if seed & 2 == 0 { Purpose::Play } else { Purpose::Publish };
    let mut client = Client::new(target, purpose, &secrets);
    client.receive(&[&[3][..], &[0; 1_536], &[0; 1_536]].concat()).expect("a plain handshake");
    for piece in bytes.chunks(piece) {
        if client.receive(piece).is_err() {
            break;
        }
        while client.poll_event().is_some() {}
    }
});
