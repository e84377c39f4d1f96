//! The hash chain: one entry a block, each over the block's bytes and the entry before it.
//!
//! ```text
//!   chain.twc   [header][entry][entry] ... [entry: closed]
//!
//!   hash = BLAKE3( previous hash | last sequence | count | flags | segment header, if the block is
//!                  the first of its segment | records )
//!   the first "previous hash" is that of the journal's identity
//! ```
//!
//! An entry is written after its records were synced: what the chain covers was on disk, so records that end
//! before the chain's end were cut off.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::files::{Context, FileError, segment_file_name, write_whole};
use crate::layout::{
    CHAIN_ENTRY_SIZE_BYTES, ChainEntry, HEADER_COPY_SIZE_BYTES, Identity, LINE_SIZE_BYTES,
    LINK_OFFSET, RECORD_SIZE_BYTES, decode_chain_entry, decode_chain_header, encode_chain_entry,
    encode_chain_header, encode_link, is_zero, to_u64, to_usize,
};
use crate::status::Durability;

/// Name of the chain file.
pub const CHAIN_FILE: &str = "chain.twc";

/// A block is full, nothing more to say.
pub(crate) const FLAG_NONE: u32 = 0;
/// The writer closed the journal here.
pub(crate) const FLAG_CLOSED: u32 = 1;
/// A session of durability `Process` began here.
pub(crate) const FLAG_OPENED_PROCESS: u32 = 2;
/// A session of durability `Power` began here.
pub(crate) const FLAG_OPENED_POWER: u32 = 4;
/// An operator cut the journal here.
pub(crate) const FLAG_REPAIRED: u32 = 8;

/// Why a chain file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainFault {
    /// The file is not there.
    Missing,
    /// The first 64 bytes are damaged.
    Header,
    /// Segments exist and the chain does not even say that the journal was created.
    Empty,
    /// This entry's check does not fit.
    Entry(u64),
    /// This entry does not continue the one before it.
    Order(u64),
}

/// A chain file in short.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ChainSummary {
    /// Journal id and block size, when the header is intact.
    pub header: Option<([u8; 16], u32)>,
    /// Entries that are intact and in order.
    pub entries: u64,
    /// Sequence through which the chain reaches.
    pub last_sequence: u64,
    /// The last entry is the mark of a close.
    pub closed: bool,
    /// Durability of the last session.
    pub durability: Option<Durability>,
    /// An operator has cut this journal at least once.
    pub repaired: bool,
    /// Bytes at the end that are no entry yet: the file grew, the power went.
    pub torn: bool,
    /// The first damage.
    pub fault: Option<ChainFault>,
    pub(crate) hash: [u8; 32],
    lines: u64,
}

impl ChainSummary {
    /// A chain that ends with `entry`, its entry number `entries`.
    pub(crate) fn after(entries: u64, entry: &ChainEntry) -> Self {
        let (last_sequence, hash) = (entry.last_sequence, entry.hash);
        Self { entries, last_sequence, hash, ..Self::default() }
    }

    /// Bytes of the header and the intact entries.
    pub(crate) fn good_bytes(&self) -> u64 {
        (self.entries + 1) * CHAIN_ENTRY_SIZE_BYTES
    }

    /// Takes the next 64 bytes; returns the entry in them if it is good.
    pub(crate) fn feed(&mut self, line: &[u8; LINE_SIZE_BYTES]) -> Option<ChainEntry> {
        let index = self.lines;
        self.lines += 1;
        if self.fault.is_some() {
            return None;
        }
        if index == 0 {
            self.header = decode_chain_header(line);
            if self.header.is_none() {
                self.fault = Some(ChainFault::Header);
            }
            return None;
        }
        if is_zero(line) {
            self.torn = true;
            return None;
        }
        let entry = decode_chain_entry(line);
        let (Some(entry), false) = (entry, self.torn) else {
            self.fault = Some(ChainFault::Entry(index));
            return None;
        };
        if !self.continues(&entry) {
            self.fault = Some(ChainFault::Order(index));
            return None;
        }
        self.take(&entry);
        Some(entry)
    }

    fn continues(&self, entry: &ChainEntry) -> bool {
        let known = FLAG_CLOSED | FLAG_OPENED_PROCESS | FLAG_OPENED_POWER | FLAG_REPAIRED;
        let block = self.header.map_or(1, |(_, block)| u64::from(block.max(1)));
        let block_end = (self.last_sequence / block).saturating_add(1).saturating_mul(block);
        entry.flags & !known == FLAG_NONE
            && entry.flags.count_ones() <= 1
            && (self.entries != 0 || opened(entry.flags).is_some())
            && self.last_sequence.checked_add(u64::from(entry.count)) == Some(entry.last_sequence)
            && entry.last_sequence <= block_end
            && (entry.flags != FLAG_NONE || entry.last_sequence == block_end)
    }

