//! Trouble between venue and engine: reports that get lost, come twice or come late.

use std::collections::VecDeque;

use engine::event::Event;

use crate::random::Random;

/// How often what happens, in a thousand reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// Never arrives.
    pub lost: u64,
    /// Arrives twice.
    pub doubled: u64,
    /// Arrives after later ones.
    pub late: u64,
}

/// The line between venue and engine.
#[derive(Debug)]
pub struct Line {
    troubles: Troubles,
    random: Random,
    /// A fill is told by two events; they stay together.
    whole: Vec<Event>,
    /// Late reports, and after how many others they arrive.
    late: VecDeque<(u64, Vec<Event>)>,
    count: u64,
}

impl Line {
    /// A line with these troubles.
    pub fn new(troubles: Troubles, seed: u64) -> Line {
        Line {
            troubles,
            random: Random::new(seed),
            whole: Vec::with_capacity(4),
            late: VecDeque::new(),
            count: 0,
        }
    }

    /// One event of the venue; what arrives now goes to `sink`.
    pub fn carry(&mut self, event: &Event, sink: &mut impl FnMut(Event)) {
        self.whole.push(*event);
        if !event.is_last() {
            return;
        }
        self.count += 1;
        if self.troubles == Troubles::default() {
            self.whole.drain(..).for_each(sink);
            return;
        }
        if self.random.chance(self.troubles.late) {
            let due = self.count + 1 + self.random.below(8);
            self.late.push_back((due, std::mem::take(&mut self.whole)));
        } else if !self.random.chance(self.troubles.lost) {
            self.whole.iter().copied().for_each(&mut *sink);
            if self.random.chance(self.troubles.doubled) {
                self.whole.iter().copied().for_each(&mut *sink);
            }
        }
        self.whole.clear();
        while let Some((due, _)) = self.late.front() {
            if self.count < *due {
                break;
            }
            let (_, report) = self.late.pop_front().expect("just seen");
            report.into_iter().for_each(&mut *sink);
        }
    }
}
