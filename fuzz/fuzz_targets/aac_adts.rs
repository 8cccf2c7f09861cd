//! Any bytes in any chunking through the ADTS parser: the frames are those of the uncut bytes.
#![no_main]

use codec::aac::{AdtsParser, adts_header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&seed, bytes)) = input.split_first() else { return };
    let run = |chunk: usize| -> Vec<_> {
        let mut parser = AdtsParser::default();
        let pieces = bytes.chunks(chunk.max(1));
        pieces
            .flat_map(|piece| {
                parser.push(piece);
                std::iter::from_fn(|| parser.pull()).collect::<Vec<_>>()
            })
            .collect()
    };
    let whole = run(bytes.len());
    assert_eq!(whole, run(usize::from(seed) + 1));
    for frame in whole.into_iter().flatten() {
        let header = adts_header(&frame.parameters, frame.data.len()).expect("it came with such a header");
        let mut parser = AdtsParser::default();
        parser.push(&header);
        parser.push(&frame.data);
        let again = parser.pull().expect("a whole frame").expect("a good one");
        assert_eq!((again.parameters, again.data), (frame.parameters, frame.data));
    }
});
