//! Equity, days, the gate's own state, commands: what concerns the whole account.

use crate::event::{
    AnswerCode, BreakerState, CommandCode, Event, Kind, NO_STRATEGY, Scope, Side, TripReason, flags,
};
use crate::instrument::Venue;
use crate::market::Market;
use crate::money::Money;
use crate::ring::Emitter;

use super::change::answer;
use super::exposure::mark_twice;
use super::judge::Refusal;
use super::limit_key::LimitKey;
use super::limits::DAY_NS;
use super::rule::Rule;
use super::usage::{Bound, Of};
use super::{Daily, Gate, RiskState};

/// Equities at which nothing is to be told and nothing to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calm {
    /// Above this.
    above: Money,
    /// Up to this, included.
    up_to: Money,
}

impl Calm {
    /// Somebody must look.
    pub(super) const NEVER: Calm = Calm { above: Money::MAX, up_to: Money(i128::MIN) };

    #[inline(always)]
    pub(super) fn holds(self, equity: Money) -> bool {
        self.above < equity && equity <= self.up_to
    }
}

/// `tag` of the alert that a strategy is latched off: all of its limit is used.
const LATCHED_PERCENT: u32 = 100;

impl Gate {
    /// Values everything at the present marks and starts a new day when it is time.
    #[inline]
    pub(super) fn advance(&mut self, time_ns: u64, market: &Market) {
        self.sheet.refresh(|instrument| mark_twice(market.get(instrument)));
        self.equity = self.sheet.equity();
        self.valued(time_ns, market);
    }

    /// The same without working out what instruments are worth; `None` when that must be done.
    #[inline(always)]
    pub(super) fn advance_near(&mut self, time_ns: u64, market: &Market) -> Option<()> {
        let equity = self.sheet.equity_near(market)?;
        self.equity = Money(equity);
        self.valued(time_ns, market);
        Some(())
    }

    #[inline(always)]
    fn valued(&mut self, time_ns: u64, market: &Market) {
        if self.day_until_ns <= time_ns {
            self.look_at_day(time_ns, market);
        }
        if self.equity_peak < self.equity {
            self.equity_peak = self.equity;
            self.calm = Calm::NEVER;
        }
    }

    /// Begins a new day, unless time has only run backwards.
    #[cold]
    fn look_at_day(&mut self, time_ns: u64, market: &Market) {
        let start_ns = self.limits.account.as_ref().map_or(0, |account| account.day_start_ns_utc);
        let day = time_ns.checked_sub(start_ns).map_or(0, |since_ns| since_ns / DAY_NS + 1);
        if self.day.is_none_or(|today| today < day) {
            self.begin_day(day, market);
        }
        let today = self.day.unwrap_or(0);
        self.day_until_ns = today.saturating_mul(DAY_NS).saturating_add(start_ns);
    }

    fn begin_day(&mut self, day: u64, market: &Market) {
        self.day = Some(day);
        self.calm = Calm::NEVER;
        self.lanes.close();
        self.equity_baseline = self.equity;
        self.daily = Daily::default();
        for row in 0..self.rows.len() {
            self.refresh_row(row, market);
            self.rows[row].baseline = self.rows[row].sheet.equity();
        }
    }

    /// Values what a strategy has. Not at the marks of the account's sheet: the account may be flat where two
    /// strategies are not.
    #[inline]
    pub(super) fn refresh_row(&mut self, row: usize, market: &Market) {
        self.rows[row].sheet.refresh(|instrument| mark_twice(market.get(instrument)));
    }

    /// A strategy's own daily loss; what is reached latches it off.
    pub(super) fn watch_row(&mut self, row: usize, market: &Market, out: &mut Emitter<'_>) {
        let Some(own) = self.limits.controls.strategies.get(row) else { return };
        let Some(limit) = own.limits.money(LimitKey::StrategyLossDaily) else { return };
        self.refresh_row(row, market);
        let loss = self.rows[row].loss();
        if limit <= loss {
            self.latch(row, Refusal::money(Rule::StrategyLossDaily, loss, limit), out);
        }
    }

