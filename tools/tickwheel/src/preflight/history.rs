//! What the journal says of earlier sessions: modes, days, orders, and how the last one ended.
//!
//! The journal and not a diary is asked: a day of dry-run or of live trading that is not in it was none.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use engine::event::{Event, Kind, Mode};

const DAY_NS: u64 = 86_400_000_000_000;
/// From this difference code on engine and venue disagree about money or about an order that nobody knows.
/// 5 is an order of somebody else, which is none of the engine's business.
const FORGOTTEN: u16 = 6;

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) number: u64,
    pub(super) mode: Option<Mode>,
    pub(super) start_ns: u64,
    /// Time of its last record.
    pub(super) last_ns: u64,
    /// It ended in order.
    pub(super) ended: bool,
    /// Orders that were sent, or in dry-run withheld.
    pub(super) orders: u64,
    /// Times that its venue was unlocked: everything was compared and nothing differed.
    pub(super) unlocks: u64,
    /// The venue is locked at the end.
    pub(super) locked: bool,
    /// Differences of balances and forgotten orders since the last unlock.
    pub(super) differences: u64,
    /// Days, counted from the epoch, on which it had records.
    days: BTreeSet<u64>,
    /// Days on which it sent an order.
    order_days: BTreeSet<u64>,
}

/// Every session of a journal, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    pub(super) sessions: Vec<Session>,
}

/// The day of a time.
pub(super) fn day_of(time_ns: u64) -> u64 {
    time_ns / DAY_NS
}

impl History {
    /// Reads the journal in `dir`; empty where there is none.
    pub(super) fn read(dir: &Path) -> anyhow::Result<History> {
        if !dir.join(journal::segment_file_name(1)).exists() {
            return Ok(History::default());
        }
        let reader = journal::Reader::open(dir)
            .with_context(|| format!("read the journal in {}", dir.display()))?;
        let mut history = History::default();
        for record in reader.records_from(1) {
            history.take(bytemuck::cast_ref::<_, Event>(record));
        }
        Ok(history)
    }

    fn take(&mut self, event: &Event) {
        if event.kind == Kind::SESSION_START {
            self.sessions.push(Session {
                number: event.id,
                mode: Mode::from_code(event.code),
                start_ns: event.time_ns,
                last_ns: event.time_ns,
                ended: false,
                orders: 0,
                unlocks: 0,
                locked: false,
                differences: 0,
                days: BTreeSet::from([day_of(event.time_ns)]),
                order_days: BTreeSet::new(),
            });
            return;
        }
        let Some(session) = self.sessions.last_mut().filter(|session| !session.ended) else {
            return;
        };
        session.last_ns = session.last_ns.max(event.time_ns);
        let day = day_of(session.last_ns);
        if session.days.last() != Some(&day) {
            session.days.insert(day);
        }
        if event.kind == Kind::SEND_NEW {
            session.orders += 1;
            session.order_days.insert(day);
        } else if event.kind == Kind::LOCK {
            session.locked = event.code != 0;
            if !session.locked {
                session.unlocks += 1;
                session.differences = 0;
            }
        } else if event.kind == Kind::DIFFERENCE && FORGOTTEN <= event.code {
            session.differences += 1;
        } else if event.kind == Kind::SESSION_END {
            session.ended = true;
        }
    }

    /// Distinct days with a dry-run or paper session in which strategies wanted orders.
    pub(super) fn rehearsal_days(&self) -> usize {
        let is_rehearsal =
            |session: &&Session| matches!(session.mode, Some(Mode::DryRun | Mode::Paper));
        let days: BTreeSet<u64> = self
            .sessions
            .iter()
            .filter(is_rehearsal)
            .flat_map(|s| s.days.iter().copied())
            .collect();
        days.len()
    }

    /// Which day of live trading a session on the day of `now_ns` belongs to, from 1: a day counts when a live session
    /// sent an order on it.
    pub(super) fn live_day(&self, now_ns: u64) -> u32 {
        let today = day_of(now_ns);
        let live = self.sessions.iter().filter(|session| session.mode == Some(Mode::Live));
        let days: BTreeSet<u64> = live
            .flat_map(|session| session.order_days.iter().copied())
            .filter(|day| *day < today)
            .collect();
        u32::try_from(days.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The last session.
    pub(super) fn last(&self) -> Option<&Session> {
        self.sessions.last()
    }
}

#[cfg(test)]
mod tests {
    use engine::event::session::{session_end, session_start};

    use super::*;

    fn event(kind: Kind, code: u16) -> Event {
        let mut event = Event::new(kind);
        event.code = code;
        event
    }

    fn history(events: &[(u64, Event)]) -> History {
        let mut history = History::default();
        for (day, event) in events {
            history.take(&event.at(day * DAY_NS + 1));
        }
        history
    }

    #[test]
    fn days_of_rehearsal_are_counted_once_each_and_live_days_only_with_an_order() {
        let send = || event(Kind::SEND_NEW, 1);
        let history = history(&[
            (10, session_start(1, Mode::DryRun)),
            (10, session_end(1)),
            (10, session_start(2, Mode::Paper)),
            (11, event(Kind::CLOCK, 0)),
            (11, session_end(2)),
            (12, session_start(3, Mode::Backtest)),
            (12, session_end(3)),
            (13, session_start(4, Mode::Live)),
            (13, send()),
            (13, send()),
            (14, event(Kind::CLOCK, 0)),
            (14, session_end(4)),
            (15, session_start(5, Mode::Live)),
            (15, session_end(5)),
            (16, session_start(6, Mode::Live)),
            (16, send()),
        ]);
        assert_eq!(history.rehearsal_days(), 2);
        // Days 13 and 16 had live orders; on day 16 it is still the second day.
        let days = [13, 14, 16, 17].map(|day| history.live_day(day * DAY_NS));
        assert_eq!(days, [1, 2, 2, 3]);
        let last = history.last().unwrap();
        assert_eq!((last.number, last.ended, last.orders), (6, false, 1));
        assert_eq!(History::default().live_day(5 * DAY_NS), 1);
    }

    #[test]
    fn an_unlock_forgives_differences_and_a_lock_stays() {
        let mut events = vec![
            (1, session_start(1, Mode::Paper)),
            (1, event(Kind::LOCK, 1)),
            (1, event(Kind::DIFFERENCE, 8)),
            (1, event(Kind::DIFFERENCE, 5)),
            (1, event(Kind::LOCK, 0)),
        ];
        let clean = history(&events);
        let state = |history: &History| {
            let last = history.last().unwrap();
            (last.locked, last.differences, last.unlocks)
        };
        assert_eq!(state(&clean), (false, 0, 1));
        events.push((1, event(Kind::DIFFERENCE, 7)));
        events.push((1, event(Kind::LOCK, 1)));
        assert_eq!(state(&history(&events)), (true, 1, 1));
    }

    #[test]
    fn a_directory_without_a_journal_has_no_history() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(History::read(dir.path()).unwrap(), History::default());
    }
}
