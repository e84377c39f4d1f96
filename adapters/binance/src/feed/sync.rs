//! The book of one symbol, by ids only: what the engine's feed stage will make of each update.
//!
//! ```text
//!           connected              snapshot that joins
//!   Down --------------> Waiting ----------------------> Live
//!    ^                    |    ^                          |
//!    |   disconnected     |    |  update missing, events  |
//!    +--(any)-------------+    +-----lost at the border---+
//! ```
//!
//! The engine keeps the updates that come before a snapshot and joins them by the venue's rule. This twin
//! keeps their ids and judges with the same code, so it knows before a snapshot is published whether it
//! will join; one that is too old is fetched again and never shown.
//!
//! **Invariant:** while this says `Live`, the engine's book has its snapshot and every update since, or the
//! border ring has marked what it dropped.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use engine::event::market::DepthIds;
use engine::feed::sequence::{Ruling, SequenceRule};
use engine::instrument::Venue;
use wire::backoff::Backoff;

/// Most updates whose ids are kept while a snapshot is awaited. The engine's own buffer is full long before.
const WAITING_COUNT_MAX: usize = 4096;

/// Where a book stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// No stream.
    Down,
    /// Updates come, the snapshot does not fit yet.
    Waiting,
    /// Snapshot and updates are joined.
    Live,
}

/// What an update is to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It continues the book, or what waits for the snapshot.
    Next,
    /// Nothing new.
    Old,
    /// It begins within what is known and ends beyond it, and this venue's rule cannot take that: another
    /// connection cut the row of updates at other places.
    Overlap,
    /// Something before it is missing.
    Ahead,
    /// Nobody listens.
    Unwanted,
}

/// What a snapshot is to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SnapshotRuling {
    /// Publish it: the book is live then.
    Take,
    /// It does not reach the first update that waits; fetch another.
    TooOld,
    /// Nobody asked, or the book is ahead of it.
    Unwanted,
}

/// What is done about a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetch {
    /// Nothing.
    Idle,
    /// Ask at that time.
    Due { at_ns: u64 },
    /// Asked with that token.
    Asked { token: u64 },
}

/// Numbers of a book's synchronisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyncConfig {
    /// Wait for the first update after the opening before a snapshot is asked for without one.
    pub(super) first_update_ns_max: u64,
    /// First and longest wait before a snapshot is asked for again.
    pub(super) retry_ns_min: u64,
    pub(super) retry_ns_max: u64,
    /// Events that may wait before the engine is told to begin anew; half of its buffer.
    pub(super) waiting_event_count_max: usize,
}

/// Synchronisation of one book.
#[derive(Debug)]
pub(super) struct BookSync {
    venue: Venue,
    config: SyncConfig,
    state: SyncState,
    /// Live: the engine's rule.
    rule: SequenceRule,
    /// Waiting: ids of the unbroken row of updates that the engine keeps at its end.
    waiting: VecDeque<DepthIds>,
    /// Waiting: events that the engine keeps, at most.
    waiting_event_count: usize,
    /// Waiting: the core had this before something was lost; an older snapshot would turn its book back.
    floor_id: i64,
    fetch: Fetch,
    backoff: Backoff,
}

impl BookSync {
    pub(super) fn new(venue: Venue, config: SyncConfig, seed: u64) -> BookSync {
        BookSync {
            venue,
            config,
            state: SyncState::Down,
            rule: SequenceRule::new(venue),
            waiting: VecDeque::new(),
            waiting_event_count: 0,
            floor_id: 0,
            fetch: Fetch::Idle,
            backoff: Backoff::new(config.retry_ns_min, config.retry_ns_max, seed),
        }
    }

    pub(super) fn state(&self) -> SyncState {
        self.state
    }

    pub(super) fn fetch(&self) -> Fetch {
        self.fetch
    }

    /// Snapshots asked for again since the last good one.
    pub(super) fn retry_count(&self) -> u32 {
        self.backoff.attempt_count()
    }

    /// Final id of the last update that was published; 0 when there is none.
    pub(super) fn last_id(&self) -> i64 {
        match self.state {
            SyncState::Down => 0,
            SyncState::Waiting => self.waiting.back().map_or(0, |ids| ids.last),
            SyncState::Live => self.rule.last_id(),
        }
    }

    /// The stream is open and `FEED` connected was published.
    pub(super) fn connected(&mut self, now_ns: u64) {
        self.state = SyncState::Waiting;
        self.forget();
        self.waiting_event_count = 0;
        self.floor_id = 0;
        self.backoff.reset();
        self.ask_at(now_ns.saturating_add(self.config.first_update_ns_max));
    }

    /// The last stream is gone.
    pub(super) fn disconnected(&mut self) {
        self.state = SyncState::Down;
        self.forget();
        self.waiting_event_count = 0;
        // An answer to what was asked may come; its token is not known then.
        self.fetch = Fetch::Idle;
    }

    fn forget(&mut self) {
        self.rule.reset();
        self.waiting.clear();
    }

