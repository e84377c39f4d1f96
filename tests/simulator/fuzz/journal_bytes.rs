//! Files of a journal: segments, the hash chain, snapshots.

use std::fs;
use std::sync::OnceLock;

use journal::{
    CHAIN_FILE, HEADER_SIZE_BYTES, Options, Record, Writer, check_header_page, scan_bytes,
    scan_chain_bytes, segment_file_name, snapshot,
};

/// Good records in the seed.
const RECORD_COUNT: u64 = 40;

/// The files of a small journal, as a writer leaves them.
struct Image {
    header: Vec<u8>,
    records: Vec<u8>,
    chain: Vec<u8>,
    snapshot: Vec<u8>,
}

fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let scratch = tempfile::tempdir().expect("there is room for a small journal");
        let dir = scratch.path();
        let options = Options {
            segment_records: 64,
            block_records: 16,
            journal_id: *b"a fuzzed journal",
            engine_version: "0.1.0".to_owned(),
            ..Options::default()
        };
        let mut writer = Writer::create(dir, options).expect("an empty folder takes a journal");
        for sequence in 1..=RECORD_COUNT {
            let body = [sequence.to_le_bytes()[0]; 52];
            writer.append(&Record::new(sequence, body)).expect("the segment has room");
        }
        writer.close().expect("a journal in memory closes");
        let path = snapshot::save(dir, 40, 7, b"a state").expect("a snapshot can be saved");
        let read = |name: &str| fs::read(dir.join(name)).expect("the writer left it");
        let mut header = read(&segment_file_name(1));
        let records = header.split_off(header_length());
        let snapshot = fs::read(path).expect("it was saved");
        assert_eq!(scan_bytes(&records, 1).good_count(), RECORD_COUNT);
        assert!(snapshot::decode(&snapshot).is_ok());
        let chain = read(CHAIN_FILE);
        assert_eq!(scan_chain_bytes(&chain).last_sequence, RECORD_COUNT);
        Image { header, records, chain, snapshot }
    })
}

fn header_length() -> usize {
    usize::try_from(HEADER_SIZE_BYTES).expect("a page fits")
}

/// Any bytes as the records of a segment: what is counted as good is good, nothing good is passed over.
pub(super) fn scan(data: &[u8]) {
    let scan = scan_bytes(data, 1);
    let good = data.chunks_exact(64).zip(1_u64..).take_while(|(chunk, sequence)| {
        let record: Record = read_record(chunk);
        record.sequence == *sequence && record.sealed() == record
    });
    let good = u64::try_from(good.count()).expect("a count fits 64 bits");
    assert_eq!(scan.good_count(), good);
    assert_eq!(scan.last_good(), good);
    let place_count = u64::try_from(data.len() / 64).expect("a count fits 64 bits");
    assert_eq!(scan.situation().is_none(), good == place_count);
    if let Some((first, last)) = scan.after_range() {
        assert!(good + 1 < first);
        assert!(first <= last);
        assert!(last <= place_count);
    }
}

fn read_record(chunk: &[u8]) -> Record {
    let word = |at: usize, length: usize| &chunk[at..at + length];
    let sequence = u64::from_le_bytes(word(0, 8).try_into().expect("eight bytes"));
    let check = u32::from_le_bytes(word(60, 4).try_into().expect("four bytes"));
    Record { check, ..Record::new(sequence, word(8, 52).try_into().expect("52 bytes")) }
}

/// Any bytes as the header page of a segment: what is accepted describes a journal that can exist.
pub(super) fn header(data: &[u8]) {
    let Ok(header) = check_header_page(data) else {
        assert!(data != image().header, "the seed is a good header");
        return;
    };
    let identity = header.identity;
    assert!(header_length() <= data.len());
    assert!(identity.segment_records.is_power_of_two());
    assert!(identity.block_records.is_power_of_two());
    assert!(u64::from(identity.block_records) <= identity.segment_records);
    assert!(header.engine_version.len() <= 64);
    assert!(header.git_commit.len() <= 64);
    assert!(0 < header.segment_index);
    assert_eq!(identity.segment_of(header.first_sequence), header.segment_index);
}

/// Any bytes as a chain file: no more entries than there is room for, and a fault for what is left.
pub(super) fn chain(data: &[u8]) {
    let summary = scan_chain_bytes(data);
    assert_eq!(summary, scan_chain_bytes(data));
    if data.len() < 64 {
        assert!(summary.header.is_none());
        assert!(summary.fault.is_some());
    }
}

/// Any bytes as a snapshot: what is accepted is, byte for byte, what was saved.
pub(super) fn snapshot(data: &[u8]) {
    let Ok(found) = snapshot::decode(data) else { return };
    assert!(data.ends_with(&found.bytes));
    assert_eq!(found.bytes.len() + 72, data.len());
}

pub(super) fn segment_seeds() -> Vec<Vec<u8>> {
    let records = &image().records;
    vec![records.clone(), records[..64 * 3].to_vec(), vec![0; 128]]
}

pub(super) fn header_seeds() -> Vec<Vec<u8>> {
    vec![image().header.clone()]
}

pub(super) fn chain_seeds() -> Vec<Vec<u8>> {
    vec![image().chain.clone()]
}

pub(super) fn snapshot_seeds() -> Vec<Vec<u8>> {
    vec![image().snapshot.clone()]
}
