//! Where good records end and what is said of the rest.

use proptest::prelude::*;

use super::*;

fn area(good: u64, places: u64) -> Vec<Record> {
    (1..=places)
        .map(|sequence| {
            let number = if sequence <= good { sequence } else { 0 };
            let record = Record::new(number, [0; 52]);
            if number == 0 { record } else { record.sealed() }
        })
        .collect()
}

#[track_caller]
fn check(records: &[Record], last_good: u64, stop: Option<(StopKind, After)>) {
    let whole = scan_bytes(bytemuck::cast_slice(records), 1);
    assert_eq!((whole.last_good(), whole.situation()), (last_good, stop));
    let mut pieces = Scan::new(1);
    for piece in records.chunks(3) {
        pieces.feed(piece);
    }
    assert_eq!(pieces, whole);
}

#[test]
fn blank_places_end_the_records() {
    check(&area(0, 0), 0, None);
    check(&area(0, 5), 0, Some((StopKind::Blank, After::Nothing)));
    check(&area(3, 5), 3, Some((StopKind::Blank, After::Nothing)));
    check(&area(5, 5), 5, None);
}

#[test]
fn each_kind_of_stop_and_of_remains_is_told() {
    let mut records = area(4, 8);
    records[2].body[7] = 1;
    check(&records, 2, Some((StopKind::BadCheck, After::Records)));
    let mut records = area(4, 8);
    records[3].sequence = 0;
    check(&records, 3, Some((StopKind::Whole, After::Nothing)));
    records[3].body[0] = 9;
    check(&records, 3, Some((StopKind::Torn, After::Nothing)));
    let mut records = area(4, 8);
    records[1] = Record::new(7, [0; 52]).sealed();
    check(&records, 1, Some((StopKind::SequenceBreak(7), After::Records)));
    let mut records = area(4, 8);
    records[1] = Record::new(0, [0; 52]);
    check(&records, 1, Some((StopKind::Blank, After::Records)));
    let mut records = area(4, 8);
    records[6].body[0] = 1;
    check(&records, 4, Some((StopKind::Blank, After::Pieces)));
    records[7].sequence = 3;
    check(&records, 4, Some((StopKind::Blank, After::Stray)));
    assert_eq!(scan_bytes(bytemuck::cast_slice(&records), 1).after_range(), Some((7, 8)));
}

proptest! {
    #[test]
    fn foreign_bytes_are_judged_without_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..1000), first in any::<u64>()
    ) {
        let scan = scan_bytes(&bytes, first);
        prop_assert_eq!(scan.good_count(), 0);
    }
}