    fn take(&mut self, entry: &ChainEntry) {
        self.entries += 1;
        self.last_sequence = entry.last_sequence;
        self.hash = entry.hash;
        self.closed = entry.flags == FLAG_CLOSED;
        self.repaired |= entry.flags == FLAG_REPAIRED;
        self.durability = opened(entry.flags).or(self.durability);
    }

    /// Ends the file with `rest` bytes that do not fill a line.
    pub(crate) fn finish(&mut self, rest: u64) {
        if self.lines == 0 {
            self.fault = Some(ChainFault::Header);
        }
        self.torn |= rest != 0;
    }
}

fn opened(flags: u32) -> Option<Durability> {
    match flags {
        FLAG_OPENED_PROCESS => Some(Durability::Process),
        FLAG_OPENED_POWER => Some(Durability::Power),
        _ => None,
    }
}

/// Flag of the entry that begins a session.
pub(crate) fn flag_of(durability: Durability) -> u32 {
    match durability {
        Durability::Process => FLAG_OPENED_PROCESS,
        Durability::Power => FLAG_OPENED_POWER,
    }
}

/// Judges the bytes of a chain file. Pure.
pub fn scan_chain_bytes(bytes: &[u8]) -> ChainSummary {
    let mut summary = ChainSummary::default();
    let (lines, rest) = bytes.as_chunks::<LINE_SIZE_BYTES>();
    for line in lines {
        summary.feed(line);
    }
    summary.finish(to_u64(rest.len()));
    summary
}

/// Reads a chain file, giving each good entry to `visit`. Memory does not depend on the file's size.
pub(crate) fn read_chain(
    dir: &Path,
    mut visit: impl FnMut(&ChainEntry) -> Result<(), FileError>,
) -> Result<ChainSummary, FileError> {
    let path = dir.join(CHAIN_FILE);
    let mut summary = ChainSummary::default();
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            summary.fault = Some(ChainFault::Missing);
            return Ok(summary);
        }
        Err(source) => return Err(FileError { operation: "open", path, source }),
    };
    let size = file.metadata().context("stat", &path)?.len();
    let mut reader = io::BufReader::new(file);
    let mut line = [0_u8; LINE_SIZE_BYTES];
    for _ in 0..size / CHAIN_ENTRY_SIZE_BYTES {
        io::Read::read_exact(&mut reader, &mut line).context("read", &path)?;
        if let Some(entry) = summary.feed(&line) {
            visit(&entry)?;
        }
        if summary.fault.is_some() {
            break;
        }
    }
    summary.finish(size % CHAIN_ENTRY_SIZE_BYTES);
    Ok(summary)
}

/// The hash of an entry, before its hash is set in it.
pub(crate) fn entry_hash(
    previous: &[u8; 32],
    entry: &ChainEntry,
    header: Option<&[u8; HEADER_COPY_SIZE_BYTES]>,
    records: &[u8],
) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    hasher.update(&entry.last_sequence.to_le_bytes());
    hasher.update(&entry.count.to_le_bytes());
    hasher.update(&entry.flags.to_le_bytes());
    if let Some(header) = header {
        hasher.update(header);
    }
    hasher.update(records);
    *hasher.finalize().as_bytes()
}

/// Reads the records of one block from the segment files.
#[derive(Debug)]
pub(crate) struct BlockReader {
    dir: PathBuf,
    identity: Identity,
    open: Option<(u64, File, PathBuf)>,
    buffer: Vec<u8>,
    header: [u8; HEADER_COPY_SIZE_BYTES],
}

impl BlockReader {
    pub(crate) fn new(dir: &Path, identity: Identity) -> Self {
        Self {
            dir: dir.to_path_buf(),
            identity,
            open: None,
            buffer: vec![0; to_usize(u64::from(identity.block_records) * RECORD_SIZE_BYTES)],
            header: [0; HEADER_COPY_SIZE_BYTES],
        }
    }

