//! How much of each limit is used: warnings before the limit refuses. A warning changes no verdict.
//!
//! A threshold is told once, and again only after usage has fallen ten points below it. A limit may have a soft limit
//! of its own, an amount instead of a part; then the part that is soft for all is not told of it.

use crate::event::{Event, Kind, NO_INSTRUMENT, flags};
use crate::money::Money;
use crate::ring::Emitter;
use crate::state::{LoadError, Loader, Saver, State, mix};

use super::rule::{Rule, Unit};

/// Percent of the limit at which it is told.
const PERCENTS: [u8; 4] = [50, 75, 90, 100];
/// How far usage must fall below a threshold before it is told again.
const BACK_POINTS: u8 = 10;
const THRESHOLD_COUNT_MAX: usize = PERCENTS.len() + 1;

/// Percent of the limit, and the tag that tells it: 0 for the soft limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Threshold {
    percent: u8,
    tag: u8,
}

/// Usage of one limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tracker {
    rule: Rule,
    limit: i128,
    /// A soft limit of its own; beyond every amount when there is none.
    soft: i128,
    /// It was passed.
    is_soft_told: bool,
    /// How many thresholds were passed.
    level: usize,
    /// From here on the next threshold is passed.
    rise_at: i128,
    /// Below this the last one is open again.
    fall_below: i128,
}

impl Tracker {
    fn new(rule: Rule) -> Tracker {
        Tracker {
            rule,
            limit: 0,
            soft: i128::MAX,
            is_soft_told: false,
            level: 0,
            rise_at: i128::MAX,
            fall_below: i128::MIN,
        }
    }

    const fn has_soft(&self) -> bool {
        self.soft != i128::MAX
    }

    /// Where the soft limit of its own is passed next, and below which it is open again.
    fn soft_bounds(&self) -> (i128, i128) {
        match (self.has_soft(), self.is_soft_told) {
            (false, _) => (i128::MAX, i128::MIN),
            (true, false) => (self.soft, i128::MIN),
            (true, true) => (i128::MAX, part_of(self.soft, 100 - BACK_POINTS)),
        }
    }

    /// Whether that much usage passes a threshold or leaves one.
    #[inline]
    pub(super) fn is_due(&self, measured: i128) -> bool {
        self.rise_at <= measured || measured < self.fall_below
    }

    /// The same under another limit. A soft limit that was not there before is not told yet.
    const fn under(self, Bound { limit, soft }: Bound) -> Tracker {
        let is_soft_told = self.is_soft_told && soft != i128::MAX;
        Tracker { limit, soft, is_soft_told, ..self }
    }

    /// Usage from which the next threshold is passed, and below which the last one is open again.
    pub(super) fn bounds(&self) -> (i128, i128) {
        (self.rise_at, self.fall_below)
    }
}

/// The first amount that is that much of the limit.
fn part_of(limit: i128, percent: u8) -> i128 {
    let part = limit.saturating_mul(i128::from(percent));
    part.div_euclid(100) + i128::from(part.rem_euclid(100) != 0)
}

/// A limit and its own soft limit, as they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) limit: i128,
    /// Beyond every amount when there is none.
    pub(super) soft: i128,
}

/// Which limit of the account a tracker follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Gross = 0,
    LossDaily = 1,
    Drawdown = 2,
    OrdersOpen = 3,
    OrderRate = 4,
}

impl Of {
    pub(super) const ALL: [Of; 5] =
        [Of::Gross, Of::LossDaily, Of::Drawdown, Of::OrdersOpen, Of::OrderRate];

    const fn rule(self) -> Rule {
        match self {
            Of::Gross => Rule::GrossNotional,
            Of::LossDaily => Rule::LossDaily,
            Of::Drawdown => Rule::Drawdown,
            Of::OrdersOpen => Rule::OrdersOpen,
            Of::OrderRate => Rule::OrderRate,
        }
    }
}

/// Trackers of the account and of every instrument.
#[derive(Debug)]
pub(super) struct Usage {
    thresholds: [Threshold; THRESHOLD_COUNT_MAX],
    /// 0 when usage is not told at all.
    threshold_count: usize,
    account: [Tracker; Of::ALL.len()],
    /// Position in quantity and in money.
    instruments: Box<[[Tracker; 2]]>,
}

