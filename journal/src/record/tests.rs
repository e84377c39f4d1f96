//! Sealing and judging one record.

use proptest::prelude::*;

use super::Record;

proptest! {
    #[test]
    fn a_sealed_record_is_good_at_its_own_place_only(sequence in 1_u64.., body in any::<[u8; 52]>()) {
        let record = Record::new(sequence, body).sealed();
        prop_assert!(record.is_good(sequence));
        prop_assert!(!record.is_good(sequence.wrapping_add(1)));
        prop_assert_eq!(bytemuck::cast::<[u64; 8], Record>(record.sealed_words()), record);
    }

    #[test]
    fn any_single_changed_byte_is_seen(
        sequence in 1_u64.., body in any::<[u8; 52]>(), index in 0_usize..64, change in 1_u8..
    ) {
        let mut record = Record::new(sequence, body).sealed();
        bytemuck::bytes_of_mut(&mut record)[index] ^= change;
        prop_assert!(!record.is_good(sequence));
    }
}

#[test]
fn a_missing_commit_word_is_told_from_a_torn_body() {
    let mut record = Record::new(7, [9; 52]).sealed();
    record.sequence = 0;
    assert!(record.is_whole_but_uncommitted(7));
    assert!(!record.is_whole_but_uncommitted(8));
    record.body[51] = 0;
    assert!(!record.is_whole_but_uncommitted(7));
    assert!(!record.is_blank());
    assert!(Record::new(0, [0; 52]).is_blank());
}