    pub(super) fn watch_rows(&mut self, market: &Market, out: &mut Emitter<'_>) {
        if self.has_row_limits {
            for row in 0..self.strategy_count {
                self.watch_row(row, market, out);
            }
        }
    }

    /// A strategy may not trade until a person has looked. Told once; the first reason stays.
    pub(super) fn latch(&mut self, row: usize, why: Refusal, out: &mut Emitter<'_>) {
        if self.rows[row].latch.is_some() || row == self.strategy_count {
            return;
        }
        self.rows[row].latch = Some(why.rule);
        self.lanes.close();
        let mut event = Event::new(Kind::ALERT);
        event.code = why.rule.code();
        event.source = u16::try_from(row).unwrap_or(NO_STRATEGY);
        (event.price, event.quantity) = (why.measured, why.limit);
        event.tag = LATCHED_PERCENT;
        event.flags = flags::LAST;
        out.emit(event);
    }

    /// A person enables a strategy: its latch is off, what it did before does not count again.
    fn enable(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        let row = usize::try_from(event.tag).unwrap_or(usize::MAX);
        if event.source == 0 || self.strategy_count <= row {
            return;
        }
        self.refresh_row(row, market);
        let own = &mut self.rows[row];
        let Some(latch) = own.latch.take() else { return };
        own.executions.clear();
        if latch == Rule::StrategyLossDaily {
            own.baseline = own.sheet.equity();
        }
        let to = (event.id, CommandCode::StrategyEnable, event.source, event.tag);
        answer(to, AnswerCode::Done, i64::from(latch.code()), out);
    }

    /// Tells how much of every limit is used, also what has become less.
    pub(super) fn watch_usage(&mut self, time_ns: u64, out: &mut Emitter<'_>) {
        if !self.usage.is_on() {
            return;
        }
        let mut gross = Money::ZERO;
        for (instrument, entry) in (0..).zip(self.sheet.entries()) {
            let worth = entry.worth.gross();
            gross = gross.plus(worth);
            let reach = entry.reach(Side::Buy, 0).max(entry.reach(Side::Sell, 0));
            self.usage.see_instrument(instrument, [reach, worth.0], out);
        }
        self.usage.see(Of::Gross, gross.0, out);
        let open_count = i128::try_from(self.orders.count()).unwrap_or(i128::MAX);
        self.usage.see(Of::OrdersOpen, open_count, out);
        self.watch_rate(time_ns, out);
    }

    /// The rate is counted only when a threshold is passed or left.
    pub(super) fn watch_rate(&mut self, time_ns: u64, out: &mut Emitter<'_>) {
        let (rise_at, fall_below) = self.usage.account(Of::OrderRate).bounds();
        let reaches = |count: i128| {
            usize::try_from(count.max(1)).is_ok_and(|count| self.rate.reaches(count, time_ns))
        };
        if (rise_at != i128::MAX && reaches(rise_at)) || (1 <= fall_below && !reaches(fall_below)) {
            let measured = i128::try_from(self.rate.count_at(time_ns)).unwrap_or(i128::MAX);
            self.usage.see(Of::OrderRate, measured, out);
        }
    }

    /// Compares equity with the limits of the account. The gate only ever becomes stricter here.
    #[inline(always)]
    pub(super) fn watch(&mut self, out: &mut Emitter<'_>) {
        if !self.calm.holds(self.equity) {
            self.watch_closely(out);
            self.calm = self.calm_now();
        }
    }

    /// Between which equities nothing happens, as long as peak, baseline, limits and thresholds stay.
    fn calm_now(&self) -> Calm {
        let Some(account) = &self.limits.account else { return Calm::NEVER };
        let (peak, baseline) = (self.equity_peak, self.equity_baseline);
        let above = peak.minus(account.drawdown_max).max(baseline.minus(account.loss_daily_max));
        let mut calm = Calm { above, up_to: Money::MAX };
        for (of, from) in [(Of::LossDaily, baseline), (Of::Drawdown, peak)] {
            let (rise_at, fall_below) = self.usage.account(of).bounds();
            calm.above = calm.above.max(from.minus(Money(rise_at)));
            calm.up_to = calm.up_to.min(from.minus(Money(fall_below)));
        }
        calm
    }

