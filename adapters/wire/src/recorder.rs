//! The raw recorder: text frames as lines `<receive time, ns since the Unix epoch> <frame>`, plain
//! or gzip.
//!
//! The file is what the capture reader of the venue adapters takes. Lines reach the file at an
//! interval and at the end: after a crash the rest of the last interval is lost and a plain file
//! may end within a line, which the reader takes as one bad frame.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::session::{Frame, FrameKind};

/// Longest frame that a capture reader takes.
pub const FRAME_SIZE_BYTES_MAX: usize = 1 << 20;
const BUFFER_SIZE_BYTES: usize = 256 * 1024;

/// Why a recording cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The file cannot be made; a file that is already there is never overwritten.
    #[error("cannot create {path}: {source}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A write failed. What was flushed before is in the file.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is in the recording.
    Written,
    /// It cannot be a line of a capture and is only counted.
    Quarantined(Unfit),
}

/// Why a frame cannot be a line of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It holds a line end.
    Newline,
    /// It holds nothing but white space.
    Blank,
    /// It is longer than [`FRAME_SIZE_BYTES_MAX`].
    TooLong,
    /// It is not a text.
    Binary,
}

/// What was recorded so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderCounts {
    /// Frames in the recording.
    pub frame_count: u64,
    /// Bytes of these frames, without times and line ends.
    pub frame_size_bytes: u64,
    /// Frames that were refused.
    pub quarantined_count: u64,
}

enum Output {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

/// A recording being written.
pub struct Recorder {
    path: PathBuf,
    output: Output,
    flush_interval_ns: u64,
    flushed_ns: u64,
    is_dirty: bool,
    counts: RecorderCounts,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("path", &self.path)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// Makes a new file, compressed if its name ends in `.gz`.
    pub fn create(path: &Path, flush_interval_ns: u64) -> Result<Recorder, RecorderError> {
        let file = File::create_new(path)
            .map_err(|source| RecorderError::Create { path: path.to_path_buf(), source })?;
        let buffer = BufWriter::with_capacity(BUFFER_SIZE_BYTES, file);
        let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
        let output = if is_gzip {
            Output::Gzip(GzEncoder::new(buffer, Compression::default()))
        } else {
            Output::Plain(buffer)
        };
        Ok(Recorder {
            path: path.to_path_buf(),
            output,
            flush_interval_ns,
            flushed_ns: 0,
            is_dirty: false,
            counts: RecorderCounts::default(),
        })
    }

    /// Adds a frame.
    pub fn record(&mut self, frame: &Frame<'_>) -> Result<Recorded, RecorderError> {
        if let Some(unfit) = find_unfit(frame) {
            self.counts.quarantined_count += 1;
            return Ok(Recorded::Quarantined(unfit));
        }
        self.write_line(frame).map_err(|source| self.write_error(source))?;
        self.is_dirty = true;
        self.counts.frame_count += 1;
        self.counts.frame_size_bytes +=
            u64::try_from(frame.payload.len()).expect("a length fits 64 bits");
        Ok(Recorded::Written)
    }

    /// Flushes if the interval is over. To be called between frames, also when none come.
    pub fn on_time(&mut self, now_ns: u64) -> Result<(), RecorderError> {
        if now_ns < self.flushed_ns.saturating_add(self.flush_interval_ns) {
            return Ok(());
        }
        self.flushed_ns = now_ns;
        if !std::mem::take(&mut self.is_dirty) {
            return Ok(());
        }
        // Gzip ends its block, so that everything up to here can be decompressed.
        self.writer().flush().map_err(|source| self.write_error(source))
    }

    /// What was recorded so far.
    pub fn counts(&self) -> RecorderCounts {
        self.counts
    }

    /// Ends the file and brings it to the disk.
    pub fn finish(self) -> Result<RecorderCounts, RecorderError> {
        let Recorder { path, output, counts, .. } = self;
        let ended = match output {
            Output::Plain(buffer) => Ok(buffer),
            Output::Gzip(encoder) => encoder.finish(),
        };
        ended
            .and_then(|buffer| buffer.into_inner().map_err(io::IntoInnerError::into_error))
            .and_then(|file| file.sync_all())
            .map_err(|source| RecorderError::Write { path, source })?;
        Ok(counts)
    }

    fn write_line(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let receive_ns = frame.receive_ns;
        let writer = self.writer();
        write!(writer, "{receive_ns} ")?;
        writer.write_all(frame.payload)?;
        writer.write_all(b"\n")
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.output {
            Output::Plain(buffer) => buffer,
            Output::Gzip(encoder) => encoder,
        }
    }

    fn write_error(&self, source: io::Error) -> RecorderError {
        RecorderError::Write { path: self.path.clone(), source }
    }
}

fn find_unfit(frame: &Frame<'_>) -> Option<Unfit> {
    if frame.kind == FrameKind::Binary {
        return Some(Unfit::Binary);
    }
    if FRAME_SIZE_BYTES_MAX < frame.payload.len() {
        return Some(Unfit::TooLong);
    }
    if frame.payload.contains(&b'\n') {
        return Some(Unfit::Newline);
    }
    frame.payload.trim_ascii().is_empty().then_some(Unfit::Blank)
}
