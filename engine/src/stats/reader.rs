//! Everybody else's side of a stats file: read while the engine runs, or after it died.
//!
//! **Invariant:** a reader stores nothing, waits for nobody, and no content of a file, however
//! damaged, makes it panic.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::errors::{self, ErrorRow};
use super::histogram::Counts;
use super::layout::{FILE_BYTES, Header, MAGIC, STALL_MAX, StatsFile, THREAD_MAX, VERSION};
use super::memory::Memory;
use super::process::ProcessId;
use super::registry::{CounterId, HopId, RunState, ThreadState};
use super::rows::{InstrumentRow, Stall, StrategyRow};

/// Why bytes are not a stats file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatsDamage {
    /// Cut off, or something else.
    #[error("it has {found} bytes, a stats file has {expected}")]
    Length {
        /// Bytes found.
        found: u64,
        /// Bytes of a stats file.
        expected: u64,
    },
    /// Something else, or not ready yet.
    #[error("its first word is {found:#018x}, not the mark of a stats file")]
    Magic {
        /// The word found.
        found: u64,
    },
    /// Written by another version of the engine.
    #[error("its layout has version {found}, this program reads version {expected}")]
    Version {
        /// Version found.
        found: u64,
        /// Version of this program.
        expected: u64,
    },
    /// The header contradicts the file.
    #[error("its header says {found} bytes, a stats file has {expected}")]
    HeaderLength {
        /// Bytes according to the header.
        found: u64,
        /// Bytes of a stats file.
        expected: u64,
    },
}

/// A stats file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StatsReadError {
    /// There is no file, most often because no engine was started on this data directory.
    #[error("no stats file {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {step} stats file {}", path.display())]
    Io {
        /// What was being done.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("{} is not a readable stats file: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: StatsDamage,
    },
}

/// Everything in a stats file at one moment. Rows are whole; between rows time passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Who the engine is.
    pub engine: EngineRow,
    /// Threads in the order of their registration.
    pub threads: Vec<ThreadRow>,
    /// All counters that have a name, in the order of their numbers.
    pub counters: Vec<CounterRow>,
    /// All hops that have a name, in the order of their numbers.
    pub hops: Vec<HopRow>,
    /// Distinct errors, in the order of their first appearance.
    pub errors: Vec<ErrorRow>,
    /// Errors that found no row.
    pub errors_dropped: u64,
    /// The newest stalls, oldest first.
    pub stalls: Vec<Stall>,
    /// Stalls since the start, those that are no longer in the log included.
    pub stall_count: u64,
    /// Instruments.
    pub instruments: Vec<InstrumentRow>,
    /// Strategies.
    pub strategies: Vec<StrategyRow>,
}

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineRow {
    /// Name of the instance.
    pub instance: String,
    /// Version of the engine.
    pub engine_version: String,
    /// Commit it was built from.
    pub commit: String,
    /// Mode.
    pub mode: String,
    /// Directory of the journal.
    pub journal_dir: String,
    /// Its process.
    pub process: ProcessId,
    /// Start, nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// What the engine last said about itself.
    pub state: RunState,
    /// End, 0 while it runs or when it could not say.
    pub end_ns: u64,
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadRow {
    /// Name.
    pub name: String,
    /// What was last said about it.
    pub state: ThreadState,
    /// Last beat, nanoseconds since the Unix epoch.
    pub last_beat_ns: u64,
    /// Beats since the start.
    pub beat_count: u64,
    /// It counts as stalled when its last beat is older.
    pub beat_age_ns_max: u64,
    /// Kernel thread id.
    pub tid: u64,
    /// Processor it is pinned to.
    pub pinned_cpu: Option<u64>,
}

/// One counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterRow {
    /// Which.
    pub id: CounterId,
    /// Value; for money the bits of a signed number.
    pub value: u64,
    /// Limit, when there is one.
    pub limit: Option<u64>,
}

/// One histogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopRow {
    /// Which.
    pub id: HopId,
    /// Its counts.
    pub counts: Counts,
}

/// What can be said about an engine from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It works.
    Alive,
    /// Its process is there and a thread does not answer.
    Stalled {
        /// The thread.
        thread: String,
        /// Age of its last beat.
        age_ns: u64,
    },
    /// Its process is there and a thread has panicked.
    ThreadDead {
        /// The thread.
        thread: String,
    },
    /// It ended in good order.
    Stopped,
    /// It ended by a broken invariant and said so.
    Failed,
    /// It is gone without a word: killed, or the machine went down.
    Dead,
}

impl Liveness {
    /// Stable name for machines and operators.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Stalled { .. } => "stalled",
            Self::ThreadDead { .. } => "thread_dead",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }
}

impl Snapshot {
    /// Value of a counter.
    pub fn counter(&self, id: CounterId) -> u64 {
        self.counters.get(id as usize).map_or(0, |row| row.value)
    }

