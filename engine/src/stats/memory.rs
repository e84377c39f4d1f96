//! The one place where the stats file becomes memory.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapOptions, MmapRaw};

use super::layout::{FILE_BYTES, StatsFile};

const WORD_COUNT: usize = FILE_BYTES / size_of::<AtomicU64>();

/// A stats file in memory: mapped, or a copy on the heap.
///
/// Everything in it is an atomic word, so a shared reference is all that anybody needs.
pub(super) enum Memory {
    /// Shared with other processes. The mapping is exactly [`FILE_BYTES`] long.
    Mapped(MmapRaw),
    /// A copy.
    Heap(Box<[AtomicU64]>),
}

impl Memory {
    /// Maps a file for writing. The file must be [`FILE_BYTES`] long and have its blocks.
    pub(super) fn map_writable(file: &File) -> io::Result<Self> {
        Ok(Self::Mapped(MmapOptions::new().len(FILE_BYTES).map_raw(file)?))
    }

    /// Maps a file for reading. The file must be [`FILE_BYTES`] long.
    pub(super) fn map_readable(file: &File) -> io::Result<Self> {
        Ok(Self::Mapped(MmapOptions::new().len(FILE_BYTES).map_raw_read_only(file)?))
    }

    /// Copies bytes; `None` when there are not exactly [`FILE_BYTES`] of them.
    pub(super) fn copy_of(bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<8>();
        if chunks.len() != WORD_COUNT || !rest.is_empty() {
            return None;
        }
        Some(Self::Heap(
            chunks.iter().map(|chunk| AtomicU64::new(u64::from_le_bytes(*chunk))).collect(),
        ))
    }

    /// All words, for tests that damage them.
    #[cfg(test)]
    pub(super) fn words(&self) -> &[AtomicU64] {
        match self {
            Self::Mapped(_) => panic!("tests damage copies"),
            Self::Heap(words) => words,
        }
    }
}

impl Deref for Memory {
    type Target = StatsFile;

    #[inline]
    fn deref(&self) -> &StatsFile {
        #[expect(clippy::cast_ptr_alignment, reason = "a mapping starts at a page")]
        let start = match self {
            Self::Mapped(map) => map.as_ptr().cast::<StatsFile>(),
            Self::Heap(words) => words.as_ptr().cast::<StatsFile>(),
        };
        #[expect(unsafe_code, reason = "a stats file is shared memory")]
        // SAFETY: both kinds are `FILE_BYTES` long, aligned to at least 8 (a page, a word), live
        // as long as `self`, and every bit pattern is a valid `StatsFile`, which consists of
        // `AtomicU64` alone. Other processes change the bytes only as atomic words. A mapping for
        // reading is never stored to: `StatsReader` has no function that stores.
        unsafe {
            &*start
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mapped(_) => "Memory::Mapped",
            Self::Heap(_) => "Memory::Heap",
        })
    }
}
