use proptest::prelude::*;

use super::*;

fn frame(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, fill);
    writer.into_bytes()
}

#[test]
fn numbers_take_the_fewest_bytes_and_read_back() {
    for (number, bytes) in [
        (0, &[2, 1, 0][..]),
        (127, &[2, 1, 127]),
        (128, &[2, 2, 0, 128]),
        (-1, &[2, 1, 255]),
        (-129, &[2, 2, 255, 127]),
        (i32::MAX, &[2, 4, 127, 255, 255, 255]),
        (i32::MIN, &[2, 4, 128, 0, 0, 0]),
    ] {
        let mut writer = Writer::new();
        writer.number(INTEGER, number);
        assert_eq!(writer.into_bytes(), bytes);
        assert_eq!(Reader::new(bytes).number(INTEGER), Ok(number));
    }
    assert!(Reader::new(&[2, 0]).number(INTEGER).is_err());
    assert!(Reader::new(&[2, 5, 0, 0, 0, 0, 1]).number(INTEGER).is_err());
}

#[test]
fn a_length_may_be_longer_than_needed_but_not_indefinite_or_over_four_bytes() {
    assert_eq!(Reader::new(&[4, 0x84, 0, 0, 0, 1, 7]).take(OCTETS), Ok(&[7][..]));
    assert_eq!(Reader::new(&[4, 0x80, 7, 0, 0]).take(OCTETS), Err(Error::Malformed("an indefinite length")));
    assert!(Reader::new(&[4, 0x85, 0, 0, 0, 0, 1, 7]).take(OCTETS).is_err());
    assert!(Reader::new(&[0x1f, 0x81, 1, 0]).element().is_err());
}

#[test]
fn a_length_past_the_end_is_refused_at_every_level() {
    let good = frame(|w| w.nest(SEQUENCE, |w| w.bytes(OCTETS, b"abc")));
    assert_eq!(check_nesting(&good, 100), Ok(()));
    for position in [1, 3, 5] {
        let mut bad = good.clone();
        bad[position] += 1;
        assert!(check_nesting(&bad, 100).is_err(), "length at {position}");
    }
}

#[test]
fn nesting_ends_at_its_limit() {
    let nested = |levels: usize| (0..levels).fold(Vec::new(), |inner, _| frame(|w| w.raw(&inner)));
    assert_eq!(check_nesting(&nested(MAX_DEPTH - 1), 30_000), Ok(()));
    assert_eq!(check_nesting(&nested(MAX_DEPTH), 30_000), Err(Error::Deep));
    assert_eq!(check_nesting(&nested(20_000), 30_000), Err(Error::Deep));
}

#[test]
fn elements_end_at_their_limit() {
    let many = |count: usize| frame(|w| (0..count).for_each(|_| w.bytes(OCTETS, b"")));
    assert_eq!(check_nesting(&many(99), 100), Ok(()));
    assert_eq!(check_nesting(&many(100), 100), Err(Error::Many { limit: 100 }));
}

#[test]
fn the_size_of_a_message_is_known_from_its_header() {
    assert_eq!(frame_size(&[], 100), Ok(None));
    assert_eq!(frame_size(&[0x30], 100), Ok(None));
    assert_eq!(frame_size(&[0x30, 0x82, 1], 100), Ok(None));
    assert_eq!(frame_size(&[0x30, 5], 100), Ok(Some(7)));
    let claimed = Error::Large { size_bytes: 0x7fff_ffff + 6, limit_bytes: 100 };
    assert_eq!(frame_size(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], 100), Err(claimed));
    assert_eq!(frame_size(b"HTTP/1.1", 100), Err(Error::Malformed("a message that is no SEQUENCE")));
}

proptest! {
    #[test]
    fn content_of_any_length_reads_back(length in 0usize..70_000, byte in any::<u8>()) {
        let content = vec![byte; length];
        let mut writer = Writer::new();
        writer.bytes(OCTETS, &content);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.take(OCTETS), Ok(&content[..]));
        prop_assert!(reader.is_empty());
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = check_nesting(&bytes, 1000);
        let _ = frame_size(&bytes, 1000);
    }
}
