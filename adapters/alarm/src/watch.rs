//! The watch: follows the journal, the stats file and the guard's file, and tells what they say through history and channels.
//!
//! ```text
//!   turn: guard's lines, journal records -> rules -> board;  stats, time, channels, silences -> board
//!         notices -> words -> store.commit -> channels
//! ```
//! **Invariant:** where it stands in the journal is saved together with what it made of it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use engine::clock::Clock;
use engine::event::{CommandCode, Event, Kind};
use engine::stats::StatsReader;
use journal::{Tail, TailError};

use crate::board::{Alarm, Board, BoardSettings};
use crate::catalogue::Code;
use crate::channel::{Channel, Health, Parts};
use crate::notice::{Edge, Notice, Signal};
use crate::rules::guard::GuardFile;
use crate::rules::stats::Reading;
use crate::rules::{RuleSettings, Rules, RulesState};
use crate::store::{SavedState, Store, StoreError, silences};
use crate::subject::{Names, Subject};

const MS_NS: u64 = 1_000_000;
/// Batches of the journal in one turn, each of at most 4,096 records.
const BATCH_COUNT_MAX: usize = 64;
/// Between two readings of the stats file: one costs some milliseconds.
const STATS_INTERVAL_NS: u64 = 1_000 * MS_NS;
/// Between two looks at times, channels and silences.
const CARE_INTERVAL_NS: u64 = 100 * MS_NS;
/// Between two saves when nothing happens.
const SAVE_INTERVAL_NS: u64 = 5_000 * MS_NS;
/// Between two attempts to follow a journal that cannot be followed.
const TAIL_RETRY_NS: u64 = 1_000 * MS_NS;
/// A channel that failed so often in a row has an alarm.
const FAILED_COUNT_MIN: u64 = 3;
/// What a full history says is read back at the start; longer silences than this are cut: a day.
const SILENCE_NS_MAX: u64 = 86_400_000 * MS_NS;

/// What a watch is told.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// The directory of history and state.
    pub dir: PathBuf,
    /// The journal.
    pub journal_dir: PathBuf,
    /// The stats file, or the data directory that has it.
    pub stats_path: PathBuf,
    /// Where the guard's file is; `None`: in `dir`.
    pub guard_dir: Option<PathBuf>,
    /// Where to begin in it where nothing is saved; `None`: at its end.
    pub guard_offset: Option<u64>,
    /// Where to begin where nothing is saved: the first record of this session.
    pub first_sequence: u64,
    /// In a process of its own, which does not know where the journal ended at the start of the session.
    pub is_standby: bool,
    /// Times and bounds.
    pub board: BoardSettings,
    /// Thresholds.
    pub rules: RuleSettings,
    /// Names.
    pub names: Names,
}

/// A channel as it was when looked at last.
#[derive(Debug)]
struct Line {
    channel: Channel,
    before: Health,
    was_failing: bool,
}

/// The watch.
#[derive(Debug)]
pub struct Watch {
    settings: WatchSettings,
    board: Board,
    rules: Rules,
    store: Store,
    lines: Vec<Line>,
    tail: Option<Tail>,
    tail_retry_ns: u64,
    next_sequence: u64,
    guard: GuardFile,
    stats: Option<StatsReader>,
    stats_ns: u64,
    care_ns: u64,
    saved_ns: u64,
    saved_sequence: u64,
    is_unwritable: bool,
    is_caught_up: bool,
    silences: BTreeMap<Code, u64>,
    signals: Vec<Signal>,
    notices: Vec<Notice>,
}

