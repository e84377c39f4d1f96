//! Captures: files of raw frames, one a line, `<receive time, ns since the Unix epoch> <json>`.
//!
//! Read as a stream with one reused line buffer; gzip is recognised by its first bytes, not by the name.
//! A line that is no frame is an error of that line only and reading goes on behind it. Damage of the
//! file itself (a cut gzip, a failing disk) ends the reading, after everything before it was handed out.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// Longest line that is taken: a frame of 1 MiB and its time.
pub const LINE_SIZE_BYTES_MAX: usize = (1 << 20) + 32;
const BUFFER_SIZE_BYTES: usize = 64 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a capture cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open capture {path}")]
pub struct CaptureError {
    /// The file.
    pub path: String,
    /// What the system says.
    pub source: std::io::Error,
}

/// A line that gave no frame.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It does not begin with a time in ns and a space.
    #[error("line {line}: no receive time in front of the frame")]
    NoTime {
        /// Number of the line, from 1.
        line: u64,
    },
    /// A time, but nothing behind it.
    #[error("line {line}: no frame behind the receive time")]
    NoFrame {
        /// Number of the line, from 1.
        line: u64,
    },
    /// Longer than [`LINE_SIZE_BYTES_MAX`]; skipped.
    #[error("line {line}: longer than {LINE_SIZE_BYTES_MAX} bytes")]
    TooLong {
        /// Number of the line, from 1.
        line: u64,
    },
    /// The file ends or breaks in this line. Nothing follows.
    #[error("line {line}: the capture is cut off or damaged here: {source}")]
    Damaged {
        /// Number of the line, from 1.
        line: u64,
        /// What the decompressor or the system says.
        source: std::io::Error,
    },
}

impl LineError {
    /// Stable number, 32 and above; [`crate::DecodeError`] has the numbers below. Never renumbered.
    pub const fn code(&self) -> u16 {
        match self {
            LineError::NoTime { .. } => 32,
            LineError::NoFrame { .. } => 33,
            LineError::TooLong { .. } => 34,
            LineError::Damaged { .. } => 35,
        }
    }

    /// Number of the line, from 1.
    pub const fn line(&self) -> u64 {
        match self {
            LineError::NoTime { line }
            | LineError::NoFrame { line }
            | LineError::TooLong { line }
            | LineError::Damaged { line, .. } => *line,
        }
    }
}

/// One line with a frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Number of the line, from 1.
    pub number: u64,
    /// When it was received. Never before the line in front of it.
    pub receive_ns: u64,
    /// By how much the time in the file lay before that of the line in front, and was raised; mostly 0.
    pub raised_ns: u64,
    /// The raw frame; decoding may overwrite it.
    pub frame: &'a mut [u8],
}

/// How far the reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file read so far, as they are on disk. Runs ahead by what is buffered.
    pub consumed_bytes: u64,
    /// Bytes of the file when it was opened.
    pub total_bytes: u64,
}

/// Counts what passes through.
struct Counted {
    file: File,
    consumed_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        let count_wide = u64::try_from(count).expect("a buffer length fits 64 bits");
        self.consumed_bytes.fetch_add(count_wide, Ordering::Relaxed);
        Ok(count)
    }
}

/// A capture being read.
pub struct Capture {
    input: Box<dyn BufRead + Send>,
    consumed_bytes: Arc<AtomicU64>,
    total_bytes: u64,
    line: Vec<u8>,
    line_number: u64,
    last_receive_ns: u64,
    has_ended: bool,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture")
            .field("line_number", &self.line_number)
            .field("last_receive_ns", &self.last_receive_ns)
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

/// What [`Capture::read_line`] found.
enum Found {
    Line,
    TooLong,
    End,
}

impl Capture {
    /// Opens a capture, plain or gzip.
    pub fn open(path: impl AsRef<Path>) -> Result<Capture, CaptureError> {
        let path = path.as_ref();
        Capture::open_file(path)
            .map_err(|source| CaptureError { path: path.display().to_string(), source })
    }