    #[cold]
    #[inline(never)]
    fn watch_closely(&mut self, out: &mut Emitter<'_>) {
        if self.usage.is_on() {
            let (peak, baseline) = (self.equity_peak, self.equity_baseline);
            self.usage.see(Of::LossDaily, baseline.minus(self.equity).0, out);
            self.usage.see(Of::Drawdown, peak.minus(self.equity).0, out);
        }
        if let Some(breach) = self.drawdown_breach()
            && !self.drawdown_latched
        {
            self.drawdown_latched = true;
            self.tighten(RiskState::Halted, breach, out);
        }
        if let Some(breach) = self.loss_breach() {
            self.tighten(RiskState::Reducing, breach, out);
        }
    }

    fn drawdown_breach(&self) -> Option<Refusal> {
        let limit = self.limits.account.as_ref()?.drawdown_max;
        let fall = self.equity_peak.minus(self.equity);
        (limit <= fall).then(|| Refusal::money(Rule::Drawdown, fall, limit))
    }

    fn loss_breach(&self) -> Option<Refusal> {
        let limit = self.limits.account.as_ref()?.loss_daily_max;
        let loss = self.equity_baseline.minus(self.equity);
        (limit <= loss).then(|| Refusal::money(Rule::LossDaily, loss, limit))
    }

    fn tighten(&mut self, state: RiskState, breach: Refusal, out: &mut Emitter<'_>) {
        if self.state < state {
            self.state = state;
            self.lanes.close();
            self.tell_state(u32::from(breach.rule.code()), breach.measured, breach.limit, out);
        }
    }

    fn tell_state(&self, tag: u32, measured: i64, limit: i64, out: &mut Emitter<'_>) {
        let mut event = Event::new(Kind::RISK_STATE);
        event.code = self.state.code();
        event.price = measured;
        event.quantity = limit;
        event.tag = tag;
        event.flags = flags::LAST;
        out.emit(event);
    }

    /// More live orders than the tables were made for: nothing may be added until somebody has looked.
    pub(super) fn halt_without_room(&mut self, out: &mut Emitter<'_>) {
        let limit = i64::try_from(self.orders.slot_count()).unwrap_or(i64::MAX);
        let breach = Refusal { rule: Rule::OrdersOpen, measured: limit.saturating_add(1), limit };
        self.tighten(RiskState::Halted, breach, out);
    }

    pub(super) fn command(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        self.release_unbound();
        self.advance(event.time_ns, market);
        self.watch(out);
        let wanted = match CommandCode::from_code(event.code) {
            Some(CommandCode::Halt | CommandCode::ThreadDead) => RiskState::Halted,
            Some(CommandCode::Reduce) => RiskState::Reducing,
            Some(CommandCode::Resume) => {
                if let Some(breach) = self.drawdown_breach().or_else(|| self.loss_breach()) {
                    let mut command = Event::new(Kind::COMMAND);
                    command.tag = u32::from(event.code);
                    command.flags = flags::LAST;
                    self.refuse(&command, breach, out);
                    return;
                }
                self.drawdown_latched = false;
                RiskState::Active
            }
            Some(CommandCode::StrategyEnable) => return self.enable(event, market, out),
            Some(CommandCode::LimitSet) => return self.limit_set(event, out),
            Some(CommandCode::Confirm) => return self.confirm(event, out),
            Some(
                CommandCode::CancelAll
                | CommandCode::StrategyDisable
                | CommandCode::Stop
                | CommandCode::AcceptBalances
                | CommandCode::Kill
                | CommandCode::Trip
                | CommandCode::Approve
                | CommandCode::Rearm
                | CommandCode::Pause
                | CommandCode::Continue
                | CommandCode::OrderNew
                | CommandCode::OrderCancel
                | CommandCode::Flatten
                | CommandCode::Acknowledge
                | CommandCode::Alive,
            )
            | None => return,
        };
        if self.state != wanted {
            self.state = wanted;
            self.tell_state(u32::from(event.code), 0, 0, out);
        }
    }

