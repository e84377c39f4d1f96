//! The reader: good records of a journal as slices of the mapped files; nothing is copied or changed.

use std::fs::File;
use std::path::Path;

use memmap2::{Mmap, MmapOptions};
use thiserror::Error;

use crate::files::{Context, FileError};
use crate::layout::{HEADER_SIZE_BYTES, RECORD_SIZE_BYTES, to_usize};
use crate::record::Record;
use crate::recovery::{Recovery, inspect};

/// Why a journal cannot be read at all. Damage is not an error here: see [`Reader::recovery`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReaderError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The good records of one segment, mapped read-only. The mapping holds nothing else, so that a writer at work
/// before and behind it changes no byte that a slice shows.
#[derive(Debug)]
struct Mapped {
    first_sequence: u64,
    map: Mmap,
}

impl Mapped {
    fn records(&self) -> &[Record] {
        bytemuck::cast_slice(&self.map)
    }
}

/// Reads records up to the last good one at the time of opening. Works on read-only media and beside a writer.
///
/// The files must not be shortened by others meanwhile; the writer and recovery never do.
#[derive(Debug)]
pub struct Reader {
    recovery: Recovery,
    segments: Vec<Mapped>,
}

impl Reader {
    /// Looks at the whole journal, then maps it. Of a damaged journal the records before the damage are shown.
    pub fn open(dir: &Path) -> Result<Self, ReaderError> {
        Self::from_recovery(inspect(dir))
    }

    /// Maps a journal that was just inspected or recovered, without reading it again.
    pub fn from_recovery(recovery: Recovery) -> Result<Self, ReaderError> {
        let mut segments = Vec::new();
        for info in &recovery.segments {
            let first_sequence = info.header.first_sequence;
            if recovery.last_sequence < first_sequence {
                break;
            }
            let count = (recovery.last_sequence + 1 - first_sequence)
                .min(info.header.identity.segment_records);
            let size = count * RECORD_SIZE_BYTES;
            let file = File::open(&info.path).context("open", &info.path)?;
            let map = map_read_only(&file, to_usize(size)).context("map", &info.path)?;
            segments.push(Mapped { first_sequence, map });
        }
        Ok(Self { recovery, segments })
    }

    /// What was found on opening.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Sequence of the last good record; 0 when there is none.
    pub fn last_sequence(&self) -> u64 {
        self.recovery.last_sequence
    }

    /// The records, one slice a segment.
    pub fn segments(&self) -> Segments<'_> {
        self.segments_from(1)
    }

    /// The records from `sequence` on, one slice a segment.
    pub fn segments_from(&self, sequence: u64) -> Segments<'_> {
        Segments { reader: self, next: 0, from: sequence.max(1) }
    }

    /// The records from `sequence` on, one by one.
    pub fn records_from(&self, sequence: u64) -> RecordsFrom<'_> {
        RecordsFrom { segments: self.segments_from(sequence), current: [].iter() }
    }

    /// The record with this sequence.
    pub fn get(&self, sequence: u64) -> Option<&Record> {
        let identity = self.recovery.identity?;
        if sequence == 0 || self.recovery.last_sequence < sequence {
            return None;
        }
        let segment = self.segments.get(to_usize(identity.segment_of(sequence) - 1))?;
        segment.records().get(to_usize(sequence - segment.first_sequence))
    }
}

#[expect(unsafe_code, reason = "a mapping of a file that others could shorten")]
fn map_read_only(file: &File, size: usize) -> std::io::Result<Mmap> {
    // SAFETY: the bytes are committed records alone. They never change after their commit word is there, and
    // our own code never shortens a segment.
    unsafe { MmapOptions::new().offset(HEADER_SIZE_BYTES).len(size).map(file) }
}

/// Slices of records, one a segment.
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    reader: &'a Reader,
    next: usize,
    from: u64,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [Record];

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let segment = self.reader.segments.get(self.next)?;
            self.next += 1;
            let skip = to_usize(self.from.saturating_sub(segment.first_sequence));
            let records = segment.records();
            if skip < records.len() {
                return Some(&records[skip..]);
            }
        }
    }
}

/// Records one by one.
#[derive(Debug, Clone)]
pub struct RecordsFrom<'a> {
    segments: Segments<'a>,
    current: std::slice::Iter<'a, Record>,
}

impl<'a> Iterator for RecordsFrom<'a> {
    type Item = &'a Record;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.current.next() {
                return Some(record);
            }
            self.current = self.segments.next()?.iter();
        }
    }
}
