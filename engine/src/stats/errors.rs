//! The distinct-error log: each error once, with its count, first and last time.
//!
//! An error that comes a million times is one row and a count. A text with a running number in it
//! cannot flood the log either: one code gets a few rows, the rest of its texts are counted as
//! similar.

use std::fmt::{self, Write};
use std::sync::atomic::Ordering;

use super::layout::{ERROR_TEXTS_PER_CODE_MAX, ErrorSlot, StatsFile, cut};

/// Bytes of an error's text; longer ones are cut.
pub const ERROR_TEXT_BYTES_MAX: usize = 120;

const FREE: u64 = 0;
const CLAIMED: u64 = 1;
const READY: u64 = 2;

/// One distinct error as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorRow {
    /// Code of the kind of error.
    pub code: u32,
    /// Text of its first occurrence.
    pub text: String,
    /// How often it came.
    pub count: u64,
    /// How often errors with the same code came that found no row of their own.
    pub similar_count: u64,
    /// When it came first.
    pub first_ns: u64,
    /// When it came last.
    pub last_ns: u64,
}

/// Formats into a fixed buffer and cuts what does not fit: no allocation.
struct ShortText {
    bytes: [u8; ERROR_TEXT_BYTES_MAX],
    length: usize,
}

impl Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let text = cut(text, ERROR_TEXT_BYTES_MAX - self.length);
        self.bytes[self.length..self.length + text.len()].copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}

/// Counts one error. Any thread; no lock, no allocation, no system call.
pub(super) fn log(file: &StatsFile, code: u32, now_ns: u64, text: fmt::Arguments<'_>) {
    let mut short = ShortText { bytes: [0; ERROR_TEXT_BYTES_MAX], length: 0 };
    if short.write_fmt(text).is_err() {
        // A `Display` of the caller failed; what it wrote until then is still worth keeping.
        short.length = short.length.min(ERROR_TEXT_BYTES_MAX);
    }
    let text = std::str::from_utf8(&short.bytes[..short.length]).unwrap_or("");
    let key = fingerprint(code, text);

    let mut first_of_code: Option<&ErrorSlot> = None;
    let mut texts_of_code = 0;
    for slot in &file.errors {
        let state = slot.state.load(Ordering::Acquire);
        if state == READY {
            if slot.code.load(Ordering::Relaxed) != u64::from(code) {
                continue;
            }
            if slot.key.load(Ordering::Relaxed) == key {
                slot.count.fetch_add(1, Ordering::Relaxed);
                slot.last_ns.fetch_max(now_ns, Ordering::Relaxed);
                return;
            }
            first_of_code = first_of_code.or(Some(slot));
            texts_of_code += 1;
        } else if state == FREE {
            if ERROR_TEXTS_PER_CODE_MAX <= texts_of_code {
                break;
            }
            let claim =
                slot.state.compare_exchange(FREE, CLAIMED, Ordering::Acquire, Ordering::Relaxed);
            if claim.is_ok() {
                fill(slot, code, key, now_ns, text);
                return;
            }
            // Another thread was faster. Should it be writing this very error, there will be two
            // rows, which the reader adds up.
        }
    }
    match first_of_code {
        Some(slot) => {
            slot.similar_count.fetch_add(1, Ordering::Relaxed);
            slot.last_ns.fetch_max(now_ns, Ordering::Relaxed);
        }
        None => {
            file.error_tail.dropped_count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn fill(slot: &ErrorSlot, code: u32, key: u64, now_ns: u64, text: &str) {
    slot.key.store(key, Ordering::Relaxed);
    slot.code.store(code.into(), Ordering::Relaxed);
    slot.count.store(1, Ordering::Relaxed);
    slot.first_ns.store(now_ns, Ordering::Relaxed);
    slot.last_ns.store(now_ns, Ordering::Relaxed);
    slot.text.set(text);
    slot.state.store(READY, Ordering::Release);
}

/// FNV-1a of code and text.
fn fingerprint(code: u32, text: &str) -> u64 {
    code.to_le_bytes().iter().chain(text.as_bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Reads all errors, the oldest first.
pub(super) fn read(file: &StatsFile) -> Vec<ErrorRow> {
    let mut rows: Vec<ErrorRow> = Vec::new();
    for slot in &file.errors {
        if slot.state.load(Ordering::Acquire) != READY {
            continue;
        }
        let row = ErrorRow {
            code: u32::try_from(slot.code.load(Ordering::Relaxed)).unwrap_or(u32::MAX),
            text: slot.text.get(),
            count: slot.count.load(Ordering::Relaxed),
            similar_count: slot.similar_count.load(Ordering::Relaxed),
            first_ns: slot.first_ns.load(Ordering::Relaxed),
            last_ns: slot.last_ns.load(Ordering::Relaxed),
        };
        let twin = rows.iter_mut().find(|other| other.code == row.code && other.text == row.text);
        if let Some(twin) = twin {
            twin.count = twin.count.saturating_add(row.count);
            twin.similar_count = twin.similar_count.saturating_add(row.similar_count);
            twin.first_ns = twin.first_ns.min(row.first_ns);
            twin.last_ns = twin.last_ns.max(row.last_ns);
        } else {
            rows.push(row);
        }
    }
    rows
}
