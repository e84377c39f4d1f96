//! The engine's side of a stats file.
//!
//! ```text
//!  core thread      StatsWriter   one, not shared: plain loads and stores
//!  other threads    StatsHandle   as many as wanted: locked instructions
//!  every thread     Heartbeat     its own row
//! ```
//!
//! **Invariant:** after creation nothing here allocates, calls the kernel or waits.
//!
//! **Invariant:** a stats file is never written in place by a second engine: each start makes a
//! new file and renames it over the old one, so a leftover blocks nobody and a reader that holds
//! the old file keeps its contents.

use std::cell::Cell;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FallocateFlags;

use super::errors;
use super::histogram::add_single_writer;
use super::layout::{FILE_BYTES, MAGIC, STALL_MAX, THREAD_MAX, VERSION};
use super::memory::Memory;
use super::process::ProcessId;
use super::registry::{CounterId, HopId, RunState, ThreadState, Writer};
use super::rows::{InstrumentValues, Stall, StrategyValues};
use super::thresholds::judge_fill;

/// Name of the stats file in a data directory.
pub const FILE_NAME: &str = "stats.tws";

/// Where small shared files live in memory on Linux.
const SHARED_MEMORY_DIR: &str = "/dev/shm";

/// A stats file could not be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} stats file {}", path.display())]
pub struct StatsCreateError {
    /// What was being done.
    pub step: &'static str,
    /// To which file.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// What an engine says about itself. Texts that are too long are cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    /// Name of the instance, at most 120 bytes.
    pub instance: &'a str,
    /// Version of the engine, at most 56 bytes.
    pub engine_version: &'a str,
    /// Commit it was built from, at most 120 bytes.
    pub commit: &'a str,
    /// Mode: `live`, `paper`, `backtest` ...; at most 56 bytes.
    pub mode: &'a str,
    /// Directory of the journal, at most 1,016 bytes.
    pub journal_dir: &'a str,
}

/// The core thread's writer. It can move to the core thread and cannot be shared.
pub struct StatsWriter {
    memory: Arc<Memory>,
    path: PathBuf,
    /// Not `Sync`: two threads with one writer would lose counts.
    not_shared: PhantomData<Cell<()>>,
}

/// A writer for all other threads.
#[derive(Clone)]
pub struct StatsHandle {
    memory: Arc<Memory>,
}

/// The heartbeat row of one thread.
#[derive(Clone)]
pub struct Heartbeat {
    memory: Arc<Memory>,
    index: usize,
}

impl StatsWriter {
    /// Makes a fresh file at `path`, replacing whatever is there.
    ///
    /// A plain file is written back by the kernel now and then, and the next store to such a page
    /// waits for the file system. For an engine that trades use [`StatsWriter::create_in`].
    pub fn create(
        path: &Path,
        identity: &Identity<'_>,
        now_ns: u64,
    ) -> Result<Self, StatsCreateError> {
        let fail = |step, source| StatsCreateError { step, path: path.to_owned(), source };
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        // One engine per data directory (the journal's lock), so this is a leftover.
        remove_if_there(&temporary).map_err(|e| fail("remove a leftover of", e))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            // Positions and profit are not for everybody on the machine.
            .mode(0o640)
            .open(&temporary)
            .map_err(|e| fail("create", e))?;
        let memory = fill(&file, identity, now_ns)
            .and_then(|memory| fs::rename(&temporary, path).map(|()| memory))
            .map_err(|source| {
                if let Err(error) = remove_if_there(&temporary) {
                    tracing::warn!(path = %temporary.display(), %error, "leftover stays");
                }
                fail("allocate and name", source)
            })?;
        Ok(Self { memory: Arc::new(memory), path: path.to_owned(), not_shared: PhantomData })
    }

    /// Makes a fresh file for a data directory: in shared memory, which no disk can slow down,
    /// with a link `stats.tws` in the data directory; or as a plain file of that name when there
    /// is no room in shared memory.
    pub fn create_in(
        data_dir: &Path,
        identity: &Identity<'_>,
        now_ns: u64,
    ) -> Result<Self, StatsCreateError> {
        let link = data_dir.join(FILE_NAME);
        match Self::create_shared(data_dir, &link, identity, now_ns) {
            Ok(writer) => Ok(writer),
            Err(error) => {
                tracing::warn!(%error, "no shared memory for the stats, a plain file is used");
                Self::create(&link, identity, now_ns)
            }
        }
    }

