//! What was put aside, by reason: counted always, told as QUARANTINE events no more often than allowed.
//!
//! **Invariant:** the sum of the counts of the events told and of what is still owed is what was refused.

use engine::event::market;

use super::FeedSink;

/// Reasons lie below this.
const REASON_COUNT_MAX: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
struct Reason {
    total: u64,
    owed: u32,
    /// Number of the last frame refused for it.
    frame: u64,
    /// Not told before.
    next_ns: u64,
}

/// Everything refused.
#[derive(Debug)]
pub(super) struct Refused {
    reasons: [Reason; REASON_COUNT_MAX],
    interval_ns: u64,
    producer: u16,
    owed_total: u64,
}

impl Refused {
    pub(super) fn new(interval_ns: u64, producer: u16) -> Refused {
        let reasons = [Reason::default(); REASON_COUNT_MAX];
        Refused { reasons, interval_ns, producer, owed_total: 0 }
    }

    /// Frame number `frame` is put aside.
    pub(super) fn refuse(&mut self, code: u16, frame: u64) {
        // A code that is not ours would be a bug of the decoder's table; it is counted as code 0.
        let place = Some(usize::from(code)).filter(|place| *place < REASON_COUNT_MAX).unwrap_or(0);
        let reason = &mut self.reasons[place];
        reason.total += 1;
        reason.owed = reason.owed.saturating_add(1);
        reason.frame = frame;
        self.owed_total += 1;
    }

    /// Tells what is due. Returns when the next is due, if something is owed.
    pub(super) fn tell(&mut self, now_ns: u64, sink: &mut impl FeedSink) -> Option<u64> {
        if self.owed_total == 0 {
            return None;
        }
        let mut due_ns = u64::MAX;
        for (code, reason) in (0..).zip(&mut self.reasons) {
            if reason.owed == 0 {
                continue;
            }
            if reason.next_ns <= now_ns {
                let mut event = market::quarantine(code, reason.frame, reason.owed).at(now_ns);
                event.source = self.producer;
                if sink.control(&event) {
                    self.owed_total -= u64::from(reason.owed);
                    reason.owed = 0;
                }
                reason.next_ns = now_ns.saturating_add(self.interval_ns);
            }
            if reason.owed != 0 {
                due_ns = due_ns.min(reason.next_ns);
            }
        }
        (self.owed_total != 0).then_some(due_ns)
    }

    /// Reasons with their numbers, those that never happened left out.
    pub(super) fn totals(&self) -> Vec<(u16, u64)> {
        let reasons = (0..).zip(&self.reasons).map(|(code, reason)| (code, reason.total));
        reasons.filter(|(_, total)| *total != 0).collect()
    }

    /// All reasons together.
    pub(super) fn total(&self) -> u64 {
        self.reasons.iter().map(|reason| reason.total).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Collected;
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_a_few_events_with_their_counts() {
        let mut refused = Refused::new(100, 3);
        let mut sink = Collected::default();
        refused.refuse(2, 1);
        assert_eq!(refused.tell(0, &mut sink), None, "the first is told at once");
        for frame in 2..=50 {
            refused.refuse(2, frame);
            assert_eq!(refused.tell(frame, &mut sink), Some(100));
        }
        refused.refuse(8, 60);
        assert_eq!(refused.tell(60, &mut sink), Some(100), "another reason is told at once");
        sink.is_full = true;
        assert_eq!(refused.tell(100, &mut sink), Some(200), "no room: it stays owed");
        sink.is_full = false;
        assert_eq!(refused.tell(200, &mut sink), None);
        let told: Vec<_> = sink.events.iter().map(|e| (e.code, e.id, e.tag, e.source)).collect();
        assert_eq!(told, [(2, 1, 1, 3), (8, 60, 1, 3), (2, 50, 49, 3)]);
        assert_eq!(refused.totals(), [(2, 50), (8, 1)]);
        refused.refuse(999, 1);
        assert_eq!(refused.total(), 52);
    }
}
