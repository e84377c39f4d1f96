//! The bytes of a stats file: one drawing, every offset, and the asserts that hold them.
//!
//! ```text
//!  offset      section       rows x bytes       who writes
//!  0           header        1 x 4096           the creator; `state` and `end_ns` at the end
//!  4,096       threads       32 x 128           each thread its own row
//!  8,192       counters      128 x 128          see `CounterId::writer`
//!  24,576      errors        64 x 256           any thread (rows are claimed by compare-and-swap)
//!  40,960      error tail    128                any thread
//!  41,088      stall head    128                core thread
//!  41,216      stalls        256 x 128          core thread (a ring, the oldest is overwritten)
//!  73,984      instruments   256 x 256          core thread
//!  139,520     strategies    64 x 256           core thread
//!  155,904     (zeros up to the next page)
//!  159,744     hops          24 x 225,280       see `HopId::writer`
//!  5,566,464   end
//! ```
//!
//! Everything is a little-endian 64-bit word and every word is reached through an atomic, so that
//! a reader in another process races with the writer without undefined behaviour: on x86-64 and
//! ARM64 a relaxed load or store of a word is the plain instruction.
//!
//! A hot value owns 128 bytes, because the adjacent-line prefetcher of x86-64 couples two lines.
//!
//! The creator writes the version and then the magic as the last words (release); a file without
//! them is not ready, whatever else it holds.
//!
//! **Invariant:** the numbers in this file change only together with [`VERSION`].

use std::mem::{offset_of, size_of};
use std::sync::atomic::{AtomicU64, Ordering};

/// First word of a ready file: the bytes `TWSTATS\n`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"TWSTATS\n");
/// Version of this layout.
pub const VERSION: u64 = 2;

/// Rows for threads.
pub const THREAD_MAX: usize = 32;
/// Rows for counters; more than there are names today, so that a new name keeps the version.
pub const COUNTER_MAX: usize = 128;
/// Distinct errors kept.
pub const ERROR_MAX: usize = 64;
/// Distinct texts kept for one error code; further ones are only counted.
pub const ERROR_TEXTS_PER_CODE_MAX: usize = 8;
/// Stalls kept; the newest replaces the oldest.
pub const STALL_MAX: usize = 256;
/// Rows for instruments.
pub const INSTRUMENT_MAX: usize = 256;
/// Rows for strategies.
pub const STRATEGY_MAX: usize = 64;
/// Histograms; more than there are hops today, for the same reason as counters.
pub const HOP_MAX: usize = 24;
/// Buckets of one histogram, see `histogram.rs`.
pub const BUCKET_MAX: usize = 27_648;
/// Size of a stats file.
pub const FILE_BYTES: usize = size_of::<StatsFile>();

const PAGE_BYTES: usize = 4096;