    fn create_shared(
        data_dir: &Path,
        link: &Path,
        identity: &Identity<'_>,
        now_ns: u64,
    ) -> Result<Self, StatsCreateError> {
        let fail = |step, source| StatsCreateError { step, path: link.to_owned(), source };
        // The same name for the same directory, so that the file of a killed engine is replaced
        // and not left behind; another name for every other directory on this machine.
        let stat = rustix::fs::stat(data_dir).map_err(|e| fail("place", e.into()))?;
        let name = format!("tickwheel-{:x}-{:x}.tws", stat.st_dev, stat.st_ino);
        let target = Path::new(SHARED_MEMORY_DIR).join(name);
        let mut writer = Self::create(&target, identity, now_ns)?;
        let new_link = link.with_extension("tws.link");
        remove_if_there(&new_link)
            .and_then(|()| std::os::unix::fs::symlink(&target, &new_link))
            .and_then(|()| fs::rename(&new_link, link))
            .map_err(|e| fail("link", e))?;
        link.clone_into(&mut writer.path);
        Ok(writer)
    }

    /// To be called after the last write of an orderly end: puts the numbers into the data directory
    /// as a plain file and gives the shared memory back. Nothing to do for a plain file.
    pub fn settle(&self) -> io::Result<()> {
        if !fs::symlink_metadata(&self.path)?.is_symlink() {
            return Ok(());
        }
        let target = fs::read_link(&self.path)?;
        let copy = self.path.with_extension("tws.new");
        fs::copy(&target, &copy)?;
        fs::rename(&copy, &self.path)?;
        remove_if_there(&target)
    }

    /// The file (or the link to it) that readers open.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A writer for other threads.
    pub fn handle(&self) -> StatsHandle {
        StatsHandle { memory: Arc::clone(&self.memory) }
    }

    /// Adds to a counter of the core.
    #[inline]
    pub fn add(&self, id: CounterId, by: u64) {
        debug_assert!(id.writer() == Writer::Core, "{} is written by other threads", id.name());
        add_single_writer(self.value(id), by);
    }

    /// Adds one to a counter of the core.
    #[inline]
    pub fn inc(&self, id: CounterId) {
        self.add(id, 1);
    }

    /// Sets a counter or gauge.
    #[inline]
    pub fn set(&self, id: CounterId, value: u64) {
        self.value(id).store(value, Ordering::Relaxed);
    }

    /// Sets a signed gauge.
    #[inline]
    pub fn set_signed(&self, id: CounterId, value: i64) {
        self.set(id, value.cast_unsigned());
    }

