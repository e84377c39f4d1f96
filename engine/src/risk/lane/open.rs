//! How lanes are opened: how much room there is after the rules have let a new order pass.

use crate::event::{Event, Side};
use crate::money::Money;

use super::super::exposure::{Entry, ORDER_NOTIONAL_CAP, drift};
use super::super::limit_key::{LimitKey, UNLIMITED};
use super::super::multiple::Multiple;
use super::super::usage::{Of, Tracker};
use super::super::{Gate, RiskState};
use super::band::{Band, NOTHING};
use super::{
    AccountRoom, Fixed, InstrumentRoom, Lane, Lanes, PairRoom, Quiet, ROOM_SHIFT, RowRoom, only_if,
};

impl Lanes {
    pub(in super::super) fn new(instrument_count: usize, strategy_count: usize) -> Lanes {
        let quiet = Quiet { open_count: [0; 2], rate_count: [0; 2] };
        let account = AccountRoom {
            opened: 0,
            worth: 0,
            open_count_max: 0,
            order_count_max: 0,
            notional_max: Money::ZERO,
            batch_notional_max: Money::ZERO,
            duplicate_count_max: 0,
            is_self_match_refused: true,
            is_message_limited: true,
            quiet,
        };
        let row = RowRoom { opened: 0, worth: 0, open_count_max: 0, is_rate_limited: true };
        let pair = PairRoom { opened: 0, quantity: [0; 2], worth: [0; 2] };
        Lanes {
            opened: 1,
            account,
            instruments: vec![Lane::shut(); instrument_count].into_boxed_slice(),
            rows: vec![row; strategy_count].into_boxed_slice(),
            pairs: vec![pair; strategy_count * instrument_count].into_boxed_slice(),
            #[cfg(test)]
            is_off: false,
            #[cfg(test)]
            passed_count: 0,
        }
    }

    /// Other limits: lanes are closed, and what follows from limits is worked out anew.
    pub(in super::super) fn limits_changed(&mut self) {
        self.close();
        for lane in &mut self.instruments {
            lane.fixed.marks = NOTHING;
        }
    }
}

impl Lane {
    fn shut() -> Lane {
        let fixed = Fixed {
            marks: NOTHING,
            band: Band::NONE,
            products: NOTHING,
            quantity_max: 0,
            unit: 0,
            tick: Multiple::new(1),
            lot: Multiple::new(1),
            reference_age_ns_max: 0,
        };
        let room = InstrumentRoom { open_ns: [0; 2], quantity: [0; 2], worth: [0; 2] };
        Lane { opened: 0, room, fixed }
    }
}

/// Below which usage nothing is told; `None` when a threshold is passed already, and could be left.
fn quiet_below(tracker: Option<&Tracker>) -> Option<i128> {
    let Some(tracker) = tracker else { return Some(i128::MAX) };
    let (rise_at, fall_below) = tracker.bounds();
    if fall_below == i128::MIN { Some(rise_at) } else { None }
}

/// Counts at which nothing is told: from the first, and up to the second.
pub(in super::super) fn quiet_counts(tracker: &Tracker) -> [usize; 2] {
    let (rise_at, fall_below) = tracker.bounds();
    [fall_below.max(0), rise_at.max(0)].map(|count| usize::try_from(count).unwrap_or(usize::MAX))
}

/// What is left of a limit when `used` of it may drift by as much as `gross` can, in units of room. Less than is left:
/// no threshold that is as large as the limit is reached either.
fn room(limit: i128, used: i128, gross: i128) -> i64 {
    narrow(limit.saturating_sub(used).saturating_sub(drift(gross)) >> ROOM_SHIFT)
}

fn narrow(value: i128) -> i64 {
    super::super::judge::clamped(value)
}

/// Rooms of each side of an instrument within a limit; `None` when nobody can tell what they are worth.
fn side_rooms(limit: i128, entry: &Entry) -> Option<[i64; 2]> {
    let gross = entry.worth.gross();
    only_if(gross != Money::MAX)?;
    Some(entry.worth.sides.map(|side| room(limit, side.0, gross.0)))
}