impl Usage {
    pub(super) fn new(is_on: bool, soft_percent: Option<u8>, instrument_count: usize) -> Usage {
        let mut thresholds = [Threshold { percent: 0, tag: 0 }; THRESHOLD_COUNT_MAX];
        let mut threshold_count = 0;
        let told = PERCENTS.iter().map(|percent| Threshold { percent: *percent, tag: *percent });
        let soft = soft_percent.map(|percent| Threshold { percent, tag: 0 });
        for threshold in told.chain(soft).filter(|_| is_on) {
            thresholds[threshold_count] = threshold;
            threshold_count += 1;
        }
        thresholds[..threshold_count].sort_by_key(|threshold| threshold.percent);
        let own = [Tracker::new(Rule::PositionQuantity), Tracker::new(Rule::PositionNotional)];
        Usage {
            thresholds,
            threshold_count,
            account: Of::ALL.map(|of| Tracker::new(of.rule())),
            instruments: vec![own; if is_on { instrument_count } else { 0 }].into_boxed_slice(),
        }
    }

    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.threshold_count != 0
    }

    pub(super) fn account(&self, of: Of) -> &Tracker {
        &self.account[of as usize]
    }

    /// Position of an instrument in quantity and in money; `None` when usage is not told.
    pub(super) fn instrument(&self, index: usize) -> [Option<&Tracker>; 2] {
        match self.instruments.get(index) {
            Some([quantity, worth]) => [Some(quantity), Some(worth)],
            None => [None, None],
        }
    }

    /// The limits as they are now.
    pub(super) fn set_account(&mut self, of: Of, bound: Bound) {
        let tracker = self.account[of as usize];
        self.account[of as usize] = self.bounded(tracker.under(bound));
    }

    /// The limits of an instrument as they are now: quantity and money.
    pub(super) fn set_instrument(&mut self, index: usize, bounds: [Bound; 2]) {
        for (which, bound) in bounds.into_iter().enumerate() {
            let Some(own) = self.instruments.get(index) else { return };
            self.instruments[index][which] = self.bounded(own[which].under(bound));
        }
    }

    /// Where the tracker's thresholds are.
    fn bounded(&self, tracker: Tracker) -> Tracker {
        let told = &self.thresholds[..self.threshold_count];
        let at = |threshold: &Threshold| part_of(tracker.limit, threshold.percent);
        let (soft_at, soft_below) =
            if self.is_on() { tracker.soft_bounds() } else { (i128::MAX, i128::MIN) };
        let rise_at = told.get(tracker.level).map_or(i128::MAX, at).min(soft_at);
        let fall_below = match tracker.level.checked_sub(1).and_then(|last| told.get(last)) {
            Some(last) => part_of(tracker.limit, last.percent.saturating_sub(BACK_POINTS)),
            None => i128::MIN,
        };
        Tracker { rise_at, fall_below: fall_below.max(soft_below), ..tracker }
    }

    /// Takes usage of a limit of the account.
    #[inline]
    pub(super) fn see(&mut self, of: Of, measured: i128, out: &mut Emitter<'_>) {
        let tracker = self.account[of as usize];
        if tracker.is_due(measured) {
            self.account[of as usize] = self.moved(tracker, measured, NO_INSTRUMENT, out);
        }
    }

    /// Takes the position of an instrument, in quantity and in money.
    #[inline]
    pub(super) fn see_instrument(
        &mut self,
        instrument: u16,
        measured: [i128; 2],
        out: &mut Emitter<'_>,
    ) {
        let index = usize::from(instrument);
        for (which, measured) in measured.into_iter().enumerate() {
            let Some(tracker) = self.instruments.get(index).map(|own| own[which]) else { return };
            if tracker.is_due(measured) {
                self.instruments[index][which] = self.moved(tracker, measured, instrument, out);
            }
        }
    }

    /// Passes and leaves thresholds; tells the highest one passed, and the soft limit if it was among them.
    #[cold]
    fn moved(
        &self,
        tracker: Tracker,
        measured: i128,
        instrument: u16,
        out: &mut Emitter<'_>,
    ) -> Tracker {
        let mut tracker = tracker;
        if tracker.soft_bounds().0 <= measured {
            tracker.is_soft_told = true;
            tell(&tracker, measured, 0, instrument, out);
        } else if measured < tracker.soft_bounds().1 {
            tracker.is_soft_told = false;
        }
        let from = tracker.level;
        let told = &self.thresholds[..self.threshold_count];
        let limit = tracker.limit;
        // What nobody can tell is more than every threshold.
        while let Some(next) = told.get(tracker.level)
            && part_of(limit, next.percent) <= measured
        {
            tracker.level += 1;
        }
        let passed = &told[from..tracker.level];
        let highest = passed.iter().rposition(|threshold| threshold.tag != 0);
        for (place, threshold) in passed.iter().enumerate() {
            let is_soft = threshold.tag == 0 && !tracker.has_soft();
            if is_soft || Some(place) == highest {
                tell(&tracker, measured, threshold.tag, instrument, out);
            }
        }
        while let Some(last) = tracker.level.checked_sub(1).and_then(|last| told.get(last))
            && measured < part_of(limit, last.percent.saturating_sub(BACK_POINTS))
        {
            tracker.level -= 1;
        }
        self.bounded(tracker)
    }

    fn every(&self) -> impl Iterator<Item = &Tracker> {
        self.account.iter().chain(self.instruments.iter().flatten())
    }

    /// `hash` as it is when usage is not told.
    pub(super) fn mix_into(&self, hash: u64) -> u64 {
        if !self.is_on() {
            return hash;
        }
        self.every().fold(hash, |hash, tracker| mix(hash, u64::from(level_code(tracker))))
    }
}

