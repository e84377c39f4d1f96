//! The sums against the published vectors and against each other.

use proptest::prelude::*;

use super::{check_of_words, crc32c, crc32c_software};

#[test]
fn published_vectors_hold_for_both_versions() {
    // RFC 3720, appendix B.4, and the catalogue's check value.
    let ascending: Vec<u8> = (0..32).collect();
    for (bytes, sum) in [
        (&b"123456789"[..], 0xE306_9283_u32),
        (&[0_u8; 32][..], 0x8A91_36AA),
        (&[0xFF_u8; 32][..], 0x62A8_AB43),
        (&ascending[..], 0x46DD_794E),
        (&b""[..], 0),
    ] {
        assert_eq!(crc32c(bytes), sum);
        assert_eq!(crc32c_software(bytes), sum);
    }
}

proptest! {
    #[test]
    fn instruction_and_table_agree(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(crc32c(&bytes), crc32c_software(&bytes));
    }

    #[test]
    fn record_sum_is_the_sum_of_its_first_sixty_bytes(words in any::<[u64; 8]>()) {
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        prop_assert_eq!(check_of_words(&words), crc32c_software(&bytes[..60]));
    }
}
