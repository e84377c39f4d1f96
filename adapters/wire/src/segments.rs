//! The raw recorder: every frame in and out, in immutable segment files.
//!
//! ```text
//!   DIR/feed-in-000001.capture         closed: read-only, never written again
//!   DIR/feed-in-000002.capture.part    being written
//!   DIR/orders-in-000001.capture.part
//!   DIR/orders-out-000001.capture.part
//! ```
//!
//! Name of the session and direction are in the name of the file, so that each file by itself is
//! what the capture reader of the venue adapters takes: a line is the time in ns since the Unix
//! epoch, a space and the frame. What cannot stand in a line is made to: line ends become spaces,
//! which JSON does not tell apart from them. Empty, overlong and binary frames are only counted.
//!
//! A segment that would grow beyond its limit is closed and the next one begins. A new recorder
//! begins behind the highest number that is there and overwrites nothing. After a crash the `.part`
//! file holds everything up to the last write and may end within a line.
//!
//! **Invariant:** recording stops before trading does. Frames wait in a bounded buffer; what does
//! not fit is counted as dropped. The first error ends the recording and is kept; nothing is handed
//! back to whoever records.

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::recorder::FRAME_SIZE_BYTES_MAX;

const TRACK_COUNT_MAX: usize = 64;
const SUFFIX_CLOSED: &str = ".capture";
const SUFFIX_OPEN: &str = ".capture.part";

/// Limits of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentConfig {
    /// A segment is closed before it grows beyond.
    pub segment_size_bytes_max: u64,
    /// Bytes of a file that wait to be written.
    pub buffer_size_bytes_max: usize,
    /// Bytes of a file that are written in one go, so that the loop is not held up.
    pub write_size_bytes_max: usize,
    /// What waits is written so often, even if it is little.
    pub flush_interval_ns: u64,
}

impl Default for SegmentConfig {
    fn default() -> SegmentConfig {
        SegmentConfig {
            segment_size_bytes_max: 256 << 20,
            buffer_size_bytes_max: 8 << 20,
            // Some 50 us into the page cache.
            write_size_bytes_max: 128 * 1024,
            flush_interval_ns: 1_000_000_000,
        }
    }
}

/// Why there is no recording, or no further one.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The directory cannot be used.
    #[error("cannot record into {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A segment cannot be made.
    #[error("cannot create segment {path}: {source}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A segment cannot be written.
    #[error("cannot write segment {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A segment cannot get its final name.
    #[error("cannot close segment {path}: {source}")]
    Close {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The name of a track cannot be that of a file, or is taken.
    #[error("\"{name}\" cannot name a track: use a-z, 0-9, - and _, each name once")]
    Name {
        /// As given.
        name: String,
    },
    /// There are too many tracks.
    #[error("more than {TRACK_COUNT_MAX} tracks")]
    Full,
}

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// Number of a track in its recorder, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackId(usize);

/// What was recorded so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentCounts {
    /// Frames taken.
    pub frame_count: u64,
    /// Bytes of their lines.
    pub size_bytes: u64,
    /// Frames that found no room, or came after the end of the recording.
    pub dropped_count: u64,
    /// Frames that cannot be a line: empty, overlong or no text.
    pub unfit_count: u64,
    /// Frames whose line ends became spaces.
    pub altered_count: u64,
    /// Segments closed.
    pub segment_count: u64,
}

/// One row of segments: a track in one direction.
#[derive(Debug)]
struct Row {
    name: String,
    /// Of the open segment, or of the next one.
    number: u64,
    /// Made with the first line.
    file: Option<File>,
    /// Lines of the open segment, the waiting ones included.
    size_bytes: u64,
    waiting: Vec<u8>,
    /// What of the waiting bytes is written.
    written: usize,
}

/// A recording.
#[derive(Debug)]
pub struct SegmentRecorder {
    directory: PathBuf,
    config: SegmentConfig,
    /// Two for each track: in, then out.
    rows: Vec<Row>,
    flushed_ns: u64,
    counts: SegmentCounts,
    failure: Option<SegmentError>,
}