/// Bit of a saved level: the soft limit of its own was told.
const SOFT_TOLD: u8 = 1 << 7;

fn level_code(tracker: &Tracker) -> u8 {
    let level = u8::try_from(tracker.level).unwrap_or(u8::MAX >> 1);
    if tracker.is_soft_told { level | SOFT_TOLD } else { level }
}

/// A number in the unit of a rule, as events carry it.
fn in_unit(rule: Rule, value: i128) -> i64 {
    if rule.unit() == Unit::Money { Money(value).to_event() } else { super::judge::clamped(value) }
}

fn tell(tracker: &Tracker, measured: i128, tag: u8, instrument: u16, out: &mut Emitter<'_>) {
    let mut event = Event::new(Kind::ALERT);
    event.code = tracker.rule.code();
    event.price = in_unit(tracker.rule, measured);
    event.quantity = in_unit(tracker.rule, tracker.limit);
    event.tag = u32::from(tag);
    event.instrument = instrument;
    event.flags = flags::LAST;
    out.emit(event);
}

impl State for Usage {
    fn save(&self, out: &mut Saver) {
        out.count(self.threshold_count);
        out.count(self.instruments.len());
        for tracker in self.every() {
            out.u8(level_code(tracker));
        }
    }

    /// Levels of other thresholds are of no use: they are told anew. Bounds are set with the limits.
    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        let threshold_count = from.count(THRESHOLD_COUNT_MAX)?;
        let instrument_count = from.count(usize::from(u16::MAX))?;
        let is_same = threshold_count == self.threshold_count;
        let take = |tracker: &mut Tracker, code: u8| {
            let level = usize::from(code & !SOFT_TOLD).min(threshold_count);
            tracker.level = if is_same { level } else { 0 };
            tracker.is_soft_told = code & SOFT_TOLD != 0 && tracker.has_soft();
        };
        let mut codes = [0; Of::ALL.len()];
        for code in &mut codes {
            *code = from.u8()?;
        }
        for (tracker, code) in self.account.iter_mut().zip(codes) {
            take(tracker, code);
        }
        for index in 0..instrument_count {
            for which in 0..2 {
                let code = from.u8()?;
                if let Some(own) = self.instruments.get_mut(index) {
                    take(&mut own[which], code);
                }
            }
        }
        Ok(())
    }
}
