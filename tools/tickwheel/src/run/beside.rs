//! Threads beside the engine: operator socket, alarms, audit. They look at the journal and the stats file, and speak
//! to the core only as any other producer does. Without them the engine trades on, unless one says otherwise.
//!
//! ```text
//!   jobs() --Job--> Supervisor --Beside::start--> tw-<name> : body(&Life), until life.goes_on() is false
//! ```
//! They are told to end after the core has ended and its journal is closed, so whoever follows the journal sees its
//! last record. One that does not end in time is named and left.
#![expect(dead_code, reason = "alarms and audit take what no other thread needs")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use config::Config;
use engine::border::InboundProducer;
use engine::clock::Clock;
use engine::event::Mode;
use engine::pipeline::Pipeline;
use engine::pipeline::core_thread::{BEAT_AGE_NS_MAX, panic_message};
use engine::stats::{Heartbeat, StatsHandle, ThreadState};

use super::world::spawn;

/// How long a thread may take to end after it was told to.
const END_WAIT_NS_MAX: u64 = 5_000_000_000;
/// Pause between two looks at threads that end.
const PAUSE: Duration = Duration::from_millis(2);
/// Kind of these threads' errors in the error log of the stats file.
const ERROR_BESIDE: u32 = 4;

/// What a thread beside the engine may take from the session when it is made.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// Where everything of this engine is kept.
    pub(crate) data_dir: &'a Path,
    /// The journal; exists, and has at least one segment. Follow it with `journal::Tail`.
    pub(crate) journal_dir: &'a Path,
    /// The effective configuration.
    pub(crate) config: &'a Config,
    pub(crate) mode: Mode,
    /// Number of the session.
    pub(crate) session: u64,
    /// Sequence of the first record of this session; lies in the future when the threads are made.
    pub(crate) first_sequence: u64,
    /// The engine as the session before left it.
    pub(crate) pipeline: &'a Pipeline,
    /// `another()` gives a way into the core.
    pub(crate) producer: &'a InboundProducer,
    /// To be cloned for each thread.
    pub(crate) clock: &'a Clock,
    /// To be cloned for each thread.
    pub(crate) stats: &'a StatsHandle,
    /// Where the stats file is.
    pub(crate) stats_path: &'a Path,
}

/// What the end of a thread means while the engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It is told, and shown in stats; the engine goes on.
    GoesOn,
    /// The session ends in order, as a failure.
    EndsRun,
}

/// Work of a thread, until [`Life::goes_on`] says no.
pub(crate) type Body = Box<dyn FnOnce(&Life) -> anyhow::Result<()> + Send>;

/// A thread to be started.
pub(crate) struct Job {
    /// Name, also of its heartbeat; the thread is `tw-<name>`.
    pub(crate) name: &'static str,
    pub(crate) loss: Loss,
    pub(crate) body: Body,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a running thread is told, and how it tells that it lives.
pub(crate) struct Life {
    stop: Arc<AtomicBool>,
    heartbeat: Arc<OnceLock<Heartbeat>>,
    clock: Clock,
    stats: StatsHandle,
}

impl Life {
    /// Beats, and says whether to go on. False: finish what is begun and return, within seconds.
    pub(crate) fn goes_on(&self) -> bool {
        if let Some(heartbeat) = self.heartbeat.get() {
            heartbeat.beat(self.clock.now_ns());
        }
        !self.stop.load(Ordering::Acquire)
    }

    /// Waits so long, or until told to end.
    pub(crate) fn pause(&self, time: Duration) {
        if !self.stop.load(Ordering::Acquire) {
            std::thread::park_timeout(time);
        }
    }

    /// Nanoseconds since the Unix epoch, as the engine counts.
    pub(crate) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// Puts an error into the stats file's log.
    pub(crate) fn tell(&self, text: &str) {
        self.stats.error(ERROR_BESIDE, self.clock.now_ns(), format_args!("{text}"));
    }
}

/// The threads of this session, not yet running. Each module that has one adds a line.
pub(crate) fn jobs(context: &Context<'_>) -> anyhow::Result<Vec<Job>> {
    let jobs = [
        super::audit::job(context)?,
        super::alarms::job(context)?,
        super::operator::job(context)?,
        // One line a thread.
    ];
    Ok(jobs.into_iter().flatten().collect())
}

struct Running {
    name: &'static str,
    loss: Loss,
    heartbeat: Arc<OnceLock<Heartbeat>>,
    /// `None` once its end was told.
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

/// The running threads.
pub(crate) struct Beside {
    running: Vec<Running>,
    stop: Arc<AtomicBool>,
    clock: Clock,
    stats: StatsHandle,
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.running.iter().map(|running| running.name).collect();
        f.debug_struct("Beside").field("names", &names).finish_non_exhaustive()
    }
}

impl Beside {
    /// Starts them.
    pub(crate) fn start(
        jobs: Vec<Job>,
        clock: &Clock,
        stats: &StatsHandle,
    ) -> anyhow::Result<Beside> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut beside =
            Beside { running: Vec::new(), stop, clock: clock.clone(), stats: stats.clone() };
        for job in jobs {
            let heartbeat = Arc::new(OnceLock::new());
            let life = Life {
                stop: Arc::clone(&beside.stop),
                heartbeat: Arc::clone(&heartbeat),
                clock: clock.clone(),
                stats: stats.clone(),
            };
            let Job { name, loss, body } = job;
            let thread = spawn(name, move || live(name, &life, body))?;
            beside.running.push(Running { name, loss, heartbeat, thread: Some(thread) });
        }
        Ok(beside)
    }

