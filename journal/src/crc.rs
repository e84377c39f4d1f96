//! CRC-32C (Castagnoli, reflected, as in iSCSI), by the processor's instruction or by table: equal values.

/// The reflected polynomial 0x1EDC6F41.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// Sum of each single byte; made by the compiler.
const TABLE: [u32; 256] = make_table();

const fn make_table() -> [u32; 256] {
    let mut table = [0_u32; 256];
    let mut index = 0_usize;
    let mut value = 0_u32;
    while index < 256 {
        let mut sum = value;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        table[index] = sum;
        index += 1;
        value += 1;
    }
    table
}

/// Folds one byte into a running (inverted) sum by table.
#[inline]
fn fold_byte(sum: u32, byte: u8) -> u32 {
    let [low, ..] = sum.to_le_bytes();
    (sum >> 8) ^ TABLE[usize::from(low ^ byte)]
}

/// Sum of `bytes` by table alone. Same values as [`crc32c`]; public so that tests and tools can compare.
pub fn crc32c_software(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| fold_byte(sum, byte))
}

/// Sum of `bytes`, by the processor's instruction where the build has it.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut sum = u32::MAX;
    for word in words {
        sum = fold_u64(sum, u64::from_le_bytes(*word));
    }
    !rest.iter().fold(sum, |sum, &byte| fold_byte(sum, byte))
}

/// Sum of the first 60 bytes of a record given as eight little-endian words.
#[inline(always)]
pub(crate) fn check_of_words(words: &[u64; 8]) -> u32 {
    let mut sum = u32::MAX;
    for &word in &words[..7] {
        sum = fold_u64(sum, word);
    }
    !fold_u32(sum, low_half(words[7]))
}

/// The low 32 bits.
#[inline(always)]
pub(crate) fn low_half(word: u64) -> u32 {
    u32::try_from(word & 0xFFFF_FFFF).expect("32 bits are left")
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse4.2"))]
#[inline(always)]
#[expect(unsafe_code, reason = "the intrinsic asks for a target feature that the build has on")]
fn fold_u64(sum: u32, word: u64) -> u32 {
    // SAFETY: this function is compiled only when SSE4.2 is on for the whole build.
    let folded = unsafe { core::arch::x86_64::_mm_crc32_u64(u64::from(sum), word) };
    low_half(folded)
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse4.2"))]
#[inline(always)]
#[expect(unsafe_code, reason = "the intrinsic asks for a target feature that the build has on")]
fn fold_u32(sum: u32, word: u32) -> u32 {
    // SAFETY: this function is compiled only when SSE4.2 is on for the whole build.
    unsafe { core::arch::x86_64::_mm_crc32_u32(sum, word) }
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse4.2")))]
#[inline(always)]
fn fold_u64(sum: u32, word: u64) -> u32 {
    word.to_le_bytes().iter().fold(sum, |sum, &byte| fold_byte(sum, byte))
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse4.2")))]
#[inline(always)]
fn fold_u32(sum: u32, word: u32) -> u32 {
    word.to_le_bytes().iter().fold(sum, |sum, &byte| fold_byte(sum, byte))
}

#[cfg(test)]
mod tests;