    /// The hash that continues `previous` over the `entry.count` records that end at `entry.last_sequence`.
    pub(crate) fn hash(
        &mut self,
        previous: &[u8; 32],
        entry: &ChainEntry,
    ) -> Result<[u8; 32], FileError> {
        let count = u64::from(entry.count);
        assert!(entry.count <= self.identity.block_records);
        if count == 0 {
            return Ok(entry_hash(previous, entry, None, &[]));
        }
        let first = entry.last_sequence - count + 1;
        let segment = self.identity.segment_of(first);
        assert!(self.identity.segment_of(entry.last_sequence) == segment);
        self.select(segment)?;
        let (_, file, path) = self.open.as_ref().expect("a segment is selected");
        let size = to_usize(count * RECORD_SIZE_BYTES);
        let buffer = &mut self.buffer[..size];
        file.read_exact_at(buffer, self.identity.offset_of(first)).context("read", path)?;
        let starts_segment = first == self.identity.first_sequence_of(segment);
        Ok(entry_hash(previous, entry, starts_segment.then_some(&self.header), buffer))
    }

    fn select(&mut self, segment: u64) -> Result<(), FileError> {
        if self.open.as_ref().is_some_and(|(open, _, _)| *open == segment) {
            return Ok(());
        }
        let path = self.dir.join(segment_file_name(segment));
        let file = File::open(&path).context("open", &path)?;
        file.read_exact_at(&mut self.header, 0).context("read", &path)?;
        self.open = Some((segment, file, path));
        Ok(())
    }
}

/// Appends to the chain file.
#[derive(Debug)]
pub(crate) struct ChainWriter {
    file: File,
    path: PathBuf,
    identity: Identity,
    blocks: BlockReader,
    entries: u64,
    last_sequence: u64,
    hash: [u8; 32],
    unsynced: bool,
}

impl ChainWriter {
    /// Makes the chain file of a new journal, its first session already noted.
    pub(crate) fn create(
        dir: &Path,
        identity: Identity,
        durability: Durability,
    ) -> Result<Self, FileError> {
        let hash = identity.genesis_hash();
        let mut entry =
            ChainEntry { last_sequence: 0, count: 0, flags: flag_of(durability), hash: [0; 32] };
        entry.hash = entry_hash(&hash, &entry, None, &[]);
        let path = dir.join(CHAIN_FILE);
        write_whole(&path, &[&encode_chain_header(&identity), &encode_chain_entry(&entry)])?;
        Self::open(dir, identity, &ChainSummary::after(1, &entry))
    }

    /// Continues a chain file after its last good entry.
    pub(crate) fn open(
        dir: &Path,
        identity: Identity,
        summary: &ChainSummary,
    ) -> Result<Self, FileError> {
        let path = dir.join(CHAIN_FILE);
        let file = OpenOptions::new().write(true).open(&path).context("open", &path)?;
        Ok(Self {
            file,
            path,
            identity,
            blocks: BlockReader::new(dir, identity),
            entries: summary.entries,
            last_sequence: summary.last_sequence,
            hash: summary.hash,
            unsynced: false,
        })
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Appends the entry of the next block if all of it lies at or before `through`.
    pub(crate) fn advance(&mut self, through: u64) -> Result<bool, FileError> {
        let block = u64::from(self.identity.block_records);
        let block_end = (self.last_sequence / block + 1) * block;
        if through < block_end {
            return Ok(false);
        }
        self.append(block_end, FLAG_NONE)?;
        Ok(true)
    }

    /// Appends an entry that ends at `last_sequence`, at most a block further on.
    pub(crate) fn append(&mut self, last_sequence: u64, flags: u32) -> Result<(), FileError> {
        let count = u32::try_from(last_sequence - self.last_sequence).expect("at most one block");
        let mut entry = ChainEntry { last_sequence, count, flags, hash: [0; 32] };
        entry.hash = self.blocks.hash(&self.hash, &entry)?;
        self.write_link(last_sequence - u64::from(count), count)?;
        let offset = (self.entries + 1) * CHAIN_ENTRY_SIZE_BYTES;
        self.file.write_all_at(&encode_chain_entry(&entry), offset).context("write", &self.path)?;
        self.entries += 1;
        self.last_sequence = last_sequence;
        self.hash = entry.hash;
        self.unsynced = true;
        Ok(())
    }

    /// Notes in a segment's header page how the chain stood before the segment's first record.
    fn write_link(&self, before: u64, count: u32) -> Result<(), FileError> {
        if count == 0 || before == 0 || !before.is_multiple_of(self.identity.segment_records) {
            return Ok(());
        }
        let (_, _, path) = self.blocks.open.as_ref().expect("its first block was just read");
        let file = OpenOptions::new().write(true).open(path).context("open", path)?;
        file.write_all_at(&encode_link(before, &self.hash), to_u64(LINK_OFFSET))
            .context("write", path)
    }

    /// Makes the entries durable.
    pub(crate) fn sync(&mut self) -> Result<(), FileError> {
        if self.unsynced {
            self.file.sync_all().context("sync", &self.path)?;
            self.unsynced = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