    /// Tells threads that ended though they should run. What ends the run, if one of them does.
    pub(crate) fn find_dead(&mut self) -> Option<String> {
        let (clock, stats) = (&self.clock, &self.stats);
        for running in &mut self.running {
            let Some(thread) = running.thread.take_if(|thread| thread.is_finished()) else {
                continue;
            };
            let text = match ending(thread) {
                Ok(()) => format!("the {} thread ended", running.name),
                Err(why) => format!("the {} thread ended: {why}", running.name),
            };
            if let Some(heartbeat) = running.heartbeat.get() {
                heartbeat.set_state(ThreadState::Dead, clock.now_ns());
            }
            if running.loss == Loss::EndsRun {
                return Some(text);
            }
            stats.error(ERROR_BESIDE, clock.now_ns(), format_args!("{text}"));
            eprintln!("\n{text}; the engine goes on");
        }
        None
    }

    /// Whether the engine goes on when the thread of that name stands still.
    pub(crate) fn goes_on_without(&self, name: &str) -> bool {
        self.running.iter().any(|running| running.name == name && running.loss == Loss::GoesOn)
    }

    /// Tells all of them to end and waits a bounded time. What went wrong, in words.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Release);
        let start_ns = self.clock.now_ns();
        let mut faults = Vec::new();
        for running in &mut self.running {
            let Some(thread) = running.thread.take() else { continue };
            while !thread.is_finished() && self.clock.now_ns() - start_ns < END_WAIT_NS_MAX {
                thread.thread().unpark();
                std::thread::park_timeout(PAUSE);
            }
            let outcome = if thread.is_finished() {
                ending(thread)
            } else {
                Err("does not end; it is left behind".to_string())
            };
            if let Err(why) = outcome {
                faults.push(format!("the {} thread: {why}", running.name));
            }
        }
        faults
    }
}

fn live(name: &str, life: &Life, body: Body) -> anyhow::Result<()> {
    let now_ns = life.clock.now_ns();
    if let Some(heartbeat) = life.stats.register_thread(name, BEAT_AGE_NS_MAX, None, now_ns) {
        // The lock was empty: this thread alone fills it.
        drop(life.heartbeat.set(heartbeat));
    }
    let outcome = body(life);
    if let Some(heartbeat) = life.heartbeat.get() {
        heartbeat.set_state(ThreadState::Stopped, life.clock.now_ns());
    }
    outcome
}

fn ending(thread: JoinHandle<anyhow::Result<()>>) -> Result<(), String> {
    match thread.join() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(crate::chain(&error)),
        Err(panic) => Err(format!("panicked: {}", panic_message(panic.as_ref()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::stats::{Identity, StatsReader, StatsWriter};

    fn stats(dir: &Path) -> StatsWriter {
        let identity = Identity {
            instance: "test",
            engine_version: "0",
            commit: "0",
            mode: "paper",
            journal_dir: "journal",
        };
        StatsWriter::create(&dir.join("stats"), &identity, 1).expect("a stats file")
    }

    fn job(name: &'static str, loss: Loss, body: Body) -> Job {
        Job { name, loss, body }
    }

    fn wait_for_death(beside: &mut Beside) -> Option<String> {
        while beside.running.iter().all(|it| it.thread.as_ref().is_some_and(|t| !t.is_finished())) {
            std::thread::yield_now();
        }
        beside.find_dead()
    }

    #[test]
    fn a_thread_works_until_it_is_told_to_end() {
        let dir = tempfile::tempdir().unwrap();
        let writer = stats(dir.path());
        let clock = Clock::new();
        let body: Body = Box::new(|life| {
            while life.goes_on() {
                life.pause(Duration::from_hours(1));
            }
            Ok(())
        });
        let jobs = vec![job("good", Loss::GoesOn, body)];
        let mut beside = Beside::start(jobs, &clock, &writer.handle()).unwrap();
        assert_eq!(beside.find_dead(), None);
        assert!(beside.goes_on_without("good") && !beside.goes_on_without("core"));
        assert_eq!(beside.finish(), Vec::<String>::new());
    }

    #[test]
    fn a_dead_thread_is_told_and_the_engine_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let writer = stats(dir.path());
        let reader = StatsReader::open(writer.path()).unwrap();
        let bodies: [(Body, &str); 3] = [
            (Box::new(|_| panic!("no more")), "the short thread ended: panicked: no more"),
            (Box::new(|_| anyhow::bail!("disk full")), "the short thread ended: disk full"),
            (Box::new(|_| Ok(())), "the short thread ended"),
        ];
        for (body, text) in bodies {
            let jobs = vec![job("short", Loss::GoesOn, body)];
            let mut beside = Beside::start(jobs, &Clock::new(), &writer.handle()).unwrap();
            assert_eq!(wait_for_death(&mut beside), None, "{text}");
            let snapshot = reader.snapshot().unwrap();
            assert!(snapshot.errors.iter().any(|error| error.text == text), "{text}");
            let thread = snapshot.threads.iter().rev().find(|thread| thread.name == "short");
            assert_eq!(thread.map(|thread| thread.state), Some(ThreadState::Dead), "{text}");
            assert_eq!(beside.finish(), Vec::<String>::new(), "its end was told already");
        }
    }

    #[test]
    fn a_thread_that_the_run_needs_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let writer = stats(dir.path());
        let jobs = vec![job("needed", Loss::EndsRun, Box::new(|_| Ok(())))];
        let mut beside = Beside::start(jobs, &Clock::new(), &writer.handle()).unwrap();
        assert_eq!(wait_for_death(&mut beside).as_deref(), Some("the needed thread ended"));
    }
}