    /// Raises a gauge of the core to `value` when it is lower.
    #[inline]
    pub fn set_max(&self, id: CounterId, value: u64) {
        debug_assert!(id.writer() == Writer::Core, "{} is written by other threads", id.name());
        let word = self.value(id);
        if word.load(Ordering::Relaxed) < value {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// What a counter holds now.
    #[inline]
    pub fn get(&self, id: CounterId) -> u64 {
        self.value(id).load(Ordering::Relaxed)
    }

    /// Says what a counter must not exceed (or, for free space, fall below). 0 means no limit.
    pub fn set_limit(&self, id: CounterId, limit: u64) {
        set_limit(&self.memory, id, limit);
    }

    /// Counts a latency of a hop of the core.
    #[inline]
    pub fn record(&self, hop: HopId, value_ns: u64) {
        debug_assert!(hop.writer() == Writer::Core, "{} is written by other threads", hop.name());
        self.memory.hops[hop as usize].record(value_ns);
    }

    /// Puts a stall in the log; the oldest one makes room.
    pub fn stall(&self, stall: &Stall) {
        let number = self.memory.stall_head.count.load(Ordering::Relaxed).wrapping_add(1);
        let index = usize::try_from(number.wrapping_sub(1)).unwrap_or(0) % STALL_MAX;
        self.memory.stalls[index].write(number, stall);
        self.memory.stall_head.count.store(number, Ordering::Release);
        self.inc(CounterId::Stalls);
    }

    /// Counts an error, see [`StatsHandle::error`].
    pub fn error(&self, code: u32, now_ns: u64, text: fmt::Arguments<'_>) {
        errors::log(&self.memory, code, now_ns, text);
    }

    /// Names an instrument: symbol at most 32 bytes, venue at most 16. False when there is no row
    /// for this index; the engine trades it all the same.
    pub fn name_instrument(
        &self,
        index: usize,
        symbol: &str,
        venue: &str,
        price_scale: u32,
        quantity_scale: u32,
    ) -> bool {
        let slot = self.memory.instruments.get(index);
        slot.map(|slot| slot.name(symbol, venue, price_scale, quantity_scale)).is_some()
    }

    /// Writes what changed about an instrument. Nothing happens when there is no such row.
    #[inline]
    pub fn update_instrument(&self, index: usize, values: &InstrumentValues) {
        if let Some(slot) = self.memory.instruments.get(index) {
            slot.update(values);
        }
    }

    /// Names a strategy, at most 64 bytes. False when there is no row for this index.
    pub fn name_strategy(&self, index: usize, name: &str) -> bool {
        self.memory.strategies.get(index).map(|slot| slot.name(name)).is_some()
    }

    /// Writes what changed about a strategy. Nothing happens when there is no such row.
    #[inline]
    pub fn update_strategy(&self, index: usize, values: &StrategyValues) {
        if let Some(slot) = self.memory.strategies.get(index) {
            slot.update(values);
        }
    }

    /// Says what the engine is doing.
    pub fn set_state(&self, state: RunState, now_ns: u64) {
        set_state(&self.memory, state, now_ns);
    }

    #[inline]
    fn value(&self, id: CounterId) -> &AtomicU64 {
        &self.memory.counters[id as usize].value
    }
}

impl StatsHandle {
    /// Adds to a counter that any thread may write.
    pub fn add(&self, id: CounterId, by: u64) {
        assert_any(id);
        self.memory.counters[id as usize].value.fetch_add(by, Ordering::Relaxed);
    }

    /// Adds one to a counter that any thread may write.
    pub fn inc(&self, id: CounterId) {
        self.add(id, 1);
    }

    /// Sets a gauge that any thread may write.
    pub fn set(&self, id: CounterId, value: u64) {
        assert_any(id);
        self.memory.counters[id as usize].value.store(value, Ordering::Relaxed);
    }

    /// Raises a gauge that any thread may write.
    pub fn set_max(&self, id: CounterId, value: u64) {
        assert_any(id);
        self.memory.counters[id as usize].value.fetch_max(value, Ordering::Relaxed);
    }

    /// Reads any counter.
    pub fn get(&self, id: CounterId) -> u64 {
        self.memory.counters[id as usize].value.load(Ordering::Relaxed)
    }

    /// Says what a counter must not exceed (or, for free space, fall below). 0 means no limit.
    pub fn set_limit(&self, id: CounterId, limit: u64) {
        set_limit(&self.memory, id, limit);
    }

    /// Counts a latency of a hop that any thread may write.
    pub fn record(&self, hop: HopId, value_ns: u64) {
        debug_assert!(hop.writer() == Writer::Any, "{} is written by the core", hop.name());
        self.memory.hops[hop as usize].record_shared(value_ns);
    }

    /// Counts the whole way of a fill that we took, and whether it was late.
    pub fn record_fill(&self, took_ns: u64) {
        self.record(HopId::TickToFill, took_ns);
        if let Some(counter) = judge_fill(took_ns) {
            self.inc(counter);
        }
    }

    /// Counts an error. Equal code and text make one row; the text is cut after 120 bytes. When a
    /// code has had eight texts, or all 64 rows are taken, the error is counted without its text.
    ///
    /// Costs a scan of the rows: for errors, not for events.
    pub fn error(&self, code: u32, now_ns: u64, text: fmt::Arguments<'_>) {
        errors::log(&self.memory, code, now_ns, text);
    }

    /// Takes a heartbeat row; to be called on the thread itself, whose kernel id is noted.
    /// `None` when all rows are taken.
    ///
    /// The thread counts as stalled when its last beat is older than `beat_age_ns_max`.
    pub fn register_thread(
        &self,
        name: &str,
        beat_age_ns_max: u64,
        pinned_cpu: Option<usize>,
        now_ns: u64,
    ) -> Option<Heartbeat> {
        let claim = self.memory.header.thread_count.try_update(
            Ordering::Relaxed,
            Ordering::Relaxed,
            |count| (count < to_word(THREAD_MAX)).then_some(count + 1),
        );
        let index = usize::try_from(claim.ok()?).expect("below THREAD_MAX");
        let slot = &self.memory.threads[index];
        slot.name.set(name);
        slot.beat_age_ns_max.store(beat_age_ns_max, Ordering::Relaxed);
        let tid = rustix::thread::gettid().as_raw_nonzero().get();
        slot.tid.store(u64::from(tid.unsigned_abs()), Ordering::Relaxed);
        slot.pinned_cpu.store(pinned_cpu.map_or(0, |cpu| to_word(cpu) + 1), Ordering::Relaxed);
        slot.last_beat_ns.store(now_ns, Ordering::Relaxed);
        slot.state.store(u64::from(ThreadState::Alive as u8), Ordering::Release);
        Some(Heartbeat { memory: Arc::clone(&self.memory), index })
    }

    /// Says what the engine is doing.
    pub fn set_state(&self, state: RunState, now_ns: u64) {
        set_state(&self.memory, state, now_ns);
    }
}

impl Heartbeat {
    /// Says that the thread works.
    #[inline]
    pub fn beat(&self, now_ns: u64) {
        let slot = &self.memory.threads[self.index];
        slot.last_beat_ns.store(now_ns, Ordering::Relaxed);
        add_single_writer(&slot.beat_count, 1);
    }

    /// Says that the thread ended, or (from another thread) that it was found dead.
    pub fn set_state(&self, state: ThreadState, now_ns: u64) {
        let slot = &self.memory.threads[self.index];
        slot.last_beat_ns.fetch_max(now_ns, Ordering::Relaxed);
        slot.state.store(u64::from(state as u8), Ordering::Release);
    }

    /// Nanoseconds since the last beat, for a watching thread.
    pub fn age_ns(&self, now_ns: u64) -> u64 {
        let last = self.memory.threads[self.index].last_beat_ns.load(Ordering::Relaxed);
        now_ns.saturating_sub(last)
    }

    /// What was last said about the thread.
    pub fn state(&self) -> ThreadState {
        ThreadState::from_code(self.memory.threads[self.index].state.load(Ordering::Acquire))
    }
}

impl fmt::Debug for StatsWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatsWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for StatsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatsHandle").finish_non_exhaustive()
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").field("index", &self.index).finish_non_exhaustive()
    }
}

