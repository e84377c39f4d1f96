//! The checkpoint file: lines are appended, synced, never changed; half a last line is what a crash left.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::checkpoint::Checkpoint;
use crate::files::{Context as _, IoError, folder_of, sync_dir};

/// Name of the checkpoint file in the audit directory.
pub const CHECKPOINT_FILE: &str = "checkpoints.jsonl";
/// Longest line that is read; the longest that is written has about 2,000 bytes.
pub(crate) const LINE_SIZE_BYTES_MAX: usize = 8192;

/// A verification holds the lock shared for the moment of a look; 100 looks of 1 ms outlast it.
const LOCK_ATTEMPTS_MAX: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// Why checkpoints cannot be appended.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] IoError),
    /// Another process signs checkpoints here.
    #[error("{}: another process signs here", .0.display())]
    Locked(PathBuf),
    /// A line is not a checkpoint.
    #[error("{} line {line}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// One line of a file, without its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawLine<'a> {
    /// From 1.
    pub(crate) number: u64,
    pub(crate) bytes: &'a [u8],
    /// Whether its end is there.
    pub(crate) whole: bool,
    /// Offset of the byte behind the line.
    pub(crate) end: u64,
}

/// Gives each line from `offset` on to `visit`, until it says no. Lines that are too long come in pieces that are no
/// checkpoints. An absent file has no lines.
pub(crate) fn each_line<E: From<IoError>>(
    path: &Path,
    offset: u64,
    mut visit: impl FnMut(RawLine<'_>) -> Result<bool, E>,
) -> Result<(), E> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(IoError { operation: "open", path: path.to_path_buf(), source }.into());
        }
    };
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(offset)).at("seek in", path)?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let (mut number, mut end) = (0, offset);
    loop {
        line.clear();
        let bound = u64::try_from(LINE_SIZE_BYTES_MAX).unwrap_or(u64::MAX);
        let count = reader.by_ref().take(bound).read_until(b'\n', &mut line).at("read", path)?;
        if count == 0 {
            return Ok(());
        }
        number += 1;
        end += u64::try_from(count).unwrap_or(0);
        let ends = line.last() == Some(&b'\n');
        if ends {
            line.pop();
        }
        // Only the end of the file can be half a line; a piece of a longer one is garbage in the middle.
        let whole = ends || count == LINE_SIZE_BYTES_MAX;
        if !visit(RawLine { number, bytes: &line, whole, end })? {
            return Ok(());
        }
    }
}

/// Appends checkpoints. The lock on the file is held as long as this lives.
#[derive(Debug)]
pub(crate) struct LogWriter {
    file: File,
    path: PathBuf,
    size: u64,
    last: Option<Checkpoint>,
}

impl LogWriter {
    /// Opens the file in `dir`, made when absent; cuts half a last line, which nobody was told of.
    pub(crate) fn open(dir: &Path) -> Result<LogWriter, LogError> {
        let path = dir.join(CHECKPOINT_FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&path)
            .at("open", &path)?;
        lock(&file, &path)?;
        let (mut size, mut last) = (0, None);
        each_line::<LogError>(&path, 0, |line| {
            if !line.whole {
                return Ok(false);
            }
            let damaged = |what| LogError::Damaged { path: path.clone(), line: line.number, what };
            last = Some(Checkpoint::from_line(line.bytes).map_err(damaged)?);
            size = line.end;
            Ok(true)
        })?;
        if file.metadata().at("stat", &path)?.len() != size {
            file.set_len(size).at("cut half a line of", &path)?;
            file.sync_all().at("sync", &path)?;
        }
        sync_dir(folder_of(&path))?;
        Ok(LogWriter { file, path, size, last })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The last checkpoint.
    pub(crate) fn last(&self) -> Option<&Checkpoint> {
        self.last.as_ref()
    }

    /// Bytes of whole lines.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a line; when this returns it is on disk.
    pub(crate) fn append(&mut self, checkpoint: Checkpoint) -> Result<(), IoError> {
        let mut line = checkpoint.to_line().into_bytes();
        line.push(b'\n');
        let written = self.file.write_all_at(&line, self.size).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // A line that may be half there must not stay: the next one begins where it began.
            let cut = self.file.set_len(self.size);
            let operation = if cut.is_ok() { "append to" } else { "append to, and cut," };
            return Err(IoError { operation, path: self.path.clone(), source });
        }
        self.size += u64::try_from(line.len()).unwrap_or(0);
        self.last = Some(checkpoint);
        Ok(())
    }
}

fn lock(file: &File, path: &Path) -> Result<(), LogError> {
    for _ in 0..LOCK_ATTEMPTS_MAX {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => {
                let path = path.to_path_buf();
                return Err(IoError { operation: "lock", path, source }.into());
            }
        }
    }
    Err(LogError::Locked(path.to_path_buf()))
}

/// Whether a process signs checkpoints in `dir` now.
pub(crate) fn is_held(dir: &Path) -> bool {
    let Ok(file) = File::open(dir.join(CHECKPOINT_FILE)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}
