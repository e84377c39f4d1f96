//! The guard against informed flow: counts toxic events, forgets them, says when to step aside.
//!
//! A point is given for a public trade well beyond the touch (somebody swept the book) and for a fill of
//! ours after which the mid went against us. Points halve every half-life. Whole points widen; enough
//! of them pull the quotes for a fixed time.

use engine::event::Side;
use engine::market::Top;
use engine::state::{LoadError, Loader, Saver, State};

use crate::numeric::decay::Decay;
use crate::numeric::quantise::QuantiseError;

use super::config::MarketMakerConfig;

/// Fraction bits of points.
pub(super) const POINT_BITS: u32 = 20;
/// Fills that may wait for their verdict; the oldest is overwritten. Arbitrary.
const MARK_COUNT: usize = 16;
const SCORE_MAX: i128 = 1 << 40;

/// Cause of a point, first value of the `toxic` signal.
pub(super) const CAUSE_THROUGH: i64 = 1;
/// Cause of a point: the mid moved against a fill.
pub(super) const CAUSE_MARKOUT: i64 = 2;

/// A fill that waits for its verdict; `due_ns` 0 is an empty place.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    due_ns: u64,
    sell: bool,
    price: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Toxicity {
    decay: Decay,
    through: i64,
    markout_ns: u64,
    markout_twice: i64,
    pull_score: i128,
    pull_ns: u64,
    score: i128,
    anchor_ns: u64,
    pull_until_ns: u64,
    marks: [Mark; MARK_COUNT],
    mark_next: usize,
    /// Places in use, so that the usual case costs one comparison.
    mark_count: usize,
}

impl Toxicity {
    pub(super) fn new(config: &MarketMakerConfig, tick: i64) -> Result<Toxicity, QuantiseError> {
        Ok(Toxicity {
            decay: Decay::new(config.toxic_half_life_ns)?,
            through: config.through_ticks.saturating_mul(tick),
            markout_ns: config.markout_ns,
            markout_twice: config.markout_ticks.saturating_mul(tick).saturating_mul(2),
            pull_score: i128::from(config.toxic_pull_points) << POINT_BITS,
            pull_ns: config.toxic_pull_ns,
            score: 0,
            anchor_ns: 0,
            pull_until_ns: 0,
            marks: [Mark::default(); MARK_COUNT],
            mark_next: 0,
            mark_count: 0,
        })
    }

    /// Forgets what time has taken.
    #[inline]
    pub(super) fn pass(&mut self, now_ns: u64) {
        let steps = self.decay.steps(&mut self.anchor_ns, now_ns);
        self.score = self.decay.apply(self.score, steps);
    }

    /// Whole points remembered.
    #[inline]
    pub(super) fn points(&self) -> i64 {
        i64::try_from(self.score >> POINT_BITS).expect("bounded")
    }

    pub(super) fn score(&self) -> i64 {
        i64::try_from(self.score).expect("bounded")
    }

    #[inline]
    pub(super) fn is_pulled(&self, now_ns: u64) -> bool {
        now_ns < self.pull_until_ns
    }

    /// A public trade; `top` is what was known before it. Returns whether it was toxic.
    pub(super) fn on_trade(&mut self, now_ns: u64, price: i64, aggressor: Side, top: &Top) -> bool {
        let beyond = match aggressor {
            Side::Buy if 0 < top.ask_quantity => price.saturating_sub(top.ask_price),
            Side::Sell if 0 < top.bid_quantity => top.bid_price.saturating_sub(price),
            Side::Buy | Side::Sell => return false,
        };
        let toxic = self.through <= beyond;
        if toxic {
            self.point(now_ns);
        }
        toxic
    }

    pub(super) fn on_fill(&mut self, now_ns: u64, side: Side, price: i64) {
        let mark = &mut self.marks[self.mark_next];
        if mark.due_ns == 0 {
            self.mark_count += 1;
        }
        let due_ns = now_ns.saturating_add(self.markout_ns).max(1);
        *mark = Mark { due_ns, sell: side == Side::Sell, price };
        self.mark_next = (self.mark_next + 1) % MARK_COUNT;
    }

    /// Judges the fills whose time has come; returns the price of the last toxic one.
    #[inline]
    pub(super) fn on_mid(&mut self, now_ns: u64, mid_twice: i64) -> Option<i64> {
        if self.mark_count == 0 {
            return None;
        }
        let mut toxic = None;
        for index in 0..MARK_COUNT {
            let mark = self.marks[index];
            if mark.due_ns == 0 || now_ns < mark.due_ns {
                continue;
            }
            self.marks[index] = Mark::default();
            self.mark_count -= 1;
            let gain_twice = mid_twice.saturating_sub(mark.price.saturating_mul(2));
            let loss_twice = if mark.sell { gain_twice } else { gain_twice.saturating_neg() };
            if self.markout_twice <= loss_twice {
                self.point(now_ns);
                toxic = Some(mark.price);
            }
        }
        toxic
    }

    fn point(&mut self, now_ns: u64) {
        self.score = (self.score + (1 << POINT_BITS)).min(SCORE_MAX);
        if self.pull_score <= self.score {
            self.pull_until_ns = now_ns.saturating_add(self.pull_ns);
        }
    }
}

impl State for Toxicity {
    fn save(&self, out: &mut Saver) {
        out.i128(self.score);
        out.u64(self.anchor_ns);
        out.u64(self.pull_until_ns);
        out.count(self.mark_next);
        for mark in &self.marks {
            out.u64(mark.due_ns);
            out.bool(mark.sell);
            out.i64(mark.price);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.score = from.i128()?;
        if !(0..=SCORE_MAX).contains(&self.score) {
            return Err(from.invalid("toxicity score"));
        }
        self.anchor_ns = from.u64()?;
        self.pull_until_ns = from.u64()?;
        self.mark_next = from.count(MARK_COUNT - 1)?;
        for mark in &mut self.marks {
            *mark = Mark { due_ns: from.u64()?, sell: from.bool()?, price: from.i64()? };
        }
        self.mark_count = self.marks.iter().filter(|mark| mark.due_ns != 0).count();
        Ok(())
    }
}