    /// Judges an update; changes nothing.
    pub(super) fn judge(&self, ids: &DepthIds) -> Judged {
        let rule = match self.state {
            SyncState::Down => return Judged::Unwanted,
            SyncState::Live => self.rule,
            SyncState::Waiting => {
                let Some(last) = self.waiting.back() else { return Judged::Next };
                let mut rule = SequenceRule::new(self.venue);
                rule.applied(last.last);
                rule
            }
        };
        match rule.judge(ids) {
            Ruling::Apply | Ruling::AwaitSnapshot => Judged::Next,
            Ruling::Old => Judged::Old,
            Ruling::Missing { .. } if ids.first <= rule.last_id() => Judged::Overlap,
            Ruling::Missing { .. } => Judged::Ahead,
        }
    }

    /// Whether the engine has no room for `event_count` events more before the snapshot comes: then it
    /// must be told to begin anew.
    pub(super) fn is_full(&self, event_count: usize) -> bool {
        self.state == SyncState::Waiting
            && (self.config.waiting_event_count_max < self.waiting_event_count + event_count
                || self.waiting.len() == WAITING_COUNT_MAX)
    }

    /// An update that was judged to be next is published.
    pub(super) fn published(&mut self, ids: DepthIds, event_count: usize, now_ns: u64) {
        match self.state {
            SyncState::Down => {}
            SyncState::Live => self.rule.applied(ids.last),
            SyncState::Waiting => self.wait_with(ids, event_count, now_ns),
        }
    }

    /// An update is published although something before it is missing: the engine sees the gap.
    pub(super) fn broken(&mut self, ids: DepthIds, event_count: usize, now_ns: u64) {
        self.state = SyncState::Waiting;
        self.forget();
        self.wait_with(ids, event_count, now_ns);
    }

    /// The border ring had no room for all of something that ends with update `last_id` (0 where it is no
    /// update). The engine learns it before the next event. A part of the update may stand in its buffer, so
    /// only a snapshot from there on makes the book whole.
    pub(super) fn lost(&mut self, last_id: i64, now_ns: u64) {
        if self.state == SyncState::Down {
            return;
        }
        self.floor_id = self.floor_id.max(self.last_id()).max(last_id);
        self.state = SyncState::Waiting;
        self.forget();
        // The ring is full: a snapshot, which is large, would not find room either.
        let wait_ns = self.backoff.next_delay_ns();
        self.ask_at(now_ns.saturating_add(wait_ns));
    }

    fn wait_with(&mut self, ids: DepthIds, event_count: usize, now_ns: u64) {
        self.waiting.push_back(ids);
        self.waiting_event_count += event_count;
        if self.waiting.len() == 1 && self.backoff.attempt_count() == 0 {
            self.ask_at(now_ns);
        }
    }

    /// A snapshot is wanted at that time, or earlier where one was wanted before.
    fn ask_at(&mut self, at_ns: u64) {
        self.fetch = match self.fetch {
            Fetch::Idle => Fetch::Due { at_ns },
            Fetch::Due { at_ns: before_ns } => Fetch::Due { at_ns: before_ns.min(at_ns) },
            Fetch::Asked { token } => Fetch::Asked { token },
        };
    }

    /// A snapshot is asked for.
    pub(super) fn asked(&mut self, token: u64) {
        debug_assert!(matches!(self.fetch, Fetch::Due { .. }));
        self.fetch = Fetch::Asked { token };
    }

    /// It could not be asked for and cannot before that time.
    pub(super) fn postponed(&mut self, at_ns: u64) {
        debug_assert!(matches!(self.fetch, Fetch::Asked { .. }));
        self.fetch = Fetch::Due { at_ns };
    }

    /// The answer is none, or not readable.
    pub(super) fn failed(&mut self, now_ns: u64) {
        self.fetch = Fetch::Idle;
        let wait_ns = self.backoff.next_delay_ns();
        self.ask_at(now_ns.saturating_add(wait_ns));
    }

    /// Judges the snapshot that was asked for. After `Take` it must be published.
    pub(super) fn snapshot(&mut self, last_id: i64, now_ns: u64) -> SnapshotRuling {
        self.fetch = Fetch::Idle;
        match self.state {
            SyncState::Down | SyncState::Live => SnapshotRuling::Unwanted,
            SyncState::Waiting => {
                if last_id < self.floor_id {
                    self.failed(now_ns);
                    return SnapshotRuling::TooOld;
                }
                let mut rule = SequenceRule::new(self.venue);
                rule.snapshot(last_id);
                for ids in &self.waiting {
                    match rule.judge(ids) {
                        Ruling::Apply => rule.applied(ids.last),
                        Ruling::Old | Ruling::AwaitSnapshot => {}
                        Ruling::Missing { .. } => {
                            self.failed(now_ns);
                            return SnapshotRuling::TooOld;
                        }
                    }
                }
                self.state = SyncState::Live;
                self.rule = rule;
                self.waiting.clear();
                SnapshotRuling::Take
            }
        }
    }

    /// The snapshot found room in the ring as a whole.
    pub(super) fn settled(&mut self) {
        self.waiting_event_count = 0;
        self.floor_id = 0;
        self.backoff.reset();
    }
}