    /// Value of a signed counter.
    pub fn counter_signed(&self, id: CounterId) -> i64 {
        self.counter(id).cast_signed()
    }

    /// Limit of a counter.
    pub fn limit(&self, id: CounterId) -> Option<u64> {
        self.counters.get(id as usize).and_then(|row| row.limit)
    }

    /// Histogram of a hop.
    pub fn hop(&self, id: HopId) -> Option<&Counts> {
        self.hops.get(id as usize).map(|row| &row.counts)
    }

    /// Last beat of any thread, nanoseconds since the Unix epoch; the start when there was none.
    pub fn last_beat_ns(&self) -> u64 {
        let beats = self.threads.iter().map(|thread| thread.last_beat_ns);
        beats.max().unwrap_or(0).max(self.engine.start_ns)
    }

    /// Judges the engine. `process_exists` is the answer of [`ProcessId::exists`]; where that
    /// cannot be known, the heartbeats alone decide.
    pub fn liveness(&self, process_exists: Option<bool>, now_ns: u64) -> Liveness {
        match self.engine.state {
            RunState::Stopped => return Liveness::Stopped,
            RunState::Failed => return Liveness::Failed,
            RunState::Starting | RunState::Running | RunState::Foreign => {}
        }
        if process_exists == Some(false) {
            return Liveness::Dead;
        }
        if let Some(thread) = self.threads.iter().find(|t| t.state == ThreadState::Dead) {
            return Liveness::ThreadDead { thread: thread.name.clone() };
        }
        let alive = self.threads.iter().filter(|thread| thread.state == ThreadState::Alive);
        let age = |thread: &ThreadRow| now_ns.saturating_sub(thread.last_beat_ns);
        let mut late = alive.clone().filter(|thread| thread.beat_age_ns_max < age(thread));
        let Some(first) = late.next() else { return Liveness::Alive };
        if process_exists.is_none() && late.count() + 1 == alive.count() {
            return Liveness::Dead;
        }
        Liveness::Stalled { thread: first.name.clone(), age_ns: age(first) }
    }
}

/// Who the engine is and how its threads beat: what a watchman needs, without the histograms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Who the engine is.
    pub engine: EngineRow,
    /// Threads in the order of their registration.
    pub threads: Vec<ThreadRow>,
}

/// A stats file, mapped for reading.
#[derive(Debug)]
pub struct StatsReader {
    memory: Memory,
    file: File,
    path: PathBuf,
}

impl StatsReader {
    /// Opens a stats file, or the one of a data directory.
    pub fn open(path: &Path) -> Result<Self, StatsReadError> {
        let path = if path.is_dir() { path.join(super::FILE_NAME) } else { path.to_owned() };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StatsReadError::Missing { path });
            }
            Err(source) => return Err(StatsReadError::Io { step: "open", path, source }),
        };
        check_length(&file, &path)?;
        let memory = match Memory::map_readable(&file) {
            Ok(memory) => memory,
            Err(source) => return Err(StatsReadError::Io { step: "map", path, source }),
        };
        if let Err(damage) = check(&memory) {
            return Err(StatsReadError::Damaged { path, damage });
        }
        Ok(Self { memory, file, path })
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads everything.
    pub fn snapshot(&self) -> Result<Snapshot, StatsReadError> {
        // A page that is no longer part of the file would kill this process with SIGBUS.
        check_length(&self.file, &self.path)?;
        parse(&self.memory)
            .map_err(|damage| StatsReadError::Damaged { path: self.path.clone(), damage })
    }

    /// Reads header and threads alone; cheap enough for every few milliseconds.
    pub fn pulse(&self) -> Result<Pulse, StatsReadError> {
        check_length(&self.file, &self.path)?;
        let file: &StatsFile = &self.memory;
        match check(file) {
            Ok(()) => Ok(Pulse { engine: read_engine(&file.header), threads: read_threads(file) }),
            Err(damage) => Err(StatsReadError::Damaged { path: self.path.clone(), damage }),
        }
    }

    /// Reads one instrument; `None` when it has no row. For those who watch one thing closely.
    pub fn instrument(&self, index: usize) -> Option<InstrumentRow> {
        check_length(&self.file, &self.path).ok()?;
        self.memory.instruments.get(index)?.read(index)
    }

    /// Whether another engine has put a new file in this place since this one was opened.
    pub fn is_superseded(&self) -> bool {
        match (self.file.metadata(), self.path.metadata()) {
            (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino()),
            (Ok(_) | Err(_), _) => false,
        }
    }
}

/// Reads a stats file from bytes. Never panics, whatever the bytes are.
pub fn parse_bytes(bytes: &[u8]) -> Result<Snapshot, StatsDamage> {
    let length = || StatsDamage::Length { found: to_word(bytes.len()), expected: FILE_LENGTH };
    let copy = Memory::copy_of(bytes).ok_or_else(length)?;
    parse(&copy)
}