impl SegmentRecorder {
    /// A recording into `directory`, which is made if it is not there.
    pub fn create(
        directory: &Path,
        config: SegmentConfig,
    ) -> Result<SegmentRecorder, SegmentError> {
        fs::create_dir_all(directory)
            .map_err(|source| SegmentError::Directory { path: directory.to_path_buf(), source })?;
        Ok(SegmentRecorder {
            directory: directory.to_path_buf(),
            config,
            rows: Vec::new(),
            flushed_ns: 0,
            counts: SegmentCounts::default(),
            failure: None,
        })
    }

    /// Adds a track, mostly a session.
    pub fn track(&mut self, name: &str) -> Result<TrackId, SegmentError> {
        let is_letter = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
        };
        let is_sound = !name.is_empty() && name.len() <= 64 && name.bytes().all(is_letter);
        let inbound = row_name(name, Direction::In);
        if !is_sound || self.rows.iter().any(|row| row.name == inbound) {
            return Err(SegmentError::Name { name: name.to_string() });
        }
        let id = TrackId(self.rows.len() / 2);
        if TRACK_COUNT_MAX <= id.0 {
            return Err(SegmentError::Full);
        }
        for direction in [Direction::In, Direction::Out] {
            let name = row_name(name, direction);
            let number = next_number(&self.directory, &name).map_err(|source| {
                SegmentError::Directory { path: self.directory.clone(), source }
            })?;
            self.rows.push(Row {
                name,
                number,
                file: None,
                size_bytes: 0,
                waiting: Vec::new(),
                written: 0,
            });
        }
        Ok(id)
    }

    /// Takes a frame. Never blocks for longer than one write.
    pub fn record(&mut self, track: TrackId, direction: Direction, at_ns: u64, frame: &[u8]) {
        let is_unfit = FRAME_SIZE_BYTES_MAX < frame.len()
            || frame.trim_ascii().is_empty()
            || std::str::from_utf8(frame).is_err();
        if is_unfit {
            self.counts.unfit_count += 1;
            return;
        }
        if self.failure.is_some() {
            self.counts.dropped_count += 1;
            return;
        }
        let index = 2 * track.0 + usize::from(direction == Direction::Out);
        let is_taken = self.append(index, at_ns, frame);
        match is_taken {
            Ok(true) => self.counts.frame_count += 1,
            Ok(false) => self.counts.dropped_count += 1,
            Err(error) => {
                self.counts.dropped_count += 1;
                self.failure = Some(error);
            }
        }
    }

    /// Writes some of what waits. To be called with each turn of the loop.
    pub fn on_time(&mut self, now_ns: u64) {
        if self.failure.is_some() {
            return;
        }
        let is_due = self.flushed_ns.saturating_add(self.config.flush_interval_ns) <= now_ns;
        if is_due {
            self.flushed_ns = now_ns;
        }
        let size_bytes_max = self.config.write_size_bytes_max;
        for index in 0..self.rows.len() {
            let waiting = self.rows[index].waiting_bytes();
            let is_wanted = (is_due && 0 < waiting) || size_bytes_max <= waiting;
            if is_wanted && let Err(error) = self.write(index, size_bytes_max) {
                self.failure = Some(error);
                return;
            }
        }
    }

    /// What was recorded so far.
    pub fn counts(&self) -> SegmentCounts {
        self.counts
    }

    /// Why nothing is recorded any more, if so.
    pub fn failure(&self) -> Option<&SegmentError> {
        self.failure.as_ref()
    }

    /// Writes what waits and closes all segments.
    pub fn finish(mut self) -> Result<SegmentCounts, SegmentError> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        for index in 0..self.rows.len() {
            self.close(index)?;
        }
        Ok(self.counts)
    }

    /// Whether there was room for the line.
    fn append(&mut self, index: usize, at_ns: u64, frame: &[u8]) -> Result<bool, SegmentError> {
        // Twenty digits, a space and the line end at most.
        let size_bytes = frame.len() + 22;
        let size_wide = u64::try_from(size_bytes).expect("a length fits 64 bits");
        let row = &self.rows[index];
        if 0 < row.size_bytes
            && self.config.segment_size_bytes_max < row.size_bytes.saturating_add(size_wide)
        {
            self.close(index)?;
        }
        let size_bytes_max = self.config.buffer_size_bytes_max;
        if size_bytes_max < self.rows[index].waiting_bytes() + size_bytes {
            self.write(index, self.config.write_size_bytes_max)?;
        }
        let row = &mut self.rows[index];
        if size_bytes_max < row.waiting_bytes() + size_bytes {
            return Ok(false);
        }
        let begin = row.waiting.len();
        // Into memory, which takes everything.
        write!(row.waiting, "{at_ns} ").expect("a vector takes every write");
        let frame_begin = row.waiting.len();
        row.waiting.extend_from_slice(frame);
        let mut is_altered = false;
        for byte in &mut row.waiting[frame_begin..] {
            if *byte == b'\n' || *byte == b'\r' {
                *byte = b' ';
                is_altered = true;
            }
        }
        row.waiting.push(b'\n');
        let line_size_bytes =
            u64::try_from(row.waiting.len() - begin).expect("a length fits 64 bits");
        row.size_bytes += line_size_bytes;
        self.counts.size_bytes += line_size_bytes;
        self.counts.altered_count += u64::from(is_altered);
        Ok(true)
    }

    /// Writes at most so many of the waiting bytes.
    fn write(&mut self, index: usize, size_bytes_max: usize) -> Result<(), SegmentError> {
        let path = self.path(index, SUFFIX_OPEN);
        let row = &mut self.rows[index];
        if row.file.is_none() {
            let file = File::create_new(&path)
                .map_err(|source| SegmentError::Create { path: path.clone(), source })?;
            row.file = Some(file);
        }
        let file = row.file.as_mut().expect("the file was made above");
        let end = row.waiting.len().min(row.written.saturating_add(size_bytes_max));
        let begin = row.written;
        file.write_all(&row.waiting[begin..end])
            .map_err(|source| SegmentError::Write { path, source })?;
        row.written = end;
        if row.written == row.waiting.len() {
            row.waiting.clear();
            row.written = 0;
        } else if row.waiting.len() / 2 < row.written {
            row.waiting.drain(..row.written);
            row.written = 0;
        }
        Ok(())
    }

    /// Gives the open segment its final name, makes it read-only and goes on to the next number.
    fn close(&mut self, index: usize) -> Result<(), SegmentError> {
        if 0 < self.rows[index].waiting_bytes() {
            self.write(index, usize::MAX)?;
        }
        let (open, closed) = (self.path(index, SUFFIX_OPEN), self.path(index, SUFFIX_CLOSED));
        let row = &mut self.rows[index];
        let Some(file) = row.file.take() else { return Ok(()) };
        row.number += 1;
        row.size_bytes = 0;
        let mut permissions = file
            .metadata()
            .map_err(|source| SegmentError::Close { path: open.clone(), source })?
            .permissions();
        permissions.set_readonly(true);
        // A second name refuses to take the place of a file that is there; a new name would not.
        file.set_permissions(permissions)
            .and_then(|()| fs::hard_link(&open, &closed))
            .and_then(|()| fs::remove_file(&open))
            .map_err(|source| SegmentError::Close { path: closed, source })?;
        self.counts.segment_count += 1;
        Ok(())
    }

    fn path(&self, index: usize, suffix: &str) -> PathBuf {
        let row = &self.rows[index];
        self.directory.join(format!("{}-{:06}{suffix}", row.name, row.number))
    }
}

impl Row {
    fn waiting_bytes(&self) -> usize {
        self.waiting.len() - self.written
    }
}

fn row_name(track: &str, direction: Direction) -> String {
    format!("{track}-{}", direction.name())
}

/// The number behind the highest one that is there, closed or not.
fn next_number(directory: &Path, row: &str) -> io::Result<u64> {
    let mut highest = 0;
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix(row))
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| {
                rest.strip_suffix(SUFFIX_OPEN).or_else(|| rest.strip_suffix(SUFFIX_CLOSED))
            })
            .and_then(|digits| digits.parse::<u64>().ok());
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest + 1)
}
