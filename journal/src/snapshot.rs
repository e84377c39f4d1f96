//! The snapshot store: states of the owner at a sequence, whole or not there, checked when read.
//!
//! ```text
//!   snapshot-00000000000001234567.tws
//!   0  magic "TWSNAP1\n" 8 | 8 version 4 | 12 zero 4 | 16 sequence 8 | 24 state hash 8 | 32 length 8
//!   40 BLAKE3 of bytes 0..40 and of the state, 32 | 72 state
//! ```

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::{Context, FileError, sync_dir, write_whole};
use crate::layout::{FORMAT_VERSION, to_u64, to_usize};

const MAGIC: [u8; 8] = *b"TWSNAP1\n";
const HEAD_SIZE_BYTES: usize = 40;
const PREFIX_SIZE_BYTES: usize = 72;

/// A state at a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// All records at or before this one are in the state.
    pub sequence: u64,
    /// The owner's hash of the state.
    pub state_hash: u64,
    /// The state.
    pub bytes: Vec<u8>,
}

/// Why a snapshot file is not used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// Shorter than its prefix, or of another length than it says.
    #[error("length {found} is not {expected}")]
    Length {
        /// By the prefix.
        expected: u64,
        /// By the file system.
        found: u64,
    },
    /// Not a snapshot.
    #[error("not a snapshot")]
    Magic,
    /// A version that this program does not know.
    #[error("version {0} is not known")]
    Version(u32),
    /// The hash does not fit the bytes.
    #[error("the hash does not fit the bytes")]
    Hash,
    /// The prefix tells another sequence than the file name.
    #[error("sequence {found} is not that of the name, {expected}")]
    Sequence {
        /// By the name.
        expected: u64,
        /// By the prefix.
        found: u64,
    },
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A snapshot file that was passed over.
#[derive(Debug)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// The newest snapshot that can be used, and those newer ones that cannot.
#[derive(Debug, Default)]
pub struct Newest {
    /// `None` when there is none.
    pub snapshot: Option<Snapshot>,
    /// Damaged ones that were passed over, newest first.
    pub skipped: Vec<Skipped>,
}

/// Saves a state so that it is there whole or not at all. Returns its path.
pub fn save(
    dir: &Path,
    sequence: u64,
    state_hash: u64,
    bytes: &[u8],
) -> Result<PathBuf, FileError> {
    fs::create_dir_all(dir).context("create", dir)?;
    let path = dir.join(file_name(sequence));
    let mut head = [0_u8; HEAD_SIZE_BYTES];
    head[0..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    head[16..24].copy_from_slice(&sequence.to_le_bytes());
    head[24..32].copy_from_slice(&state_hash.to_le_bytes());
    head[32..40].copy_from_slice(&to_u64(bytes.len()).to_le_bytes());
    write_whole(&path, &[&head, hash(&head, bytes).as_bytes(), bytes])?;
    Ok(path)
}

/// The newest good snapshot at or before `max_sequence`.
pub fn newest_valid(dir: &Path, max_sequence: u64) -> Result<Newest, FileError> {
    let mut newest = Newest::default();
    for (sequence, path) in list(dir)?.into_iter().rev() {
        if max_sequence < sequence {
            continue;
        }
        match read(&path, sequence) {
            Ok(snapshot) => {
                newest.snapshot = Some(snapshot);
                break;
            }
            Err(reason) => newest.skipped.push(Skipped { path, reason }),
        }
    }
    Ok(newest)
}

/// Removes all but the newest `keep` snapshot files. Returns how many were removed.
pub fn prune(dir: &Path, keep: usize) -> Result<usize, FileError> {
    let files = list(dir)?;
    let surplus = files.len().saturating_sub(keep);
    for (_, path) in &files[..surplus] {
        fs::remove_file(path).context("remove", path)?;
    }
    if 0 < surplus {
        sync_dir(dir)?;
    }
    Ok(surplus)
}

fn file_name(sequence: u64) -> String {
    format!("snapshot-{sequence:020}.tws")
}

fn parse_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("snapshot-")?.strip_suffix(".tws")?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Sequence and path of each snapshot file, ascending; an absent directory has none.
fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, FileError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(FileError { operation: "list", path: dir.to_path_buf(), source });
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.context("list", dir)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(sequence) = name.and_then(parse_file_name) {
            files.push((sequence, path));
        }
    }
    files.sort();
    Ok(files)
}

fn hash(head: &[u8; HEAD_SIZE_BYTES], bytes: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(head);
    hasher.update(bytes);
    hasher.finalize()
}

/// The bytes of a snapshot file, judged. Pure.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, SkipReason> {
    let found = to_u64(bytes.len());
    let (Some(head), Some(stored), Some(state)) = (
        bytes.first_chunk::<HEAD_SIZE_BYTES>(),
        bytes.get(HEAD_SIZE_BYTES..PREFIX_SIZE_BYTES),
        bytes.get(PREFIX_SIZE_BYTES..),
    ) else {
        return Err(SkipReason::Length { expected: to_u64(PREFIX_SIZE_BYTES), found });
    };
    let length = check_head(head, found)?;
    assert!(length == to_u64(state.len()));
    if hash(head, state).as_bytes() != stored {
        return Err(SkipReason::Hash);
    }
    Ok(Snapshot { sequence: word(head, 16), state_hash: word(head, 24), bytes: state.to_vec() })
}

fn word(head: &[u8; HEAD_SIZE_BYTES], offset: usize) -> u64 {
    let mut out = [0; 8];
    out.copy_from_slice(&head[offset..offset + 8]);
    u64::from_le_bytes(out)
}

/// Length of the state, when the prefix belongs to a file of `found` bytes.
fn check_head(head: &[u8; HEAD_SIZE_BYTES], found: u64) -> Result<u64, SkipReason> {
    if head[0..8] != MAGIC {
        return Err(SkipReason::Magic);
    }
    let [low, high, ..] = word(head, 8).to_le_bytes().as_chunks::<4>().0[..] else {
        return Err(SkipReason::Magic);
    };
    let version = u32::from_le_bytes(low);
    if version != FORMAT_VERSION || u32::from_le_bytes(high) != 0 {
        return Err(SkipReason::Version(version));
    }
    let length = word(head, 32);
    let expected = length.saturating_add(to_u64(PREFIX_SIZE_BYTES));
    if expected != found {
        return Err(SkipReason::Length { expected, found });
    }
    Ok(length)
}

fn read(path: &Path, sequence: u64) -> Result<Snapshot, SkipReason> {
    let mut file = File::open(path).context("open", path)?;
    let found = file.metadata().context("stat", path)?.len();
    // The prefix is judged before memory is taken, so that a sparse stranger cannot ask for much.
    let mut prefix = [0_u8; PREFIX_SIZE_BYTES];
    if found < to_u64(PREFIX_SIZE_BYTES) {
        return Err(SkipReason::Length { expected: to_u64(PREFIX_SIZE_BYTES), found });
    }
    file.read_exact(&mut prefix).context("read", path)?;
    let head = prefix.first_chunk::<HEAD_SIZE_BYTES>().expect("the prefix holds the head");
    let length = check_head(head, found)?;
    let mut bytes = prefix.to_vec();
    bytes.reserve_exact(to_usize(length));
    file.take(length).read_to_end(&mut bytes).context("read", path)?;
    let snapshot = decode(&bytes)?;
    if snapshot.sequence != sequence {
        return Err(SkipReason::Sequence { expected: sequence, found: snapshot.sequence });
    }
    Ok(snapshot)
}

#[cfg(test)]
mod tests;