fn assert_any(id: CounterId) {
    debug_assert!(id.writer() == Writer::Any, "{} is written by the core", id.name());
}

fn set_limit(memory: &Memory, id: CounterId, limit: u64) {
    memory.counters[id as usize].limit.store(limit, Ordering::Relaxed);
}

fn set_state(memory: &Memory, state: RunState, now_ns: u64) {
    let has_ended = matches!(state, RunState::Stopped | RunState::Failed);
    memory.header.end_ns.store(if has_ended { now_ns } else { 0 }, Ordering::Relaxed);
    memory.header.state.store(u64::from(state as u8), Ordering::Release);
}

fn to_word(count: usize) -> u64 {
    u64::try_from(count).expect("a count fits in 64 bits")
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Gives the file its blocks (a store to a hole on a full disk would kill the process), touches
/// the pages that the core will write, and makes the file ready.
fn fill(file: &File, identity: &Identity<'_>, now_ns: u64) -> io::Result<Memory> {
    rustix::fs::fallocate(file, FallocateFlags::empty(), 0, to_word(FILE_BYTES))?;
    let memory = Memory::map_writable(file)?;
    touch(&memory);

    let process = ProcessId::this();
    let header = &memory.header;
    header.file_bytes.store(to_word(FILE_BYTES), Ordering::Relaxed);
    header.pid.store(process.pid.into(), Ordering::Relaxed);
    header.pid_start_ticks.store(process.start_ticks, Ordering::Relaxed);
    header.pid_namespace.store(process.namespace, Ordering::Relaxed);
    header.start_ns.store(now_ns, Ordering::Relaxed);
    header.state.store(u64::from(RunState::Starting as u8), Ordering::Relaxed);
    header.instance.set(identity.instance);
    header.engine_version.set(identity.engine_version);
    header.commit.set(identity.commit);
    header.mode.set(identity.mode);
    header.journal_dir.set(identity.journal_dir);
    // SYNC POINT: with these two words everything above becomes true for readers.
    header.version.store(VERSION, Ordering::Release);
    header.magic.store(MAGIC, Ordering::Release);
    Ok(memory)
}

/// One store to each page, so that the first event does not pay for the page faults. Histograms
/// without a name keep their pages untouched and cost no memory.
fn touch(memory: &Memory) {
    /// Words in the smallest page of any host.
    const PAGE_WORDS: usize = 512;
    for slot in &memory.hops[..HopId::ALL.len()] {
        for word in slot.buckets.iter().step_by(PAGE_WORDS).chain(slot.buckets.last()) {
            word.store(0, Ordering::Relaxed);
        }
    }
    for row in &memory.counters {
        row.value.store(0, Ordering::Relaxed);
    }
    for row in &memory.errors {
        row.state.store(0, Ordering::Relaxed);
    }
    for row in &memory.stalls {
        row.lock.store(0, Ordering::Relaxed);
    }
    for row in &memory.instruments {
        row.lock.store(0, Ordering::Relaxed);
    }
    for row in &memory.strategies {
        row.lock.store(0, Ordering::Relaxed);
    }
}
