//! State on disk: one file of lines, appended before an answer leaves.
//!
//! ```text
//!   state.jsonl:  <whole state>\n <change>\n <change>\n ...      a torn last line is dropped
//! ```
//!
//! **Invariant:** one venue at a time: the file `lock` beside it is locked while it runs.
//!
//! **Invariant:** whatever an answer told is in the file before it (a `write` that returned: it
//! survives the death of the process, not that of the machine).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::exchange::Exchange;
use crate::serve::ServeError;

const FILE: &str = "state.jsonl";
const LOCK: &str = "lock";
/// A venue whose engine was killed ends a moment after it: so many looks at its lock, and the pause between them.
const LOCK_TRY_COUNT: usize = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// Size at which the changes are put together into one state again.
const SIZE_BYTES_MAX: u64 = 64 << 20;

/// The open file.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    /// Held, not read.
    _lock: File,
    file: File,
    size_bytes: u64,
    /// Size after the last whole state.
    base_size_bytes: u64,
}

impl Store {
    /// Brings the exchange to the saved state and begins a new file with it.
    pub(crate) fn open(folder: &Path, exchange: &mut Exchange) -> Result<Store, ServeError> {
        let io = |source| ServeError::State { path: folder.join(FILE), source };
        std::fs::create_dir_all(folder).map_err(io)?;
        let lock = lock(folder)?;
        let path = folder.join(FILE);
        if path.exists() {
            let bytes = std::fs::read(&path).map_err(io)?;
            // What is behind the last line feed was being written when the process died.
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            for line in bytes[..whole].split(|byte| *byte == b'\n') {
                if !line.is_empty() {
                    exchange.load(line)?;
                }
            }
        }
        let (file, size_bytes) = begin(folder, exchange).map_err(io)?;
        let folder = folder.to_path_buf();
        Ok(Store { folder, _lock: lock, file, size_bytes, base_size_bytes: size_bytes })
    }

    /// Writes what changed since the last call.
    pub(crate) fn append(&mut self, exchange: &mut Exchange) -> Result<(), ServeError> {
        let Some(mut line) = exchange.save_changes() else { return Ok(()) };
        line.push(b'\n');
        let io = |source| ServeError::State { path: self.folder.join(FILE), source };
        self.file.write_all(&line).map_err(io)?;
        self.size_bytes += u64::try_from(line.len()).unwrap_or(0);
        if self.base_size_bytes.saturating_add(SIZE_BYTES_MAX) < self.size_bytes {
            let (file, size_bytes) = begin(&self.folder, exchange).map_err(io)?;
            self.file = file;
            self.size_bytes = size_bytes;
            self.base_size_bytes = size_bytes;
        }
        Ok(())
    }
}

/// Waits a bounded time for a venue that is about to end.
fn lock(folder: &Path) -> Result<File, ServeError> {
    let path = folder.join(LOCK);
    let io = |source| ServeError::State { path: path.clone(), source };
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path);
    let file = file.map_err(io)?;
    for _ in 0..LOCK_TRY_COUNT {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
    }
    Err(ServeError::InUse { path: folder.to_path_buf() })
}

/// A new file with the whole state, in the place of the old one.
fn begin(folder: &Path, exchange: &mut Exchange) -> std::io::Result<(File, u64)> {
    let mut line = exchange.save();
    line.push(b'\n');
    let fresh = folder.join("state.jsonl.new");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&fresh)?;
    file.write_all(&line)?;
    file.sync_data()?;
    std::fs::rename(&fresh, folder.join(FILE))?;
    Ok((file, u64::try_from(line.len()).unwrap_or(0)))
}