/// Text of at most `WORDS * 8` bytes, cut at a character border.
#[repr(C)]
pub(super) struct Text<const WORDS: usize> {
    length: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Text<WORDS> {
    /// Stores as much of `text` as fits. No allocation.
    pub(super) fn set(&self, text: &str) {
        let text = cut(text, WORDS * 8);
        let (chunks, rest) = text.as_bytes().as_chunks::<8>();
        for (word, chunk) in self.words.iter().zip(chunks) {
            word.store(u64::from_le_bytes(*chunk), Ordering::Relaxed);
        }
        if let Some(word) = self.words.get(chunks.len()) {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            word.store(u64::from_le_bytes(last), Ordering::Relaxed);
        }
        let length = u64::try_from(text.len()).expect("a cut text is short");
        self.length.store(length, Ordering::Relaxed);
    }

    /// Reads the text. Foreign bytes and control characters come back as replacement characters,
    /// so that a damaged file cannot send escape sequences to a terminal.
    pub(super) fn get(&self) -> String {
        let length = usize::try_from(self.length.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(WORDS * 8);
        for word in &self.words {
            bytes.extend_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        bytes.truncate(length.min(WORDS * 8));
        String::from_utf8_lossy(&bytes)
            .chars()
            .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
            .collect()
    }
}

/// The longest prefix of `text` with at most `size_max` bytes that ends on a character border.
pub(super) fn cut(text: &str, size_max: usize) -> &str {
    &text[..text.floor_char_boundary(size_max)]
}

/// Page 0.
#[repr(C)]
pub(super) struct Header {
    /// [`MAGIC`], stored last of all with release.
    pub(super) magic: AtomicU64,
    /// [`VERSION`], stored before the magic.
    pub(super) version: AtomicU64,
    /// [`FILE_BYTES`].
    pub(super) file_bytes: AtomicU64,
    /// Process id of the engine, in the namespace below.
    pub(super) pid: AtomicU64,
    /// Start time of that process in clock ticks since boot: tells a reused process id.
    pub(super) pid_start_ticks: AtomicU64,
    /// Inode of the process-id namespace, 0 when unknown.
    pub(super) pid_namespace: AtomicU64,
    /// When the engine started, nanoseconds since the Unix epoch.
    pub(super) start_ns: AtomicU64,
    /// `RunState`.
    pub(super) state: AtomicU64,
    /// When the engine ended, 0 while it runs or when nobody could say.
    pub(super) end_ns: AtomicU64,
    /// Rows in use.
    pub(super) thread_count: AtomicU64,
    pub(super) reserved: [AtomicU64; 6],
    pub(super) instance: Text<15>,
    pub(super) engine_version: Text<7>,
    pub(super) commit: Text<15>,
    pub(super) mode: Text<7>,
    pub(super) journal_dir: Text<127>,
    pub(super) pad: [AtomicU64; 320],
}

/// One thread, written by that thread (or by whoever finds it dead).
#[repr(C)]
pub(super) struct ThreadSlot {
    /// `ThreadState`, 0 while the row is being claimed.
    pub(super) state: AtomicU64,
    pub(super) last_beat_ns: AtomicU64,
    pub(super) beat_count: AtomicU64,
    /// The thread counts as stalled when its last beat is older.
    pub(super) beat_age_ns_max: AtomicU64,
    /// Kernel thread id.
    pub(super) tid: AtomicU64,
    /// Processor number plus one, 0 when not pinned.
    pub(super) pinned_cpu: AtomicU64,
    pub(super) name: Text<7>,
    pub(super) pad: [AtomicU64; 2],
}

/// One counter or gauge.
#[repr(C)]
pub(super) struct CounterSlot {
    pub(super) value: AtomicU64,
    /// 0 when the value has no limit.
    pub(super) limit: AtomicU64,
    pub(super) pad: [AtomicU64; 14],
}

/// One distinct error.
#[repr(C)]
pub(super) struct ErrorSlot {
    /// 0 free, 1 being written, 2 ready.
    pub(super) state: AtomicU64,
    pub(super) key: AtomicU64,
    pub(super) code: AtomicU64,
    pub(super) count: AtomicU64,
    /// Errors with this code whose own text found no row.
    pub(super) similar_count: AtomicU64,
    pub(super) first_ns: AtomicU64,
    pub(super) last_ns: AtomicU64,
    pub(super) text: Text<15>,
    pub(super) pad: [AtomicU64; 9],
}

/// What did not fit in the error rows.
#[repr(C)]
pub(super) struct ErrorTail {
    pub(super) dropped_count: AtomicU64,
    pub(super) pad: [AtomicU64; 15],
}

/// Head of the stall ring.
#[repr(C)]
pub(super) struct StallHead {
    /// Stalls ever written; row `(count - 1) % STALL_MAX` is the newest.
    pub(super) count: AtomicU64,
    pub(super) pad: [AtomicU64; 15],
}

/// One stall, under its own sequence lock.
#[repr(C)]
pub(super) struct StallSlot {
    pub(super) lock: AtomicU64,
    pub(super) values: [AtomicU64; STALL_WORDS],
    pub(super) pad: [AtomicU64; 15 - STALL_WORDS],
}

/// Words of a stall: number, time, sequence, stage, duration, batch, minor faults, major faults,
/// involuntary switches, cause.
pub(super) const STALL_WORDS: usize = 10;

/// One instrument, under its own sequence lock. The words of `fixed` are set once.
#[repr(C)]
pub(super) struct InstrumentSlot {
    pub(super) lock: AtomicU64,
    /// In use, price scale, quantity scale.
    pub(super) fixed: [AtomicU64; 3],
    pub(super) symbol: Text<4>,
    pub(super) venue: Text<2>,
    pub(super) values: [AtomicU64; INSTRUMENT_WORDS],
    pub(super) pad: [AtomicU64; 20 - INSTRUMENT_WORDS],
}

/// Words of an instrument that change, see `rows.rs`.
pub(super) const INSTRUMENT_WORDS: usize = 13;

/// One strategy, under its own sequence lock. The words of `fixed` are set once.
#[repr(C)]
pub(super) struct StrategySlot {
    pub(super) lock: AtomicU64,
    /// In use.
    pub(super) fixed: [AtomicU64; 1],
    pub(super) name: Text<8>,
    pub(super) values: [AtomicU64; STRATEGY_WORDS],
    pub(super) pad: [AtomicU64; 21 - STRATEGY_WORDS],
}

/// Words of a strategy that change, see `rows.rs`.
pub(super) const STRATEGY_WORDS: usize = 8;

/// One histogram: a line pair of totals, then the buckets.
#[repr(C)]
pub(super) struct HopSlot {
    pub(super) sum_ns: AtomicU64,
    pub(super) max_ns: AtomicU64,
    /// Values above the highest bucket, counted in the highest bucket.
    pub(super) clamped_count: AtomicU64,
    pub(super) pad: [AtomicU64; 13],
    pub(super) buckets: [AtomicU64; BUCKET_MAX],
    pub(super) page_pad: [AtomicU64; 496],
}

/// A whole stats file.
#[repr(C)]
pub(super) struct StatsFile {
    pub(super) header: Header,
    pub(super) threads: [ThreadSlot; THREAD_MAX],
    pub(super) counters: [CounterSlot; COUNTER_MAX],
    pub(super) errors: [ErrorSlot; ERROR_MAX],
    pub(super) error_tail: ErrorTail,
    pub(super) stall_head: StallHead,
    pub(super) stalls: [StallSlot; STALL_MAX],
    pub(super) instruments: [InstrumentSlot; INSTRUMENT_MAX],
    pub(super) strategies: [StrategySlot; STRATEGY_MAX],
    pub(super) pad: [AtomicU64; 480],
    pub(super) hops: [HopSlot; HOP_MAX],
}

const _: () = {
    assert!(size_of::<Header>() == PAGE_BYTES);
    assert!(size_of::<ThreadSlot>() == 128);
    assert!(size_of::<CounterSlot>() == 128);
    assert!(size_of::<ErrorSlot>() == 256);
    assert!(size_of::<ErrorTail>() == 128);
    assert!(size_of::<StallHead>() == 128);
    assert!(size_of::<StallSlot>() == 128);
    assert!(size_of::<InstrumentSlot>() == 256);
    assert!(size_of::<StrategySlot>() == 256);
    assert!(size_of::<HopSlot>() == 225_280);
    assert!(align_of::<StatsFile>() == align_of::<AtomicU64>());

    assert!(offset_of!(Header, version) == 8);
    assert!(offset_of!(Header, pid) == 24);
    assert!(offset_of!(Header, instance) == 128);
    assert!(offset_of!(Header, engine_version) == 256);
    assert!(offset_of!(Header, commit) == 320);
    assert!(offset_of!(Header, mode) == 448);
    assert!(offset_of!(Header, journal_dir) == 512);
    assert!(offset_of!(Header, pad) == 1536);
    assert!(offset_of!(HopSlot, buckets) == 128);

    assert!(offset_of!(StatsFile, threads) == 4_096);
    assert!(offset_of!(StatsFile, counters) == 8_192);
    assert!(offset_of!(StatsFile, errors) == 24_576);
    assert!(offset_of!(StatsFile, error_tail) == 40_960);
    assert!(offset_of!(StatsFile, stall_head) == 41_088);
    assert!(offset_of!(StatsFile, stalls) == 41_216);
    assert!(offset_of!(StatsFile, instruments) == 73_984);
    assert!(offset_of!(StatsFile, strategies) == 139_520);
    assert!(offset_of!(StatsFile, pad) == 155_904);
    assert!(offset_of!(StatsFile, hops) == 159_744);
    assert!(FILE_BYTES == 5_566_464);
    assert!(FILE_BYTES.is_multiple_of(PAGE_BYTES));
};