/// How much quantity a side may take on while every order adds no more than what it is worth itself.
///
/// Orders that a position on the other side covers count for nothing, and all of them at once as soon as it covers
/// them no more. What they are worth then is the notional of all of them less the position's value: no more than
/// what the new ones are worth, if the old ones are worth less than the position, wherever the mark drifts.
pub(in super::super) fn own_room(entry: &Entry, side: Side) -> i64 {
    let (reach, working) = (entry.reach(side, 0), entry.working_notional[side.index()]);
    let value = entry.worth.value().map_or(0, i128::abs);
    let is_own = 0 < reach || working == 0 || working <= value - drift(value);
    if is_own { i64::MAX } else { narrow(-reach) }
}

impl Gate {
    /// Works out how much room is left after the rules have let a new order pass. Everything has just been valued,
    /// but for that order.
    pub(in super::super) fn open_lane(&mut self, event: &Event) {
        let (row, index) = (usize::from(event.source), usize::from(event.instrument));
        if self.strategy_count <= row {
            return self.lanes.close();
        }
        if !self.sheet.anchor() {
            self.lanes.close();
        }
        let pair = self.lanes.pair_index(row, event.instrument);
        self.lanes.account.opened = 0;
        self.lanes.rows[row].opened = 0;
        self.lanes.pairs[pair].opened = 0;
        self.lanes.instruments[index].opened = 0;
        let is_open = self.state == RiskState::Active
            && self.locked_venues == 0
            && self.breakers.are_normal();
        if !is_open {
            return;
        }
        let mark_twice = self.sheet.get(event.instrument).map_or(0, |entry| entry.mark_twice);
        self.sheet.refresh_at(event.instrument, mark_twice);
        if let Some(room) = self.account_room() {
            self.lanes.account = room;
        }
        if self.has_row_limits && self.open_row(event, mark_twice).is_none() {
            return;
        }
        if let Some(room) = self.instrument_room(event)
            && self.settle(event.instrument).is_some()
        {
            let lane = &mut self.lanes.instruments[index];
            (lane.opened, lane.room) = (self.lanes.opened, room);
        }
    }

    /// Room of the account over all instruments.
    fn account_room(&self) -> Option<AccountRoom> {
        let gross = self.sheet.gross_known()?;
        let (account, controls) = (self.limits.account.as_ref()?, &self.limits.controls);
        let mut limit = account.gross_notional_max.0;
        if let Some(capital) = controls.capital {
            // What is lost is no longer there to trade with, and equity drifts as the positions do.
            limit = limit.min(capital.0.saturating_add(self.equity.0).saturating_sub(drift(gross)));
        }
        let quiet = quiet_below(Some(self.usage.account(Of::Gross)))?;
        let [least, most] = quiet_counts(self.usage.account(Of::OrderRate));
        let money = |key| controls.limits.money(key).unwrap_or(Money::MAX);
        Some(AccountRoom {
            opened: self.lanes.opened,
            worth: room(limit.min(quiet), gross, gross),
            open_count_max: usize::try_from(account.orders_open_max).unwrap_or(usize::MAX),
            order_count_max: controls.limits.get(LimitKey::OrdersDaily),
            notional_max: money(LimitKey::NotionalDaily),
            batch_notional_max: money(LimitKey::BatchNotional),
            duplicate_count_max: controls.limits.get(LimitKey::Duplicate),
            is_self_match_refused: controls.self_match,
            is_message_limited: controls.limits.get(LimitKey::MessageRate) != UNLIMITED,
            quiet: Quiet {
                open_count: quiet_counts(self.usage.account(Of::OrdersOpen)),
                rate_count: [least, most.max(1)],
            },
        })
    }

