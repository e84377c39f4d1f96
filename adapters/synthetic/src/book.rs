//! The book of the generated participants: lots by tick, and what changed since the last depth update.

use std::collections::BTreeMap;

use engine::event::Side;

/// Aggregated levels, in ticks and lots.
#[derive(Debug, Default)]
pub(crate) struct LevelBook {
    levels: [BTreeMap<i64, i64>; 2],
    changed: Vec<(Side, i64)>,
}

impl LevelBook {
    pub(crate) fn best(&self, side: Side) -> Option<(i64, i64)> {
        let level = match side {
            Side::Buy => self.levels[0].last_key_value(),
            Side::Sell => self.levels[1].first_key_value(),
        };
        level.map(|(tick, lots)| (*tick, *lots))
    }

    pub(crate) fn worst(&self, side: Side) -> Option<i64> {
        let level = match side {
            Side::Buy => self.levels[0].first_key_value(),
            Side::Sell => self.levels[1].last_key_value(),
        };
        level.map(|(tick, _)| *tick)
    }

    /// Level number `place` from the touch, or the last one.
    pub(crate) fn nth(&self, side: Side, place: usize) -> Option<(i64, i64)> {
        let levels = &self.levels[side.index()];
        let place = place.min(levels.len().checked_sub(1)?);
        let level = match side {
            Side::Buy => levels.iter().nth_back(place),
            Side::Sell => levels.iter().nth(place),
        };
        level.map(|(tick, lots)| (*tick, *lots))
    }

    pub(crate) fn lots(&self, side: Side, tick: i64) -> i64 {
        self.levels[side.index()].get(&tick).copied().unwrap_or(0)
    }

    pub(crate) fn count(&self, side: Side) -> usize {
        self.levels[side.index()].len()
    }

    pub(crate) fn set(&mut self, side: Side, tick: i64, lots: i64) {
        let levels = &mut self.levels[side.index()];
        let old = if lots <= 0 { levels.remove(&tick) } else { levels.insert(tick, lots) };
        let is_same = old.unwrap_or(0) == lots.max(0);
        if !is_same && !self.changed.contains(&(side, tick)) {
            self.changed.push((side, tick));
        }
    }

    /// Levels that changed since the last call of [`LevelBook::forget_changes`].
    pub(crate) fn changes(&self) -> &[(Side, i64)] {
        &self.changed
    }

    pub(crate) fn forget_changes(&mut self) {
        self.changed.clear();
    }

    /// Every level of a side, by rising price.
    pub(crate) fn levels(&self, side: Side) -> impl Iterator<Item = (i64, i64)> {
        self.levels[side.index()].iter().map(|(tick, lots)| (*tick, *lots))
    }
}
