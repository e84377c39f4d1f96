//! Names, locks and small file operations; every error says what was tried, where.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

/// A file operation that failed.
#[derive(Debug, Error)]
#[error("{operation} {}: {source}", path.display())]
pub struct FileError {
    /// What was tried.
    pub operation: &'static str,
    /// On which file.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl FileError {
    /// The operating system's error number; EIO when it gave none.
    pub fn errno(&self) -> i32 {
        errno_of(&self.source)
    }
}

/// What the system says of one of its error numbers: for people, who know few of them by heart.
pub(crate) fn system_words(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

/// The operating system's error number; EIO when it gave none.
pub(crate) fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(rustix::io::Errno::IO.raw_os_error())
}

/// Attaches operation and path to an I/O error.
pub(crate) trait Context<T> {
    fn context(self, operation: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, operation: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError {
            operation,
            path: path.to_path_buf(),
            source: source.into(),
        })
    }
}

const LOCK_FILE: &str = "journal.lock";
pub(crate) const TEMPORARY_SUFFIX: &str = "tmp";
/// A reader may hold the lock shared for the moment of a look; 100 looks of 1 ms outlast it.
const LOCK_ATTEMPTS_MAX: u32 = 100;

/// File name of the segment with this index (from 1).
pub fn segment_file_name(index: u64) -> String {
    format!("{index:08}.twj")
}

/// Index in a segment's file name.
fn parse_segment_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".twj")?;
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// What a journal directory holds.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Index and path, ascending.
    pub(crate) segments: Vec<(u64, PathBuf)>,
    /// Files that their maker did not live to rename.
    pub(crate) temporaries: Vec<PathBuf>,
}

/// Lists a directory; an absent one is empty.
pub(crate) fn list(dir: &Path) -> Result<Listing, FileError> {
    let mut listing = Listing::default();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
        Err(source) => {
            return Err(FileError { operation: "list", path: dir.to_path_buf(), source });
        }
    };
    for entry in entries {
        let path = entry.context("list", dir)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if let Some(index) = parse_segment_file_name(name) {
            listing.segments.push((index, path));
        } else if path.extension().is_some_and(|suffix| suffix == TEMPORARY_SUFFIX) {
            listing.temporaries.push(path);
        }
    }
    listing.segments.sort();
    Ok(listing)
}

/// The right to write into a directory; ends with the value, and with the process whatever kills it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Takes the right to write; `None` when another holds it.
pub(crate) fn try_lock(dir: &Path) -> Result<Option<Lock>, FileError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .context("open", &path)?;
    for _ in 0..LOCK_ATTEMPTS_MAX {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(Lock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            Err(error) => return Err(error).context("lock", &path),
        }
    }
    Ok(None)
}

/// True when a writer is at work in the directory. Changes nothing.
pub(crate) fn is_live(dir: &Path) -> bool {
    let Ok(file) = File::open(dir.join(LOCK_FILE)) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
}

/// Makes renames and removals in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), FileError> {
    File::open(dir).and_then(|file| file.sync_all()).context("sync", dir)
}

/// Writes a small file so that it is there whole or not at all.
pub(crate) fn write_whole(path: &Path, parts: &[&[u8]]) -> Result<(), FileError> {
    let temporary = temporary_of(path);
    let written = File::create(&temporary).and_then(|mut file| {
        for part in parts {
            io::Write::write_all(&mut file, part)?;
        }
        file.sync_all()
    });
    written.context("write", &temporary)?;
    fs::rename(&temporary, path).context("rename", &temporary)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// The name under which a file is made before it is renamed.
pub(crate) fn temporary_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(TEMPORARY_SUFFIX);
    PathBuf::from(name)
}

/// Removes what a killed process left half made.
pub(crate) fn remove_temporaries(dir: &Path) -> Result<(), FileError> {
    for path in list(dir)?.temporaries {
        fs::remove_file(&path).context("remove", &path)?;
    }
    Ok(())
}

const QUARANTINE_DIR: &str = "quarantine";
const COPY_SIZE_BYTES: usize = 1 << 16;

/// Creates a file in the quarantine that no earlier one is lost for.
pub(crate) fn create_quarantine(dir: &Path, label: &str) -> Result<(File, PathBuf), FileError> {
    let folder = dir.join(QUARANTINE_DIR);
    fs::create_dir_all(&folder).context("create", &folder)?;
    let mut copy = 0_u32;
    loop {
        let path = folder.join(format!("{label}.{copy}.bin"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => copy += 1,
            Err(source) => return Err(FileError { operation: "create", path, source }),
        }
    }
}

/// Copies `[from, to)` of a file into the quarantine, durably; the original is not touched.
pub(crate) fn quarantine_range(
    dir: &Path,
    path: &Path,
    from: u64,
    to: u64,
) -> Result<PathBuf, FileError> {
    let name =
        path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let (out, out_path) = create_quarantine(dir, &format!("{name}.offset-{from}"))?;
    let source = File::open(path).context("open", path)?;
    let mut buffer = vec![0_u8; COPY_SIZE_BYTES];
    let mut offset = from;
    while offset < to {
        let size =
            crate::layout::to_usize((to - offset).min(crate::layout::to_u64(COPY_SIZE_BYTES)));
        source.read_exact_at(&mut buffer[..size], offset).context("read", path)?;
        out.write_all_at(&buffer[..size], offset - from).context("write", &out_path)?;
        offset += crate::layout::to_u64(size);
    }
    out.sync_all().context("sync", &out_path)?;
    sync_dir(&dir.join(QUARANTINE_DIR))?;
    sync_dir(dir)?;
    Ok(out_path)
}

/// Overwrites `[from, to)` of a file with zeros, durably.
pub(crate) fn zero_range(path: &Path, from: u64, to: u64) -> Result<(), FileError> {
    let file = OpenOptions::new().write(true).open(path).context("open", path)?;
    let zeros = vec![0_u8; COPY_SIZE_BYTES];
    let mut offset = from;
    while offset < to {
        let size =
            crate::layout::to_usize((to - offset).min(crate::layout::to_u64(COPY_SIZE_BYTES)));
        file.write_all_at(&zeros[..size], offset).context("write", path)?;
        offset += crate::layout::to_u64(size);
    }
    file.sync_all().context("sync", path)
}