    fn open_file(path: &Path) -> std::io::Result<Capture> {
        let mut file = File::open(path)?;
        let total_bytes = file.metadata()?.len();
        let mut magic = Vec::with_capacity(GZIP_MAGIC.len());
        file.by_ref().take(2).read_to_end(&mut magic)?;
        file.rewind()?;
        let consumed_bytes = Arc::new(AtomicU64::new(0));
        let counted = Counted { file, consumed_bytes: Arc::clone(&consumed_bytes) };
        let raw = BufReader::with_capacity(BUFFER_SIZE_BYTES, counted);
        let input: Box<dyn BufRead + Send> = if magic == GZIP_MAGIC {
            Box::new(BufReader::with_capacity(BUFFER_SIZE_BYTES, MultiGzDecoder::new(raw)))
        } else {
            Box::new(raw)
        };
        Ok(Capture::from_input(input, consumed_bytes, total_bytes))
    }

    /// A capture that is already in memory or comes from elsewhere, uncompressed.
    pub fn from_reader(input: impl BufRead + Send + 'static) -> Capture {
        Capture::from_input(Box::new(input), Arc::default(), 0)
    }

    fn from_input(
        input: Box<dyn BufRead + Send>,
        consumed_bytes: Arc<AtomicU64>,
        total_bytes: u64,
    ) -> Capture {
        Capture {
            input,
            consumed_bytes,
            total_bytes,
            line: Vec::with_capacity(BUFFER_SIZE_BYTES),
            line_number: 0,
            last_receive_ns: 0,
            has_ended: false,
        }
    }

    /// How far the reading is; both zero for a capture that is not a file.
    pub fn progress(&self) -> Progress {
        Progress {
            consumed_bytes: self.consumed_bytes.load(Ordering::Relaxed),
            total_bytes: self.total_bytes,
        }
    }

    /// The next line that is not blank; `None` at the end. Goes on after every error but
    /// [`LineError::Damaged`].
    #[expect(clippy::should_implement_trait, reason = "a line borrows the buffer, an item cannot")]
    pub fn next(&mut self) -> Option<Result<Line<'_>, LineError>> {
        loop {
            if self.has_ended {
                return None;
            }
            let line = self.line_number + 1;
            match self.read_line() {
                Ok(Found::End) => {
                    self.has_ended = true;
                    return None;
                }
                Ok(Found::TooLong) => {
                    self.line_number = line;
                    return Some(Err(LineError::TooLong { line }));
                }
                Ok(Found::Line) => self.line_number = line,
                Err(source) => {
                    self.has_ended = true;
                    return Some(Err(LineError::Damaged { line, source }));
                }
            }
            if !self.line.trim_ascii().is_empty() {
                return Some(self.split_line());
            }
        }
    }

    fn split_line(&mut self) -> Result<Line<'_>, LineError> {
        let number = self.line_number;
        let line = self.line.as_mut_slice();
        let time_length = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let time_ns = std::str::from_utf8(&line[..time_length])
            .ok()
            .filter(|_| line.get(time_length) == Some(&b' '))
            .and_then(|digits| digits.parse::<u64>().ok())
            .ok_or(LineError::NoTime { line: number })?;
        let end = line.trim_ascii_end().len();
        if end <= time_length + 1 {
            return Err(LineError::NoFrame { line: number });
        }
        let receive_ns = time_ns.max(self.last_receive_ns);
        self.last_receive_ns = receive_ns;
        Ok(Line {
            number,
            receive_ns,
            raised_ns: receive_ns - time_ns,
            frame: &mut line[time_length + 1..end],
        })
    }

    /// Reads up to the next line end into `self.line`, without it. A line that is too long is passed
    /// over to its end. What stands before damage without a line end is not a line.
    fn read_line(&mut self) -> std::io::Result<Found> {
        self.line.clear();
        let mut is_too_long = false;
        let mut has_begun = false;
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                return Ok(match (has_begun, is_too_long) {
                    (false, _) => Found::End,
                    (true, true) => Found::TooLong,
                    (true, false) => Found::Line,
                });
            }
            has_begun = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            if LINE_SIZE_BYTES_MAX < self.line.len() + part.len() {
                is_too_long = true;
            }
            if !is_too_long {
                self.line.extend_from_slice(part);
            }
            let consumed = part.len() + usize::from(end.is_some());
            self.input.consume(consumed);
            if end.is_some() {
                return Ok(if is_too_long { Found::TooLong } else { Found::Line });
            }
        }
    }
}