/// Why a watch does not begin.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Its directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The thread of a channel.
    #[error("start the thread of channel {name}: {source}")]
    Thread {
        /// Which.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

impl Watch {
    /// Goes on where the last watch of this directory stood.
    pub fn open(
        mut settings: WatchSettings,
        channels: Vec<Parts>,
        clock: &Clock,
    ) -> Result<Watch, WatchError> {
        settings.names.channels =
            channels.iter().map(|parts| parts.settings.name.clone()).collect();
        let (store, loaded) = Store::open(&settings.dir)?;
        let now_ns = clock.now_ns();
        let is_lost = loaded.is_state_damaged;
        let saved = loaded.state.unwrap_or_else(|| SavedState {
            // Unless it begins at the first record, it does not begin where a session begins.
            rules: if settings.is_standby && 1 < settings.first_sequence {
                RulesState::in_session()
            } else {
                RulesState::default()
            },
            ..SavedState::default()
        });
        // A journal that lost its end to a power cut is shorter than what was read of it.
        let is_ahead = !settings.is_standby && settings.first_sequence < saved.next_sequence;
        let next_sequence = match saved.next_sequence {
            0 => settings.first_sequence,
            _ if is_ahead => settings.first_sequence,
            saved => saved,
        };
        let guard_dir = settings.guard_dir.as_ref().unwrap_or(&settings.dir);
        let guard = GuardFile::open(guard_dir, saved.guard_offset.or(settings.guard_offset));
        let mut board = Board::new(settings.board, saved.board);
        let newest = &loaded.newest;
        board.skip_numbers(
            newest.iter().map(|notice| notice.alarm).max().unwrap_or(0),
            newest.last().map_or(0, |notice| notice.notice),
        );
        let mut lines = Vec::new();
        for (number, parts) in (0_u16..).zip(channels) {
            let name = parts.settings.name.clone();
            let place = (settings.dir.as_path(), settings.names.instance.as_str());
            let channel = Channel::start(parts, number, place, newest, clock)
                .map_err(|source| WatchError::Thread { name, source })?;
            lines.push(Line { channel, before: Health::default(), was_failing: false });
        }
        let mut watch = Watch {
            rules: Rules::new(settings.rules, saved.rules),
            board,
            store,
            lines,
            tail: None,
            tail_retry_ns: 0,
            next_sequence,
            guard,
            stats: None,
            stats_ns: 0,
            care_ns: 0,
            saved_ns: now_ns,
            saved_sequence: next_sequence,
            is_unwritable: false,
            is_caught_up: false,
            silences: BTreeMap::new(),
            signals: Vec::new(),
            notices: Vec::new(),
            settings,
        };
        if is_lost || is_ahead {
            watch.take(Signal::raise(Code::StateLost, Subject::Engine, (0, now_ns)), now_ns);
        }
        Ok(watch)
    }

    /// Alarms that are on.
    pub fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        self.board.alarms()
    }

    /// The next record of the journal that it will read.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Looks once at everything. How many records of the journal it read: where that is not 0, there may be
    /// more at once.
    pub fn turn(&mut self, now_ns: u64) -> usize {
        let is_care_due = self.care_ns.saturating_add(CARE_INTERVAL_NS) <= now_ns;
        if is_care_due {
            // Before the journal: a session that has begun since may end what a guard's line begins.
            self.read_guard(now_ns);
        }
        let count = self.follow(now_ns);
        if self.stats_ns.saturating_add(STATS_INTERVAL_NS) <= now_ns {
            self.stats_ns = now_ns;
            self.read_stats(now_ns);
        }
        if is_care_due {
            self.care_ns = now_ns;
            self.look_at_channels(now_ns);
            self.look_at_silences(now_ns);
            if self.is_caught_up {
                // While old records are read, they bring their own time.
                self.rules.on_time(now_ns, &mut self.signals);
                self.take_signals(now_ns);
            }
            self.board.on_time(now_ns, &mut self.notices);
        }
        self.tell(now_ns);
        count
    }

    /// Raises the alarm of a try, for all channels.
    pub fn test(&mut self, operator: u16, now_ns: u64) {
        let signal = Signal::raise(Code::Test, Subject::Engine, (0, now_ns));
        self.take(signal.with(0, 0, u32::from(operator)), now_ns);
        self.tell(now_ns);
    }

    /// Reads what the journal still has, tells it, and ends the channels. Those that do not end in time keep
    /// what they have not delivered for the next start.
    pub fn close(mut self, ns_max: u64, clock: &Clock) -> Result<(), StoreError> {
        let until_ns = clock.now_ns().saturating_add(ns_max);
        while 0 < self.turn(clock.now_ns()) && clock.now_ns() < until_ns {}
        let saved = self.store.commit(self.state(), &[]);
        for line in &self.lines {
            line.channel.stop();
        }
        for line in self.lines.drain(..) {
            line.channel.wait(until_ns.saturating_sub(clock.now_ns()), clock);
        }
        saved
    }

    fn state(&self) -> SavedState {
        SavedState {
            next_sequence: self.next_sequence,
            guard_offset: Some(self.guard.offset()),
            board: self.board.state(),
            rules: self.rules.state().clone(),
            ..SavedState::default()
        }
    }

    fn take(&mut self, signal: Signal, now_ns: u64) {
        self.board.signal(&signal, now_ns, &mut self.notices);
    }

    fn take_signals(&mut self, now_ns: u64) {
        for signal in self.signals.drain(..) {
            self.board.signal(&signal, now_ns, &mut self.notices);
        }
    }

    /// Reads the journal, some batches at most.
    fn follow(&mut self, now_ns: u64) -> usize {
        if self.tail.is_none() && now_ns < self.tail_retry_ns {
            return 0;
        }
        match self.follow_batches(now_ns) {
            Ok(count) => {
                self.take(
                    Signal::clear(Code::JournalUnreadable, Subject::Engine, (0, now_ns)),
                    now_ns,
                );
                self.is_caught_up = count == 0;
                count
            }
            // There is none yet.
            Err(TailError::Empty(_)) => {
                self.retry_later(now_ns);
                0
            }
            Err(_) => {
                self.retry_later(now_ns);
                let signal = Signal::raise(Code::JournalUnreadable, Subject::Engine, (0, now_ns));
                self.take(signal, now_ns);
                0
            }
        }
    }

    fn retry_later(&mut self, now_ns: u64) {
        self.tail = None;
        self.tail_retry_ns = now_ns.saturating_add(TAIL_RETRY_NS);
    }

    fn follow_batches(&mut self, now_ns: u64) -> Result<usize, TailError> {
        let Watch { tail, rules, board, signals, notices, settings, .. } = self;
        let tail = match tail {
            Some(tail) => tail,
            None => tail.insert(Tail::open(&settings.journal_dir, self.next_sequence)?),
        };
        let mut count = 0;
        for _ in 0..BATCH_COUNT_MAX {
            let records = tail.poll()?;
            if records.is_empty() {
                break;
            }
            count += records.len();
            let events: &[Event] = bytemuck::cast_slice(records);
            for event in events {
                rules.event(event, signals);
                for signal in signals.drain(..) {
                    board.signal(&signal, now_ns, notices);
                }
                if event.kind == Kind::COMMAND && event.code == CommandCode::Acknowledge as u16 {
                    let number = event.price.unsigned_abs();
                    board.acknowledge(number, event.source, now_ns, notices);
                }
            }
            if let Some(last) = events.last() {
                rules.on_time(last.time_ns, signals);
                for signal in signals.drain(..) {
                    board.signal(&signal, now_ns, notices);
                }
            }
            self.next_sequence = tail.next_sequence();
        }
        Ok(count)
    }

    fn read_guard(&mut self, now_ns: u64) {
        for line in self.guard.poll() {
            self.rules.guard(&line, &mut self.signals);
        }
        self.take_signals(now_ns);
    }

    fn read_stats(&mut self, now_ns: u64) {
        if self.stats.as_ref().is_none_or(StatsReader::is_superseded) {
            self.stats = StatsReader::open(&self.settings.stats_path).ok();
        }
        let Some(snapshot) = self.stats.as_ref().and_then(|stats| stats.snapshot().ok()) else {
            return;
        };
        let threads = snapshot.threads.iter().map(|thread| thread.name.clone()).collect();
        self.settings.names.threads = threads;
        self.rules.stats(&Reading::of(&snapshot, now_ns), now_ns, &mut self.signals);
        self.take_signals(now_ns);
    }

    fn look_at_channels(&mut self, now_ns: u64) {
        for (number, line) in (0_u16..).zip(&mut self.lines) {
            let mut health = line.channel.health();
            if line.channel.has_ended() {
                health.failed_in_row = health.failed_in_row.max(FAILED_COUNT_MIN);
            }
            let subject = Subject::Channel(number);
            let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let is_failing = FAILED_COUNT_MIN <= health.failed_in_row;
            if is_failing && !line.was_failing {
                let signal = Signal::raise(Code::ChannelFailing, subject, (0, now_ns));
                self.signals.push(signal.with(signed(health.failed_in_row), 0, 0));
            } else if health.failed_in_row == 0 {
                self.signals.push(Signal::clear(Code::ChannelFailing, subject, (0, now_ns)));
            }
            line.was_failing = is_failing;
            if line.before.lost_count < health.lost_count {
                let signal = Signal::raise(Code::ChannelOverflow, subject, (0, now_ns));
                self.signals.push(signal.with(signed(health.lost_count), 0, 0));
            }
            line.before = health;
        }
        self.take_signals(now_ns);
    }

    /// Silences are asked for by a command, in a file.
    fn look_at_silences(&mut self, now_ns: u64) {
        let latest_ns = now_ns.saturating_add(SILENCE_NS_MAX);
        let mut all = BTreeMap::new();
        for silence in silences(&self.settings.dir) {
            let until_ns = silence.until_ns.min(latest_ns);
            if now_ns < until_ns {
                all.insert(silence.code, until_ns);
                if !self.silences.contains_key(&silence.code) {
                    let left_ns = i64::try_from(until_ns - now_ns).unwrap_or(i64::MAX);
                    let subject = Subject::Code(u32::from(silence.code.number()));
                    let signal = Signal::raise(Code::Silenced, subject, (0, now_ns));
                    self.signals.push(signal.with(left_ns, 0, silence.user));
                }
            }
        }
        for code in self.silences.keys().filter(|code| !all.contains_key(code)) {
            let subject = Subject::Code(u32::from(code.number()));
            self.signals.push(Signal::raise(Code::Silenced, subject, (0, now_ns)));
        }
        if all != self.silences {
            self.board.set_silences(all.clone());
            self.silences = all;
        }
        self.take_signals(now_ns);
    }

    /// Notices go into the history, then to the channels.
    fn tell(&mut self, now_ns: u64) {
        let has_moved = self.saved_sequence != self.next_sequence;
        let is_time = self.saved_ns.saturating_add(SAVE_INTERVAL_NS) <= now_ns;
        if self.notices.is_empty() && !(is_time && (has_moved || self.is_unwritable)) {
            return;
        }
        let mut notices = std::mem::take(&mut self.notices);
        for notice in &mut notices {
            notice.word(&self.settings.names);
        }
        let committed = self.store.commit(self.state(), &notices);
        self.saved_ns = now_ns;
        self.saved_sequence = self.next_sequence;
        for line in &self.lines {
            for notice in &notices {
                line.channel.push(notice);
            }
        }
        let is_unwritable = committed.is_err();
        if is_unwritable != self.is_unwritable || !is_unwritable {
            let mut signal = Signal::raise(Code::HistoryUnwritable, Subject::Engine, (0, now_ns));
            signal.edge = if is_unwritable { Edge::Raise } else { Edge::Clear };
            self.take(signal, now_ns);
        }
        self.is_unwritable = is_unwritable;
    }
}
