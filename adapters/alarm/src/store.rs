//! What is kept: the history line by line, and the state from which a restart goes on.
//!
//! ```text
//!   notices --> state.json (with these notices: pending) --> alarms.jsonl --> channels
//!                     written whole, then renamed               appended, synced
//! ```
//! A crash between the two is mended at the next start: what is pending and not in the history is appended.
//! So a notice stands there exactly once.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::board::BoardState;
use crate::catalogue::Code;
use crate::notice::Notice;
use crate::rules::RulesState;

/// The history.
pub const HISTORY_FILE: &str = "alarms.jsonl";
/// The state.
pub const STATE_FILE: &str = "state.json";
/// Who silenced what until when; written by the command, read by the thread.
pub const SILENCE_FILE: &str = "silences.json";
const LOCK_FILE: &str = "lock";
const STATE_VERSION: u32 = 1;
/// Then the file is put aside under the number of its last notice and a new one begun.
const HISTORY_SIZE_MAX: u64 = 64 << 20;
/// What is read of its end at a start: some thousands of notices.
const HISTORY_END_SIZE: u64 = 4 << 20;
/// Notices that wait for a history that cannot be written; the oldest go.
const UNWRITTEN_COUNT_MAX: usize = 4_096;

/// What survives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedState {
    pub(crate) version: u32,
    /// The next record of the journal to be read.
    pub next_sequence: u64,
    /// How far the guard's file was read.
    #[serde(default)]
    pub guard_offset: Option<u64>,
    /// The board.
    pub board: BoardState,
    /// The rules.
    pub rules: RulesState,
    /// Notices that may not be in the history yet.
    pub pending: Vec<Notice>,
}

/// One silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Which alarm.
    pub code: Code,
    /// Until when.
    pub until_ns: u64,
    /// Number of the user who asked for it.
    pub user: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Silences {
    silences: Vec<Silence>,
}

/// Why the directory of the alarms cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refuses.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process tells the alarms of this directory.
    #[error("{0} is in use: another process tells its alarms")]
    Locked(PathBuf),
    /// A state that cannot be written, which does not happen.
    #[error("the state of the alarms has no text: {0}")]
    Text(#[from] serde_json::Error),
}

trait At<T> {
    fn at(self, operation: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, operation: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { operation, path: path.to_path_buf(), source })
    }
}

/// What was found at the start.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The state, where there is one that can be read.
    pub state: Option<SavedState>,
    /// There was one and it could not be read; it is kept beside.
    pub is_state_damaged: bool,
    /// The newest notices of the history, oldest first.
    pub newest: Vec<Notice>,
}

/// The directory, held by a lock.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    history: File,
    history_size: u64,
    notice_last: u64,
    /// Notices that the history has not, because it could not be written.
    unwritten: Vec<Notice>,
    /// Closing it gives the lock back.
    _lock: File,
}

impl Store {
    /// Opens or makes the directory, mends a history that was cut off, appends what is pending.
    pub fn open(dir: &Path) -> Result<(Store, Loaded), StoreError> {
        fs::create_dir_all(dir).at("make", dir)?;
        let path = dir.join(LOCK_FILE);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.at("open", &path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(StoreError::Locked(dir.to_path_buf())),
            Err(fs::TryLockError::Error(source)) => return Err(source).at("lock", &path),
        }
        let (history, history_size) = open_history(dir)?;
        let newest = newest(dir)?;
        let notice_last = newest.last().map_or(0, |notice| notice.notice);
        let (state, is_state_damaged) = load_state(dir)?;
        let dir = dir.to_path_buf();
        let unwritten = Vec::new();
        let mut store = Store { dir, history, history_size, notice_last, unwritten, _lock: lock };
        let mut loaded = Loaded { state, is_state_damaged, newest };
        if let Some(state) = &mut loaded.state {
            let mut pending = std::mem::take(&mut state.pending);
            pending.retain(|notice| store.notice_last < notice.notice);
            store.append(&pending)?;
            loaded.newest.append(&mut pending);
        }
        Ok((store, loaded))
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Saves the state, then appends the notices to the history. After an error the notices are kept, and
    /// written with the next ones.
    pub fn commit(&mut self, mut state: SavedState, notices: &[Notice]) -> Result<(), StoreError> {
        self.unwritten.extend_from_slice(notices);
        let surplus = self.unwritten.len().saturating_sub(UNWRITTEN_COUNT_MAX);
        self.unwritten.drain(..surplus);
        state.version = STATE_VERSION;
        state.pending.clone_from(&self.unwritten);
        let text = serde_json::to_vec(&state)?;
        write_whole(&self.dir, STATE_FILE, &text)?;
        let unwritten = std::mem::take(&mut self.unwritten);
        let appended = self.append(&unwritten);
        if appended.is_err() {
            self.unwritten = unwritten;
        }
        appended
    }

    /// From here on every write to the history fails, as on a full disk; or works again.
    #[cfg(test)]
    pub(crate) fn break_history(&mut self, is_broken: bool) {
        let path = self.dir.join(HISTORY_FILE);
        let file = OpenOptions::new().read(true).append(!is_broken).open(path);
        self.history = file.expect("the history exists");
    }

    fn append(&mut self, notices: &[Notice]) -> Result<(), StoreError> {
        let Some(last) = notices.last() else { return Ok(()) };
        let path = self.dir.join(HISTORY_FILE);
        let mut text = Vec::new();
        for notice in notices {
            serde_json::to_writer(&mut text, notice)?;
            text.push(b'\n');
        }
        let written = self.history.write_all(&text).and_then(|()| self.history.sync_data());
        if let Err(source) = written {
            // A torn line would hide the next one. Where even that fails, the next start cuts it.
            drop(self.history.set_len(self.history_size));
            return Err(source).at("append to", &path);
        }
        self.history_size += u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.notice_last = last.notice;
        if HISTORY_SIZE_MAX < self.history_size {
            let aside = self.dir.join(format!("alarms-{}.jsonl", last.notice));
            fs::rename(&path, &aside).at("put aside", &path)?;
            (self.history, self.history_size) = open_history(&self.dir)?;
        }
        Ok(())
    }
}

/// Opens the history and cuts a last line that has no end.
fn open_history(dir: &Path) -> Result<(File, u64), StoreError> {
    let path = dir.join(HISTORY_FILE);
    let file = OpenOptions::new().create(true).append(true).read(true).open(&path);
    let file = file.at("open", &path)?;
    let (end, size) = read_end(&file).at("read", &path)?;
    let kept = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    let torn = u64::try_from(end.len() - kept).unwrap_or(0);
    if 0 < torn {
        file.set_len(size - torn).at("cut", &path)?;
    }
    Ok((file, size - torn))
}

fn read_end(mut file: &File) -> io::Result<(Vec<u8>, u64)> {
    let size = file.metadata()?.len();
    let from = size.saturating_sub(HISTORY_END_SIZE);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(HISTORY_END_SIZE).read_to_end(&mut bytes)?;
    Ok((bytes, size))
}

/// The newest notices of a history, oldest first: of the current file, else of the newest put aside. Lines that
/// are no notices are passed over.
pub fn newest(dir: &Path) -> Result<Vec<Notice>, StoreError> {
    let path = dir.join(HISTORY_FILE);
    let found = notices_of(&path)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let mut aside: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(dir).at("list", dir)? {
        let path = entry.at("list", dir)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix("alarms-").and_then(|rest| rest.strip_suffix(".jsonl"));
        let number: Option<u64> = number.and_then(|number| number.parse().ok());
        if let Some(number) = number
            && aside.as_ref().is_none_or(|(newest, _)| *newest < number)
        {
            aside = Some((number, path));
        }
    }
    aside.map_or_else(|| Ok(Vec::new()), |(_, path)| notices_of(&path))
}

fn notices_of(path: &Path) -> Result<Vec<Notice>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(source).at("open", path),
    };
    let (end, _) = read_end(&file).at("read", path)?;
    let lines = end.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// The saved state, or that there is one which cannot be read: it is put aside.