    /// Room of the strategy, in the instrument and over all.
    fn open_row(&mut self, event: &Event, mark_twice: i64) -> Option<()> {
        let row = usize::from(event.source);
        let own = self.rows.get_mut(row)?;
        only_if(own.latch.is_none() && own.may_trade(event.instrument))?;
        // Where strategies hold against each other the account is flat, and nobody follows the mark. Only fills change
        // that, and they close every lane.
        only_if(own.sheet.is_followed_by(&self.sheet))?;
        own.sheet.refresh_at(event.instrument, mark_twice);
        let gross = own.sheet.gross_known()?;
        let limits = &self.limits.controls.strategies.get(row)?.limits;
        let limit_of = |key| limits.money(key).map_or(i128::MAX, |limit: Money| limit.0);
        let loss_room = room(limit_of(LimitKey::StrategyLossDaily), own.loss().0, gross);
        only_if(0 < loss_room)?;
        let entry = own.sheet.get(event.instrument)?;
        let worth = side_rooms(limit_of(LimitKey::StrategyPosition), entry)?;
        let quantity = [Side::Buy, Side::Sell].map(|side| own_room(entry, side));
        let opened = self.lanes.opened;
        let index = self.lanes.pair_index(row, event.instrument);
        self.lanes.pairs[index] = PairRoom { opened, quantity, worth };
        self.lanes.rows[row] = RowRoom {
            opened,
            worth: room(limit_of(LimitKey::StrategyGross), gross, gross),
            open_count_max: limits.get(LimitKey::StrategyOrdersOpen),
            is_rate_limited: limits.get(LimitKey::StrategyOrderRate) != UNLIMITED,
        };
        Some(())
    }

    /// Room of the instrument.
    fn instrument_room(&self, event: &Event) -> Option<InstrumentRoom> {
        let index = usize::from(event.instrument);
        let limits = self.limits.instruments.get(index)?.as_ref()?;
        let controls = self.limits.controls.instruments.get(index)?;
        let entry = self.sheet.get(event.instrument)?;
        only_if(!limits.restricted)?;
        let open_ns = match &controls.hours {
            Some(hours) => [event.time_ns, hours.open_until(event.time_ns)?],
            None => [0, u64::MAX],
        };
        let [of_quantity, of_worth] = self.usage.instrument(index);
        let (quiet_quantity, quiet_worth) = (quiet_below(of_quantity)?, quiet_below(of_worth)?);
        // Usage is told of the worse side, whichever the order is of.
        let quiet_room = side_rooms(quiet_worth, entry)?;
        only_if(0 <= quiet_room[0].min(quiet_room[1]))?;
        let most = limits.position_notional_max.0.min(self.shares.get(index)?.0);
        let worth = side_rooms(most.min(quiet_worth), entry)?;
        let quantity_most = i128::from(limits.position_quantity_max).min(quiet_quantity - 1);
        let short = i128::from(controls.limits.get(LimitKey::Short));
        let room_of = |side, most| narrow(most - entry.reach(side, 0)).min(own_room(entry, side));
        let quantity =
            [room_of(Side::Buy, quantity_most), room_of(Side::Sell, quantity_most.min(short))];
        Some(InstrumentRoom { open_ns, quantity, worth })
    }

    /// Brings up to date what follows from limits and anchor.
    fn settle(&mut self, instrument: u16) -> Option<()> {
        let index = usize::from(instrument);
        let entry = self.sheet.get(instrument)?;
        let fixed = &mut self.lanes.instruments.get_mut(index)?.fixed;
        let marks = entry.marks_near();
        if fixed.marks == marks {
            return Some(());
        }
        let limits = self.limits.instruments.get(index)?.as_ref()?;
        let controls = &self.limits.controls.instruments.get(index)?.limits;
        if fixed.marks == NOTHING {
            let notional_min = self.instruments.get(instrument)?.notional_min.0;
            let notional_max = limits.order_notional_max.0.min(ORDER_NOTIONAL_CAP);
            let unit = i128::from(entry.unit());
            let is_rounded = notional_min.rem_euclid(unit) != 0;
            let least = notional_min.div_euclid(unit) + i128::from(is_rounded);
            fixed.products = [narrow(least), narrow(notional_max.div_euclid(unit))];
            fixed.quantity_max = limits.order_quantity_max;
            fixed.unit = entry.unit();
            [fixed.tick, fixed.lot] = *self.steps.get(index)?;
            fixed.reference_age_ns_max = limits.reference_age_ns_max;
        }
        fixed.band = Band::new(marks, limits, controls);
        fixed.marks = marks;
        Some(())
    }
}