const FILE_LENGTH: u64 = FILE_BYTES as u64;

fn to_word(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn check_length(file: &File, path: &Path) -> Result<(), StatsReadError> {
    let found = match file.metadata() {
        Ok(metadata) => metadata.len(),
        Err(source) => {
            return Err(StatsReadError::Io { step: "measure", path: path.to_owned(), source });
        }
    };
    if found == FILE_LENGTH {
        return Ok(());
    }
    let damage = StatsDamage::Length { found, expected: FILE_LENGTH };
    Err(StatsReadError::Damaged { path: path.to_owned(), damage })
}

fn check(file: &StatsFile) -> Result<(), StatsDamage> {
    let magic = file.header.magic.load(Ordering::Acquire);
    if magic != MAGIC {
        return Err(StatsDamage::Magic { found: magic });
    }
    let version = file.header.version.load(Ordering::Acquire);
    if version != VERSION {
        return Err(StatsDamage::Version { found: version, expected: VERSION });
    }
    let length = file.header.file_bytes.load(Ordering::Relaxed);
    if length != FILE_LENGTH {
        return Err(StatsDamage::HeaderLength { found: length, expected: FILE_LENGTH });
    }
    Ok(())
}

/// Reads everything from a file whose length is right.
pub(super) fn parse(file: &StatsFile) -> Result<Snapshot, StatsDamage> {
    check(file)?;
    let (stalls, stall_count) = read_stalls(file);
    Ok(Snapshot {
        engine: read_engine(&file.header),
        threads: read_threads(file),
        counters: CounterId::ALL
            .iter()
            .zip(&file.counters)
            .map(|(id, slot)| CounterRow {
                id: *id,
                value: slot.value.load(Ordering::Relaxed),
                limit: Some(slot.limit.load(Ordering::Relaxed)).filter(|limit| *limit != 0),
            })
            .collect(),
        hops: HopId::ALL
            .iter()
            .zip(&file.hops)
            .map(|(id, slot)| HopRow { id: *id, counts: Counts::read(slot) })
            .collect(),
        errors: errors::read(file),
        errors_dropped: file.error_tail.dropped_count.load(Ordering::Relaxed),
        stalls,
        stall_count,
        instruments: file
            .instruments
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| slot.read(index))
            .collect(),
        strategies: file
            .strategies
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| slot.read(index))
            .collect(),
    })
}

fn read_engine(header: &Header) -> EngineRow {
    let state = RunState::from_code(header.state.load(Ordering::Acquire));
    EngineRow {
        instance: header.instance.get(),
        engine_version: header.engine_version.get(),
        commit: header.commit.get(),
        mode: header.mode.get(),
        journal_dir: header.journal_dir.get(),
        process: ProcessId {
            pid: u32::try_from(header.pid.load(Ordering::Relaxed)).unwrap_or(u32::MAX),
            start_ticks: header.pid_start_ticks.load(Ordering::Relaxed),
            namespace: header.pid_namespace.load(Ordering::Relaxed),
        },
        start_ns: header.start_ns.load(Ordering::Relaxed),
        state,
        end_ns: header.end_ns.load(Ordering::Relaxed),
    }
}

fn read_threads(file: &StatsFile) -> Vec<ThreadRow> {
    let count = usize::try_from(file.header.thread_count.load(Ordering::Relaxed));
    file.threads[..count.unwrap_or(THREAD_MAX).min(THREAD_MAX)]
        .iter()
        .filter_map(|slot| {
            let state = slot.state.load(Ordering::Acquire);
            // 0: the row is being claimed.
            (state != 0).then(|| ThreadRow {
                name: slot.name.get(),
                state: ThreadState::from_code(state),
                last_beat_ns: slot.last_beat_ns.load(Ordering::Relaxed),
                beat_count: slot.beat_count.load(Ordering::Relaxed),
                beat_age_ns_max: slot.beat_age_ns_max.load(Ordering::Relaxed),
                tid: slot.tid.load(Ordering::Relaxed),
                pinned_cpu: slot.pinned_cpu.load(Ordering::Relaxed).checked_sub(1),
            })
        })
        .collect()
}

fn read_stalls(file: &StatsFile) -> (Vec<Stall>, u64) {
    let stall_count = file.stall_head.count.load(Ordering::Acquire);
    let mut numbered: Vec<(u64, Stall)> = Vec::with_capacity(STALL_MAX);
    numbered.extend(file.stalls.iter().filter_map(super::layout::StallSlot::read));
    numbered.sort_by_key(|(number, _)| *number);
    (numbered.into_iter().map(|(_, stall)| stall).collect(), stall_count)
}
