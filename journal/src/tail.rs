//! The follower: committed records of a journal that is being written, batch by batch, without blocking.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use thiserror::Error;

use crate::files::{Context, FileError, list, segment_file_name};
use crate::layout::{
    HEADER_SIZE_BYTES, HeaderFault, Identity, PAGE_SIZE_BYTES, decode_page, to_u64, to_usize,
};
use crate::record::Record;

/// Records in one batch: 256 KiB; arbitrary, bounds the time between two looks at other duties.
const BATCH_RECORDS_MAX: u64 = 4096;

/// Why a follower cannot go on.
#[derive(Debug, Error)]
pub enum TailError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no journal in the directory yet.
    #[error("no journal in {}", .0.display())]
    Empty(PathBuf),
    /// A header page is damaged or foreign.
    #[error("header of {} refused: {fault:?}", path.display())]
    Header {
        /// The segment file.
        path: PathBuf,
        /// Why.
        fault: HeaderFault,
    },
    /// A committed place does not hold its good record.
    #[error("{} offset {offset}: not the record of sequence {sequence}", path.display())]
    Damaged {
        /// The segment file.
        path: PathBuf,
        /// Offset of the place.
        offset: u64,
        /// Sequence that the place should hold.
        sequence: u64,
    },
}

/// A segment mapped for following; only committed places are ever shown as records.
#[derive(Debug)]
struct Followed {
    first_sequence: u64,
    last_sequence: u64,
    path: PathBuf,
    file: File,
    map: MmapRaw,
}

impl Followed {
    fn place(&self, sequence: u64) -> *const Record {
        let offset = HEADER_SIZE_BYTES + (sequence - self.first_sequence) * 64;
        self.map.as_ptr().wrapping_add(to_usize(offset)).cast()
    }

    #[expect(unsafe_code, reason = "an atomic load from a shared mapping")]
    fn commit_word(&self, sequence: u64) -> u64 {
        assert!(self.first_sequence <= sequence);
        assert!(sequence <= self.last_sequence);
        let word = self.place(sequence).cast::<u64>().cast_mut();
        // SAFETY: the place lies inside the mapping, is 64-byte aligned, and this word is only loaded.
        let word = unsafe { AtomicU64::from_ptr(word) };
        word.load(Ordering::Acquire)
    }

    #[expect(unsafe_code, reason = "committed records of a shared mapping as a slice")]
    fn committed(&self, from: u64, count: usize) -> &[Record] {
        assert!(self.first_sequence <= from);
        assert!(from + to_u64(count) <= self.last_sequence + 1);
        // SAFETY: the caller saw the commit word of each of these places with acquire, so the bytes are there
        // and never change again; the mapping lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.place(from), count) }
    }
}

/// Follows a journal from a sequence on. Never blocks, never writes; the writer does not know of it.
#[derive(Debug)]
pub struct Tail {
    dir: PathBuf,
    identity: Identity,
    next_sequence: u64,
    segment: Option<Followed>,
}

impl Tail {
    /// Follows from `from_sequence` (at least 1), which may lie in the future.
    pub fn open(dir: &Path, from_sequence: u64) -> Result<Self, TailError> {
        let listing = list(dir)?;
        let Some((_, path)) = listing.segments.first() else {
            return Err(TailError::Empty(dir.to_path_buf()));
        };
        let file = File::open(path).context("open", path)?;
        let identity = read_identity(&file, path)?.0;
        let next_sequence = from_sequence.clamp(1, 1 << 62);
        Ok(Self { dir: dir.to_path_buf(), identity, next_sequence, segment: None })
    }

    /// Sequence of the next record that `poll` will give.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// The next committed records, at most 4,096 and of one segment; empty when there is nothing new.
    pub fn poll(&mut self) -> Result<&[Record], TailError> {
        if !self.select()? {
            return Ok(&[]);
        }
        let segment = self.segment.as_ref().expect("a segment is selected");
        let from = self.next_sequence;
        let end = (from + BATCH_RECORDS_MAX).min(segment.last_sequence + 1);
        let mut next = from;
        while next < end {
            let word = segment.commit_word(next);
            if word == 0 {
                break;
            }
            let intact = word == next && segment.committed(next, 1)[0].is_good(next);
            if !intact {
                if from < next {
                    // The good ones first; the damage is met again at the next poll.
                    break;
                }
                let (path, offset) = (segment.path.clone(), self.identity.offset_of(next));
                return Err(TailError::Damaged { path, offset, sequence: next });
            }
            next += 1;
        }
        self.next_sequence = next;
        Ok(segment.committed(from, to_usize(next - from)))
    }

    /// Maps the segment of the next sequence; false while it does not exist.
    fn select(&mut self) -> Result<bool, TailError> {
        let next = self.next_sequence;
        if let Some(segment) = &self.segment {
            let inside = (segment.first_sequence..=segment.last_sequence).contains(&next);
            if inside && !is_replaced(segment, next)? {
                return Ok(true);
            }
            self.segment = None;
        }
        let index = self.identity.segment_of(next);
        let path = self.dir.join(segment_file_name(index));
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(FileError { operation: "open", path, source }.into()),
        };
        let (identity, first_sequence) = read_identity(&file, &path)?;
        let size = file.metadata().context("stat", &path)?.len();
        let is_ours = identity == self.identity
            && first_sequence == identity.first_sequence_of(index)
            && size == identity.segment_bytes();
        if !is_ours {
            return Err(TailError::Header { path, fault: HeaderFault::Values });
        }
        let map = MmapOptions::new()
            .len(to_usize(size))
            .map_raw_read_only(&file)
            .context("map", &path)?;
        let last_sequence = first_sequence + identity.segment_records - 1;
        self.segment = Some(Followed { first_sequence, last_sequence, path, file, map });
        Ok(true)
    }
}

/// A blank segment is removed at a close and made anew by the next session: the old file gets no records.
fn is_replaced(segment: &Followed, next: u64) -> Result<bool, FileError> {
    if next != segment.first_sequence || segment.commit_word(next) != 0 {
        return Ok(false);
    }
    Ok(segment.file.metadata().context("stat", &segment.path)?.nlink() == 0)
}

fn read_identity(file: &File, path: &Path) -> Result<(Identity, u64), TailError> {
    let mut page = [0_u8; PAGE_SIZE_BYTES];
    file.read_exact_at(&mut page, 0).context("read", path)?;
    let page = decode_page(&page);
    // Beside a writer the lines may be half written; only the header is of interest.
    let header = page.header.ok_or_else(|| TailError::Header {
        path: path.to_path_buf(),
        fault: page.fault.unwrap_or(HeaderFault::Header),
    })?;
    Ok((header.identity, header.first_sequence))
}
