//! A channel: a bounded queue, a thread of its own, and a courier that brings messages to one place.
//!
//! ```text
//!   watch --push--> [ queue ] --batch--> courier --> console, webhook, mail server
//!                     bounded    ^           | failed: wait, longer each time, try again
//!                                +-----------+ delivered: its number is kept in a file
//! ```
//! What comes together goes out as one message, and no two messages leave within `pause_ns`.
//!
//! **Invariant:** `push` never waits: a full queue loses its oldest notice that is no page, and counts it.

pub mod console;
pub mod shape;
pub mod smtp;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod webhook;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use engine::clock::Clock;
use secret::Secret;
use wire::backoff::Backoff;

use crate::catalogue::{Code, Severity};
use crate::notice::Notice;
use crate::store::write_whole;
use crate::subject::Subject;

const MS_NS: u64 = 1_000_000;

/// What a courier brings: notices that came together.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Name of the engine's instance.
    pub instance: &'a str,
    /// At least one, oldest first.
    pub notices: &'a [Notice],
}

/// Why a message was not delivered. Says nothing of addresses, keys or contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// No connection.
    #[error("no connection")]
    Unreachable,
    /// The peer's certificate is not believed, or there is no TLS.
    #[error("no trusted connection")]
    Untrusted,
    /// No answer in time, or the connection was cut.
    #[error("no answer")]
    Silent,
    /// The answer is not of the protocol.
    #[error("an answer that is not of the protocol")]
    Protocol,
    /// The peer says: later.
    #[error("busy ({status})")]
    Busy {
        /// Its code.
        status: u16,
        /// When it wants to be asked again.
        wait_ns: u64,
    },
    /// The peer does not take it.
    #[error("refused ({status})")]
    Refused {
        /// Its code.
        status: u16,
    },
    /// The configuration cannot work.
    #[error("the configuration of the channel cannot work")]
    Unusable,
    /// The system refuses.
    #[error("the system refuses: {0}")]
    System(io::ErrorKind),
}

/// Where a secret comes from, asked before each connection: what is rotated is used at the next one. `None`: it
/// cannot be had.
pub type SecretSource = Box<dyn Fn() -> Option<Arc<Secret>> + Send>;

/// Brings messages to one place. Runs in the thread of its channel and may block for a bounded time.
pub trait Courier: Send {
    /// Brings one message. `Ok`: it was taken.
    fn deliver(&mut self, message: &Message<'_>, clock: &Clock) -> Result<(), DeliveryError>;
}

/// How a channel behaves.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// Its name: of its file, in messages.
    pub name: String,
    /// What is milder is not sent.
    pub severity_min: Severity,
    /// Notices that may wait.
    pub queue_count_max: usize,
    /// Notices in one message.
    pub batch_count_max: usize,
    /// After the first notice others are waited for, so that one cause is one message.
    pub gather_ns: u64,
    /// Between two messages.
    pub pause_ns: u64,
    /// First and longest wait after a failure.
    pub backoff_ns_min: u64,
    /// The longest.
    pub backoff_ns_max: u64,
    /// How often a message that is refused is tried, before it is given up.
    pub refused_count_max: u32,
}

impl Default for ChannelSettings {
    fn default() -> ChannelSettings {
        ChannelSettings {
            name: String::new(),
            severity_min: Severity::Warning,
            queue_count_max: 1_000,
            batch_count_max: 20,
            gather_ns: 200 * MS_NS,
            // Slack takes one message a second.
            pause_ns: 1_000 * MS_NS,
            backoff_ns_min: 500 * MS_NS,
            backoff_ns_max: 60_000 * MS_NS,
            refused_count_max: 3,
        }
    }
}

/// How a channel is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Attempts that failed since the last that did not.
    pub failed_in_row: u64,
    /// Notices lost: no room, or given up.
    pub lost_count: u64,
    /// Messages delivered.
    pub delivered_count: u64,
    /// Why the last one failed.
    pub error: Option<DeliveryError>,
}

#[derive(Debug, Default)]
struct Inside {
    queue: VecDeque<Notice>,
    health: Health,
    is_stopped: bool,
}