    /// A breaker tripped or recovered. When the whole engine is normal again, by an approval or a rearm,
    /// so is the gate; a limit that is still breached tightens it again at once.
    pub(super) fn breaker(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        self.breakers.follow(event);
        let is_normal = u16::from(event.code.to_le_bytes()[0]) == BreakerState::Normal.code();
        let is_all = Scope::from_tag(event.tag) == Some(Scope::All);
        let by = match TripReason::from_code(event.source) {
            Some(TripReason::Recovered) => CommandCode::Approve,
            Some(TripReason::Rearmed) => CommandCode::Rearm,
            Some(_) | None => return,
        };
        if !is_normal || !is_all {
            return;
        }
        self.advance(event.time_ns, market);
        if by == CommandCode::Rearm && event.quantity == 1 {
            self.equity_peak = self.equity;
            self.calm = Calm::NEVER;
        }
        self.drawdown_latched = false;
        if self.state != RiskState::Active {
            self.state = RiskState::Active;
            self.tell_state(u32::from(by as u16), 0, 0, out);
        }
        self.watch(out);
    }

    /// Takes over limits that were changed.
    pub(super) fn limits_changed(&mut self) {
        self.calm = Calm::NEVER;
        self.lanes.limits_changed();
        for (index, share) in self.shares.iter_mut().enumerate() {
            *share = self.limits.controls.share_max(index);
        }
        let count = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
        let controls = &self.limits.controls;
        self.messages.set_count_max(count(controls.limits.get(LimitKey::MessageRate)));
        for (row, own) in self.rows.iter_mut().zip(&controls.strategies) {
            row.rate.set_count_max(count(own.limits.get(LimitKey::StrategyOrderRate)));
            row.executions.set_count_max(count(own.limits.get(LimitKey::StrategyExecutions)));
        }
        for (index, own) in self.limits.instruments.iter().enumerate() {
            let Some(own) = own else { continue };
            let soft = |key| controls.instruments.get(index).and_then(|own| own.soft.get(key));
            let bounds = [
                bound(i128::from(own.position_quantity_max), soft(LimitKey::PositionQuantity)),
                bound(own.position_notional_max.0, soft(LimitKey::PositionNotional)),
            ];
            self.usage.set_instrument(index, bounds);
        }
        let Some(account) = &self.limits.account else { return };
        self.rate.set_count_max(account.order_rate_count_max);
        for of in Of::ALL {
            let (limit, key) = match of {
                Of::Gross => (account.gross_notional_max.0, LimitKey::GrossNotional),
                Of::LossDaily => (account.loss_daily_max.0, LimitKey::LossDaily),
                Of::Drawdown => (account.drawdown_max.0, LimitKey::Drawdown),
                Of::OrdersOpen => (i128::from(account.orders_open_max), LimitKey::OrdersOpen),
                Of::OrderRate => (i128::from(account.order_rate_count_max), LimitKey::OrderRate),
            };
            self.usage.set_account(of, bound(limit, controls.soft.get(key)));
        }
    }

    /// A venue is locked or unlocked; the reconciler knows why.
    pub(super) fn lock(&mut self, event: &Event) {
        let Some(venue) = u8::try_from(event.tag).ok().and_then(Venue::from_code) else { return };
        let bit = 1 << venue.index();
        if event.code == 0 {
            self.locked_venues &= !bit;
        } else {
            self.locked_venues |= bit;
        }
    }
}

/// A limit with its own soft limit, both in the unit that usage is measured in.
fn bound(limit: i128, soft: Option<i128>) -> Bound {
    Bound { limit, soft: soft.unwrap_or(i128::MAX) }
}
