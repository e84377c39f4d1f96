//! The record: 64 bytes, one cache line, true when its first word is not zero.
//!
//! ```text
//!   0         8                                                    60    64
//!   +---------+-----------------------------------------------------+-----+
//!   |sequence | body (52 bytes, the owner's)                        |check|
//!   +---------+-----------------------------------------------------+-----+
//!     commit word, stored last                                       CRC-32C of bytes 0..60
//! ```

use bytemuck::{Pod, Zeroable};

use crate::crc::{check_of_words, low_half};

/// One journal record. Any 64-byte `Pod` type with the same first and last field can be cast to it.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Record {
    /// Position in the journal, from 1; the commit word. 0: nothing here.
    pub sequence: u64,
    /// The owner's bytes.
    pub body: [u8; 52],
    /// CRC-32C of the 60 bytes before it. Set by [`crate::Writer::append`].
    pub check: u32,
}

const _: () = assert!(size_of::<Record>() == 64);
const _: () = assert!(align_of::<Record>() == 64);
const _: () = assert!(std::mem::offset_of!(Record, sequence) == 0);
const _: () = assert!(std::mem::offset_of!(Record, body) == 8);
const _: () = assert!(std::mem::offset_of!(Record, check) == 60);
// Records are cast, never converted: a big-endian machine would read other numbers.
const _: () = assert!(cfg!(target_endian = "little"));

impl Record {
    /// An unsealed record.
    pub const fn new(sequence: u64, body: [u8; 52]) -> Self {
        Self { sequence, body, check: 0 }
    }

    /// The same record with its check set.
    #[must_use]
    pub fn sealed(self) -> Self {
        Self { check: self.computed_check(), ..self }
    }

    /// What `check` must be.
    #[inline]
    pub fn computed_check(&self) -> u32 {
        check_of_words(self.words())
    }

    /// True when the check fits the bytes.
    #[inline]
    pub fn is_intact(&self) -> bool {
        self.check == self.computed_check()
    }

    /// True when this is the intact record of position `sequence`.
    #[inline]
    pub fn is_good(&self, sequence: u64) -> bool {
        self.sequence == sequence && self.is_intact()
    }

    /// True when all 64 bytes are zero.
    #[inline]
    pub fn is_blank(&self) -> bool {
        self.words().iter().fold(0, |all, word| all | word) == 0
    }

    /// True when the commit word is absent and all else is what position `sequence` would carry.
    pub(crate) fn is_whole_but_uncommitted(&self, sequence: u64) -> bool {
        self.sequence == 0 && Self { sequence, ..*self }.is_intact()
    }

    /// The record as eight little-endian words, the last one sealed.
    #[inline(always)]
    pub(crate) fn sealed_words(&self) -> [u64; 8] {
        let mut words = *self.words();
        let check = check_of_words(&words);
        words[7] = u64::from(low_half(words[7])) | (u64::from(check) << 32);
        words
    }

    #[inline(always)]
    fn words(&self) -> &[u64; 8] {
        bytemuck::cast_ref(self)
    }
}

#[cfg(test)]
mod tests;