#[derive(Debug, Default)]
struct Shared {
    inside: Mutex<Inside>,
    changed: Condvar,
}

impl Shared {
    /// The inside; a thread that panicked while it held it left it whole.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, inside: MutexGuard<'a, Inside>, ns: u64) -> MutexGuard<'a, Inside> {
        let waited = self.changed.wait_timeout(inside, Duration::from_nanos(ns));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A running channel.
#[derive(Debug)]
pub struct Channel {
    settings: ChannelSettings,
    number: u16,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// What a channel is made of.
pub struct Parts {
    /// Its habits.
    pub settings: ChannelSettings,
    /// Its courier.
    pub courier: Box<dyn Courier>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Channel {
    /// Starts the thread of channel `number`. Of `backlog` it delivers what it had not delivered in an earlier
    /// life; a channel that is new delivers nothing of it.
    pub fn start(
        parts: Parts,
        number: u16,
        (dir, instance): (&Path, &str),
        backlog: &[Notice],
        clock: &Clock,
    ) -> io::Result<Channel> {
        let Parts { settings, courier } = parts;
        let shared = Arc::new(Shared::default());
        let progress = Progress::open(dir, &settings.name, backlog);
        let last = progress.last;
        let channel = Channel {
            thread: spawn(Worker {
                settings: settings.clone(),
                shared: Arc::clone(&shared),
                courier,
                progress,
                instance: instance.to_string(),
                clock: clock.clone(),
            })?,
            settings,
            number,
            shared,
        };
        for notice in backlog.iter().filter(|notice| last < notice.notice) {
            channel.push(notice);
        }
        Ok(channel)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Takes a notice if it is this channel's to tell. Never waits for a delivery.
    pub fn push(&self, notice: &Notice) {
        let is_own_failure =
            notice.code == Code::ChannelFailing && notice.subject == Subject::Channel(self.number);
        if notice.silenced || notice.severity < self.settings.severity_min || is_own_failure {
            return;
        }
        let mut inside = self.shared.lock();
        if self.settings.queue_count_max <= inside.queue.len() {
            let mild = inside.queue.iter().position(|waiting| waiting.severity < Severity::Page);
            inside.queue.remove(mild.unwrap_or(0));
            inside.health.lost_count += 1;
        }
        inside.queue.push_back(notice.clone());
        drop(inside);
        self.shared.changed.notify_all();
    }

    /// How it is.
    pub fn health(&self) -> Health {
        self.shared.lock().health
    }

    /// Notices that wait.
    pub fn waiting_count(&self) -> usize {
        self.shared.lock().queue.len()
    }

    /// Whether its thread ended though nobody told it to.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Tells it to deliver what it has, with one attempt, and to end.
    pub fn stop(&self) {
        self.shared.lock().is_stopped = true;
        self.shared.changed.notify_all();
    }

    /// Waits for its end, at most so long; false when it did not end in time and is left to itself. What it has
    /// not delivered is delivered at the next start.
    pub fn wait(self, ns_max: u64, clock: &Clock) -> bool {
        let until_ns = clock.now_ns().saturating_add(ns_max);
        while !self.thread.is_finished() {
            if until_ns <= clock.now_ns() {
                return false;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        self.thread.join().is_ok()
    }
}

fn spawn(mut worker: Worker) -> io::Result<JoinHandle<()>> {
    let name = format!("tw-alarm-{}", worker.settings.name);
    std::thread::Builder::new().name(name).spawn(move || worker.run())
}

/// Up to which notice a channel has delivered, in a file.
#[derive(Debug)]
struct Progress {
    dir: PathBuf,
    file: String,
    last: u64,
}

impl Progress {
    fn open(dir: &Path, name: &str, backlog: &[Notice]) -> Progress {
        let file = format!("{name}.delivered");
        let kept = std::fs::read_to_string(dir.join(&file)).ok();
        let last = kept.and_then(|text| text.trim().parse().ok());
        let newest = || backlog.last().map_or(0, |notice| notice.notice);
        let progress = Progress { dir: dir.to_path_buf(), file, last: last.unwrap_or_else(newest) };
        progress.save();
        progress
    }

    fn delivered(&mut self, number: u64) {
        self.last = self.last.max(number);
        self.save();
    }

    /// Where that fails, the message comes a second time after the next start, under the same number.
    fn save(&self) {
        drop(write_whole(&self.dir, &self.file, self.last.to_string().as_bytes()));
    }
}

struct Worker {
    settings: ChannelSettings,
    shared: Arc<Shared>,
    courier: Box<dyn Courier>,
    progress: Progress,
    instance: String,
    clock: Clock,
}

impl Worker {
    fn run(&mut self) {
        while self.wait_for_first() {
            let batch = self.gather();
            if !self.bring(&batch) {
                return;
            }
            self.pause(self.settings.pause_ns);
        }
    }

    /// False when it was stopped and nothing waits.
    fn wait_for_first(&self) -> bool {
        let mut inside = self.shared.lock();
        while inside.queue.is_empty() {
            if inside.is_stopped {
                return false;
            }
            inside = self.shared.wait(inside, 1_000 * MS_NS);
        }
        true
    }

    /// Lets siblings of the first notice come, then takes a batch. It stays in the queue until it is delivered.
    fn gather(&self) -> Vec<Notice> {
        self.pause(self.settings.gather_ns);
        let inside = self.shared.lock();
        inside.queue.iter().take(self.settings.batch_count_max.max(1)).cloned().collect()
    }

    /// Waits, but not longer than until it is stopped.
    fn pause(&self, ns: u64) {
        let until_ns = self.clock.now_ns().saturating_add(ns);
        let mut inside = self.shared.lock();
        loop {
            let left_ns = until_ns.saturating_sub(self.clock.now_ns());
            if inside.is_stopped || left_ns == 0 {
                return;
            }
            inside = self.shared.wait(inside, left_ns);
        }
    }

    /// Tries until it is delivered or given up. False: it was stopped and this attempt failed.
    fn bring(&mut self, batch: &[Notice]) -> bool {
        let (min_ns, max_ns) = (self.settings.backoff_ns_min.max(1), self.settings.backoff_ns_max);
        let seed = batch.first().map_or(0, |notice| notice.notice);
        let mut backoff = Backoff::new(min_ns, max_ns.max(min_ns), seed);
        let mut refused_count = 0;
        loop {
            let message = Message { instance: &self.instance, notices: batch };
            let error = match self.courier.deliver(&message, &self.clock) {
                Ok(()) => {
                    self.done(batch, None);
                    return true;
                }
                Err(error) => error,
            };
            {
                let mut inside = self.shared.lock();
                inside.health.failed_in_row += 1;
                inside.health.error = Some(error);
                if inside.is_stopped {
                    return false;
                }
            }
            refused_count += u32::from(matches!(error, DeliveryError::Refused { .. }));
            if self.settings.refused_count_max <= refused_count {
                self.done(batch, Some(error));
                return true;
            }
            let asked_ns = if let DeliveryError::Busy { wait_ns, .. } = error {
                wait_ns.min(self.settings.backoff_ns_max)
            } else {
                0
            };
            self.pause(backoff.next_delay_ns().max(asked_ns));
        }
    }

    /// The batch is out of the queue: delivered, or given up with that error.
    fn done(&mut self, batch: &[Notice], given_up: Option<DeliveryError>) {
        let last = batch.iter().map(|notice| notice.notice).max().unwrap_or(0);
        let mut inside = self.shared.lock();
        // A full queue may have lost some of them meanwhile.
        while inside.queue.front().is_some_and(|notice| notice.notice <= last) {
            inside.queue.pop_front();
        }
        if given_up.is_some() {
            inside.health.lost_count += u64::try_from(batch.len()).unwrap_or(0);
        } else {
            inside.health.delivered_count += 1;
            inside.health.failed_in_row = 0;
            inside.health.error = None;
        }
        drop(inside);
        self.progress.delivered(last);
    }
}
