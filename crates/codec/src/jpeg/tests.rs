//! Files taken apart and put together again.

use proptest::prelude::*;

use super::*;

fn file(layout: Layout, quality: u8, restart_interval: u16, scan: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    write_headers(layout, &quantizers(quality), restart_interval, &mut file);
    file.extend_from_slice(scan);
    file.extend([0xff, EOI]);
    file
}

const LAYOUT: Layout = Layout { width: 640, height: 480, is_420: true };

#[test]
fn what_is_left_out_is_said() {
    let words = |file: &[u8]| Image::parse(file).unwrap_err().to_string();
    let good = file(LAYOUT, 50, 0, b"scan");
    let frame = good.windows(2).position(|pair| pair == [0xff, SOF0]).unwrap();
    let with = |at: usize, byte: u8| {
        let mut file = good.clone();
        file[at] = byte;
        file
    };
    assert_eq!(words(&with(frame + 1, 0xc2)), "JPEG over RTP cannot express coding process 0xc2");
    assert_eq!(words(&with(frame + 4, 12)), "JPEG over RTP cannot express 12 bits a sample");
    assert_eq!(words(&with(frame + 9, 1)), "JPEG over RTP cannot express 1 components");
    assert_eq!(words(&with(frame + 11, 0x11)), "JPEG over RTP cannot express sampling factors 11, 11, 11");
    let huffman = good.windows(2).position(|pair| pair == [0xff, DHT]).unwrap();
    assert_eq!(words(&with(huffman + 25, 9)), "JPEG over RTP cannot express Huffman tables of its own");
    assert!(Image::parse(b"GIF89a").is_err());
    assert!(Image::parse(&good[..200]).is_err());
}

#[test]
fn a_quality_of_50_is_the_standard_s_tables_and_99_the_finest() {
    assert_eq!(quantizers(50), [tables::LUMA, tables::CHROMA]);
    assert_eq!(quantizers(99)[0][..3], [1, 1, 1]);
    assert_eq!(quantizers(1)[0][0], 255);
}

#[test]
fn what_is_none_of_the_headers_is_passed_over() {
    let mut whole = vec![0xff, SOI, 0xff, 0xe0, 0, 4, 1, 2, 0xff];
    whole.extend_from_slice(&file(LAYOUT, 30, 0, b"\x01\xff\x00\x02")[2..]);
    let image = Image::parse(&whole).unwrap();
    assert_eq!((image.layout, image.scan), (LAYOUT, &b"\x01\xff\x00\x02"[..]));
}

proptest! {
    #[test]
    fn a_file_is_put_together_as_it_was(
        width in 1u16..4_000, height in 1u16..4_000, is_420: bool, quality in 1u8..=99, restart_interval in 0u16..99,
        scan in proptest::collection::vec(0u8..0xff, 0..50),
    ) {
        let layout = Layout { width, height, is_420 };
        let file = file(layout, quality, restart_interval, &scan);
        let image = Image::parse(&file).unwrap();
        prop_assert_eq!(image.layout, layout);
        prop_assert_eq!(image.quantizers, quantizers(quality));
        prop_assert_eq!((image.restart_interval, image.scan), (restart_interval, &scan[..]));
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        at in 0usize..700, bytes in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut file = file(LAYOUT, 50, 4, b"scan");
        let at = at.min(file.len());
        let end = (at + bytes.len()).min(file.len());
        file.splice(at..end, bytes);
        let _ = Image::parse(&file);
        let _ = Image::parse(&file[..end.min(file.len())]);
    }
}
