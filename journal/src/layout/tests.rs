//! Headers, lines and entries: what is written is read, and every damaged byte is seen.

use super::*;

fn header() -> SegmentHeader {
    let identity =
        Identity { journal_id: *b"0123456789abcdef", segment_records: 64, block_records: 16 };
    SegmentHeader {
        identity,
        segment_index: 3,
        first_sequence: 129,
        durability: Durability::Power,
        created_ns: 42,
        config_hash: [5; 32],
        engine_version: "1.2.3".to_owned(),
        git_commit: "x".repeat(TEXT_SIZE_BYTES),
    }
}

/// The page of [`header`] with both lines set.
fn page() -> Vec<u8> {
    let mut page = encode_page(&header());
    page[LINK_OFFSET..LINK_OFFSET + 64].copy_from_slice(&encode_link(128, &[9; 32]));
    page[MARK_OFFSET..MARK_OFFSET + 64].copy_from_slice(&encode_mark(77));
    page
}

#[test]
fn a_header_page_is_read_as_written() {
    let read = decode_page(&page());
    assert_eq!(read.fault, None);
    assert_eq!(read.header, Some(header()));
    assert_eq!(read.link, Some((128, [9; 32])));
    assert_eq!(read.mark, 77);
}

#[test]
fn every_damaged_byte_of_a_header_page_is_seen_and_named() {
    for offset in 0..PAGE_SIZE_BYTES {
        for change in [1, 0x80, 0xFF] {
            let mut bytes = page();
            bytes[offset] ^= change;
            let read = decode_page(&bytes);
            let expected = match offset {
                0..1024 => HeaderFault::HeaderCopy,
                1024..1088 => HeaderFault::Link,
                1536..1600 => HeaderFault::Mark,
                _ => HeaderFault::Reserved,
            };
            assert_eq!(read.fault, Some(expected), "offset {offset}");
            assert_eq!(read.header, Some(header()), "one copy is always left");
        }
    }
}

#[test]
fn a_newer_version_is_told_from_damage() {
    let mut copy = encode_header(&header());
    copy[8] = 2;
    seal(&mut copy);
    let mut bytes = encode_page(&header());
    bytes[..512].copy_from_slice(&copy);
    bytes[512..1024].copy_from_slice(&copy);
    assert_eq!(decode_page(&bytes).fault, Some(HeaderFault::Version(2)));
    assert_eq!(decode_page(&[0; PAGE_SIZE_BYTES]).fault, Some(HeaderFault::Magic));
    assert_eq!(decode_page(&[0xFF; PAGE_SIZE_BYTES]).fault, Some(HeaderFault::Magic));
}

#[test]
fn sealed_headers_with_impossible_values_are_refused() {
    for (offset, value) in [(12, 65), (32, 63), (37, 1), (40, 0), (40, 128), (44, 9), (300, 1)] {
        let mut copy = encode_header(&header());
        copy[offset] = value;
        seal(&mut copy);
        assert_eq!(decode_header(&copy), Err(HeaderFault::Values), "offset {offset}");
    }
}

#[test]
fn chain_lines_are_read_as_written_and_damage_is_seen() {
    let identity = header().identity;
    let head = encode_chain_header(&identity);
    assert_eq!(decode_chain_header(&head), Some((identity.journal_id, 16)));
    let entry = ChainEntry { last_sequence: 48, count: 16, flags: 0, hash: [3; 32] };
    let line = encode_chain_entry(&entry);
    assert_eq!(decode_chain_entry(&line), Some(entry));
    for offset in 0..64 {
        let (mut head, mut line) = (head, line);
        head[offset] ^= 0x10;
        line[offset] ^= 0x10;
        assert_eq!(decode_chain_header(&head), None);
        assert_eq!(decode_chain_entry(&line), None);
    }
}

#[test]
fn every_sequence_has_one_computable_place() {
    let identity = header().identity;
    assert_eq!((identity.segment_of(1), identity.offset_of(1)), (1, 4096));
    assert_eq!((identity.segment_of(64), identity.offset_of(64)), (1, 4096 + 63 * 64));
    assert_eq!((identity.segment_of(65), identity.offset_of(65)), (2, 4096));
    assert_eq!(identity.first_sequence_of(3), 129);
    assert_eq!(identity.segment_bytes(), 8192);
}

#[test]
fn a_short_page_is_refused_and_a_good_one_is_read() {
    assert_eq!(check_header_page(&page()), Ok(header()));
    assert_eq!(check_header_page(&page()[..4095]), Err(HeaderFault::Header));
    assert_eq!(check_header_page(&[]), Err(HeaderFault::Header));
}