fn load_state(dir: &Path) -> Result<(Option<SavedState>, bool), StoreError> {
    let path = dir.join(STATE_FILE);
    match read_state(dir)? {
        Found::Good(state) => Ok((Some(*state), false)),
        Found::Nothing => Ok((None, false)),
        Found::Damaged => {
            fs::rename(&path, dir.join("state.damaged.json")).at("put aside", &path)?;
            Ok((None, true))
        }
    }
}

enum Found {
    Good(Box<SavedState>),
    Nothing,
    Damaged,
}

fn read_state(dir: &Path) -> Result<Found, StoreError> {
    let path = dir.join(STATE_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(source) => return Err(source).at("read", &path),
    };
    let state = serde_json::from_slice::<SavedState>(&bytes).ok();
    let state = state.filter(|state| state.version == STATE_VERSION);
    Ok(state.map_or(Found::Damaged, |state| Found::Good(Box::new(state))))
}

/// The alarms that are on, as they were saved last; for commands, beside a running thread.
pub fn saved_board(dir: &Path) -> Result<Option<BoardState>, StoreError> {
    match read_state(dir)? {
        Found::Good(state) => Ok(Some(state.board)),
        Found::Nothing | Found::Damaged => Ok(None),
    }
}

/// How far whoever tells the alarms has read the guard's file; for commands, beside a running thread.
pub fn saved_guard_offset(dir: &Path) -> Result<Option<u64>, StoreError> {
    match read_state(dir)? {
        Found::Good(state) => Ok(state.guard_offset),
        Found::Nothing | Found::Damaged => Ok(None),
    }
}

/// Replaces a small file in one step: whoever reads it sees the old or the new one.
pub(crate) fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let (path, new) = (dir.join(name), dir.join(format!("{name}.new")));
    let mut file = File::create(&new).at("make", &new)?;
    file.write_all(bytes).and_then(|()| file.sync_data()).at("write", &new)?;
    fs::rename(&new, &path).at("rename", &new)?;
    File::open(dir).and_then(|dir| dir.sync_all()).at("sync", dir)
}

/// The silences of a directory; none where the file is missing or cannot be read.
pub fn silences(dir: &Path) -> Vec<Silence> {
    let bytes = fs::read(dir.join(SILENCE_FILE)).unwrap_or_default();
    serde_json::from_slice::<Silences>(&bytes).map_or_else(|_| Vec::new(), |file| file.silences)
}

/// Silences an alarm until `until_ns`; what is over at `now_ns` is dropped, an end that is over ends it.
pub fn silence(dir: &Path, silence: Silence, now_ns: u64) -> Result<(), StoreError> {
    let mut all: BTreeMap<Code, Silence> =
        silences(dir).into_iter().map(|known| (known.code, known)).collect();
    all.insert(silence.code, silence);
    all.retain(|_, silence| now_ns < silence.until_ns);
    let text = serde_json::to_vec(&Silences { silences: all.into_values().collect() })?;
    write_whole(dir, SILENCE_FILE, &text)
}
