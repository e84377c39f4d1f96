//! A segment file mapped for writing: made ahead, touched ahead, stored into, flushed.
//!
//! All stores into a journal go through this file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, fallocate};

use crate::files::{Context, FileError, segment_file_name, sync_dir, temporary_of};
use crate::layout::{
    HEADER_SIZE_BYTES, MARK_OFFSET, PAGE_SIZE_BYTES, SegmentHeader, encode_mark, encode_page,
    to_u64, to_usize,
};
use crate::status::Durability;

/// A mapped segment. The writer stores records, the helper flushes; neither moves or shrinks the file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) index: u64,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) path: PathBuf,
    file: File,
    map: MmapRaw,
}

impl Segment {
    /// Makes a segment file of zeros under a temporary name, makes it durable, renames and maps it.
    pub(crate) fn prepare(
        dir: &Path,
        header: &SegmentHeader,
        durability: Durability,
    ) -> Result<Self, FileError> {
        let path = dir.join(segment_file_name(header.segment_index));
        let temporary = temporary_of(&path);
        let made = make_file(&temporary, header, durability);
        if made.is_err() {
            // A half made segment would keep the very space whose lack stopped it. If this fails too, the
            // next start removes the file.
            drop(fs::remove_file(&temporary));
        }
        made?;
        fs::rename(&temporary, &path).context("rename", &temporary)?;
        sync_dir(dir)?;
        let segment = Self::open(&path, header)?;
        segment.touch_all();
        Ok(segment)
    }

    /// Maps an existing segment file of the right length.
    pub(crate) fn open(path: &Path, header: &SegmentHeader) -> Result<Self, FileError> {
        let file = OpenOptions::new().read(true).write(true).open(path).context("open", path)?;
        let size = header.identity.segment_bytes();
        let found = file.metadata().context("stat", path)?.len();
        if found != size {
            // A store past the end of the file would be a SIGBUS.
            let source = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(FileError { operation: "map", path: path.to_path_buf(), source });
        }
        let map = MmapOptions::new().len(to_usize(size)).map_raw(&file).context("map", path)?;
        assert!(map.as_ptr().align_offset(PAGE_SIZE_BYTES) == 0);
        Ok(Self {
            index: header.segment_index,
            first_sequence: header.first_sequence,
            last_sequence: header.first_sequence + header.identity.segment_records - 1,
            path: path.to_path_buf(),
            file,
            map,
        })
    }

    /// Address of the place of `sequence`; the end of the mapping for the place after the last one.
    pub(crate) fn slot(&self, sequence: u64) -> *mut u64 {
        assert!(self.first_sequence <= sequence);
        assert!(sequence <= self.last_sequence + 1);
        let offset = HEADER_SIZE_BYTES + (sequence - self.first_sequence) * 64;
        // Not dereferenced here: `wrapping_add` stays inside the mapping or one past its end.
        self.map.as_mut_ptr().wrapping_add(to_usize(offset)).cast()
    }

    /// Notes what the disk has confirmed; rides to the disk with the next flush.
    pub(crate) fn write_mark(&self, synced: u64) -> Result<(), FileError> {
        self.file
            .write_all_at(&encode_mark(synced), to_u64(MARK_OFFSET))
            .context("write", &self.path)
    }

    /// Waits until the disk has the header page and all records at or before `through`.
    pub(crate) fn flush(&self, through: u64) -> Result<(), FileError> {
        let through = through.min(self.last_sequence);
        let end = HEADER_SIZE_BYTES + (through + 1 - self.first_sequence) * 64;
        self.map.flush_range(0, to_usize(end)).context("sync", &self.path)
    }

    /// Waits until the disk has the header page.
    pub(crate) fn flush_header(&self) -> Result<(), FileError> {
        self.map.flush_range(0, PAGE_SIZE_BYTES).context("sync", &self.path)
    }

    /// Makes the pages of `[from, to)` present and writable, so that the writer's stores do not fault.
    ///
    /// Advice only: a kernel before 5.14 says no, and the writer's own touch does the work.
    pub(crate) fn touch(&self, from: u64, to: u64) {
        let to = to.min(self.last_sequence + 1);
        let from = from.max(self.first_sequence);
        if from < to {
            let offset = HEADER_SIZE_BYTES + (from - self.first_sequence) * 64;
            let size = to_usize((to - from) * 64);
            drop(self.map.advise_range(Advice::PopulateWrite, to_usize(offset), size));
        }
    }

    fn touch_all(&self) {
        self.touch(self.first_sequence, self.last_sequence + 1);
    }
}

fn make_file(
    temporary: &Path,
    header: &SegmentHeader,
    durability: Durability,
) -> Result<(), FileError> {
    let file = File::create(temporary).context("create", temporary)?;
    let size = header.identity.segment_bytes();
    let allocated = match fallocate(&file, FallocateFlags::empty(), 0, size) {
        Ok(()) => true,
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => false,
        Err(error) => return Err(error).context("allocate", temporary),
    };
    // Under `Power` the blocks are written once before use, so that a sync later writes data alone and
    // not the file system's notes about blocks that were never written.
    if !allocated || durability == Durability::Power {
        let zeros = vec![0_u8; 1 << 18];
        let mut offset = 0;
        while offset < size {
            let part = to_usize((size - offset).min(to_u64(zeros.len())));
            file.write_all_at(&zeros[..part], offset).context("write", temporary)?;
            offset += to_u64(part);
        }
    }
    file.write_all_at(&encode_page(header), 0).context("write", temporary)?;
    file.sync_all().context("sync", temporary)
}

/// The writer's next place in the current mapping.
#[derive(Debug)]
pub(crate) struct Slot(pub(crate) *mut u64);

#[expect(unsafe_code, reason = "a pointer into a mapping that its holder keeps alive")]
// SAFETY: the mapping is reachable from every thread, and the slot has one owner that moves as a whole.
unsafe impl Send for Slot {}

impl Slot {
    /// Moves to the next place.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        self.0 = self.0.wrapping_add(8);
    }

    /// True when the place is the first one of a page.
    #[inline(always)]
    pub(crate) fn is_at_page_start(&self) -> bool {
        self.0.addr() & (PAGE_SIZE_BYTES - 1) == 0
    }

    /// Stores a sealed record: seven words, then the commit word with release.
    #[inline(always)]
    #[expect(
        unsafe_code,
        reason = "a store into a shared mapping; readers wait for the commit word"
    )]
    pub(crate) fn store_record(&self, words: &[u64; 8]) {
        let [commit, body @ ..] = words;
        // SAFETY: the owner keeps the slot inside its live writable mapping while places are left.
        let target = unsafe { self.0.add(1) }.cast::<[u64; 7]>();
        // SAFETY: these 56 bytes lie in the same place; nobody reads them before the commit word is there.
        unsafe { target.write(*body) };
        // SAFETY: the place is 64-byte aligned, valid, and its first word is only used as an atomic.
        let word = unsafe { AtomicU64::from_ptr(self.0) };
        word.store(*commit, Ordering::Release);
    }

    /// Stores a zero into the first place of the next page, which holds nothing yet: makes it present.
    #[inline(always)]
    #[expect(unsafe_code, reason = "a store into a shared mapping")]
    pub(crate) fn touch_next_page(&self) {
        let next = self.0.wrapping_add(PAGE_SIZE_BYTES / 8);
        // SAFETY: the owner has more places left than a page holds, so the next page is inside the mapping.
        let word = unsafe { AtomicU64::from_ptr(next) };
        word.store(0, Ordering::Relaxed);
    }
}
