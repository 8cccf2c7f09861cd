//! Any bytes in any pieces through the chunk reader: the messages are those of the uncut bytes, and written again they are read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rtmp::{ChunkReader, Message, MessageType, RtmpError, write_message};

const LIMIT: usize = 1 << 16;

fn read(bytes: &[u8], piece: usize) -> (Vec<Message>, Option<RtmpError>) {
    let mut reader = ChunkReader::new(LIMIT);
    let mut messages = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        reader.push(piece);
        loop {
            match reader.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&seed, bytes)) = input.split_first() else { return };
    let (messages, error) = read(bytes, bytes.len());
    assert_eq!(read(bytes, usize::from(seed) + 1), (messages.clone(), error));
    // Chunk sizes and aborts would be obeyed.
    let plain: Vec<_> = messages.into_iter().filter(|m| m.kind.number() > 2).collect();
    let mut written = Vec::new();
    let size = usize::from(seed) + 1;
    let announced = (size as u32).to_be_bytes();
    write_message((2, 128), (MessageType::SetChunkSize, 0, 0), &[&announced], &mut written);
    for message in &plain {
        let kind = (message.kind, message.timestamp, message.stream);
        write_message((2 + seed % 62, size), kind, &[&message.payload], &mut written);
    }
    let (again, error) = read(&written, 77);
    assert_eq!((&again[1..], error), (&plain[..], None));
});
