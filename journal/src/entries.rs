//! The chain's entries, for those who sign them, compare them or keep them elsewhere.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::chain::{
    CHAIN_FILE, ChainFault, ChainSummary, FLAG_CLOSED, FLAG_OPENED_POWER, FLAG_OPENED_PROCESS,
    FLAG_REPAIRED,
};
use crate::files::{Context, FileError};
use crate::layout::{CHAIN_ENTRY_SIZE_BYTES, ChainEntry, LINE_SIZE_BYTES, to_u64};

/// Entries read at a time: 64 KiB.
const BATCH_ENTRIES: usize = 1024;

/// One entry of the chain: everything through `last_sequence`, in one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainPoint {
    /// Number of the entry, from 1.
    pub entry: u64,
    /// Last record that the hash covers.
    pub last_sequence: u64,
    /// The hash over everything before and these records.
    pub hash: [u8; 32],
    /// A session began here.
    pub opened: bool,
    /// A session ended here in order.
    pub closed: bool,
    /// An operator cut the journal here.
    pub repaired: bool,
}

impl ChainPoint {
    fn of(number: u64, entry: &ChainEntry) -> ChainPoint {
        ChainPoint {
            entry: number,
            last_sequence: entry.last_sequence,
            hash: entry.hash,
            opened: matches!(entry.flags, FLAG_OPENED_PROCESS | FLAG_OPENED_POWER),
            closed: entry.flags == FLAG_CLOSED,
            repaired: entry.flags == FLAG_REPAIRED,
        }
    }
}

/// Follows a chain file, beside its writer or alone. Never writes; memory does not depend on the file's size.
#[derive(Debug)]
pub struct ChainTail {
    file: File,
    path: PathBuf,
    summary: ChainSummary,
    /// Lines taken, the header's included.
    lines: u64,
    buffer: Vec<u8>,
}

impl ChainTail {
    /// Opens the chain of the journal in `dir`.
    pub fn open(dir: &Path) -> Result<ChainTail, FileError> {
        let path = dir.join(CHAIN_FILE);
        let file = File::open(&path).context("open", &path)?;
        Ok(ChainTail {
            file,
            path,
            summary: ChainSummary::default(),
            lines: 0,
            buffer: vec![0; BATCH_ENTRIES * LINE_SIZE_BYTES],
        })
    }

    /// Id of the journal, once the header was read.
    pub fn journal_id(&self) -> Option<[u8; 16]> {
        self.summary.header.map(|(id, _)| id)
    }

    /// What is wrong with the chain as far as it was read. A last entry that is half written is not.
    pub fn fault(&self) -> Option<ChainFault> {
        self.summary.fault
    }

    /// Gives every new good entry to `visit`.
    pub fn poll(&mut self, mut visit: impl FnMut(&ChainPoint)) -> Result<(), FileError> {
        loop {
            let size = self.file.metadata().context("stat", &self.path)?.len();
            let waiting = (size / CHAIN_ENTRY_SIZE_BYTES).saturating_sub(self.lines);
            let count = usize::try_from(waiting).unwrap_or(BATCH_ENTRIES).min(BATCH_ENTRIES);
            if count == 0 || self.summary.fault.is_some() {
                return Ok(());
            }
            let bytes = &mut self.buffer[..count * LINE_SIZE_BYTES];
            let offset = self.lines * CHAIN_ENTRY_SIZE_BYTES;
            self.file.read_exact_at(bytes, offset).context("read", &self.path)?;
            let is_all = to_u64(count) == waiting;
            let (lines, _) = bytes.as_chunks::<LINE_SIZE_BYTES>();
            for (index, line) in lines.iter().enumerate() {
                let mut after = self.summary.clone();
                let entry = after.feed(line);
                let is_last = is_all && index + 1 == count;
                // The writer may be in the middle of it; it is looked at again at the next poll.
                if is_last && (after.torn || matches!(after.fault, Some(ChainFault::Entry(_)))) {
                    return Ok(());
                }
                self.summary = after;
                self.lines += 1;
                if let Some(entry) = entry {
                    visit(&ChainPoint::of(self.summary.entries, &entry));
                }
            }
        }
    }

    /// Makes what was read durable: the writer syncs entries later than it appends them.
    pub fn sync(&self) -> Result<(), FileError> {
        self.file.sync_data().context("sync", &self.path)
    }
}

#[cfg(test)]
mod tests;
