//! Stage 3, risk: the last stage that may say no, integers only.
//!
//! ```text
//!   strategy --intent, intent cancel, intent replace--> [ risk ] --approved .., refused--> oms
//!   oms      --order, fill, fee------------------------>        --risk state-----------> journal
//! ```
//!
//! **Invariant:** a refusal is an event, not an error: rule, measured value and limit are journaled.
//!
//! **Invariant:** the gate owns its numbers. It never asks the OMS or the ledger a question.
//!
//! **Invariant:** headroom is reserved by the approval itself, so two intents never share it, and it is
//! given back only by an order event that says so. If every working order fills, no limit is exceeded.
//!
//! **Invariant:** a cancel is never refused, in no state, for no reason.
//!
//! ```text
//!              daily loss, Reduce                 drawdown, Halt, ThreadDead
//!   [ active ] -----------------> [ reducing ] ----------------------------> [ halted ]
//!       ^                             |    ^                                     |
//!       +---- Resume, when no limit --+    +------------- Reduce ----------------+
//!       |     is breached at present                                             |
//!       +------------------------------------------------------------------------+
//! ```
//! The state is part of the saved state: neither a restart nor a new day makes the gate more lenient.

mod account;
mod breaker;
pub mod calendar;
pub mod ceilings;
mod change;
mod exposure;
mod judge;
mod lane;
mod life;
pub mod limit_key;
pub mod limits;
mod multiple;
mod orders;
mod parent;
mod rate;
pub mod rule;
mod saved;
mod sheet;
mod soft;
mod strategy;
#[cfg(test)]
mod tests;
mod throttle;
mod usage;
mod window;

use crate::event::kind::KindSet;
use crate::event::{BreakerState, Event, Kind};
use crate::instrument::{Instrument, InstrumentIndex, InstrumentTable, Venue};
use crate::market::Market;
use crate::money::Money;
use crate::ring::Emitter;
use crate::state::mix;

use account::Calm;
use breaker::Breakers;
use change::Changes;
use exposure::{Reservation, mark_twice};
use judge::{Refusal, Wanted};
use lane::Lanes;
use multiple::Multiple;
use orders::{Change, NoRoom, Order, Orders};
use parent::Parents;
use rate::RateWindow;
use sheet::{Sheet, mix_wide};
use strategy::Row;
use throttle::Duplicates;
use usage::{Of, Usage};
use window::Window;

pub use calendar::Hours;
pub use ceilings::{CeilingError, Ceilings, ceiling_of};
pub use limit_key::{LimitKey, LimitOwner, LimitTable, UNLIMITED};
pub use limits::{
    AccountLimits, Controls, InstrumentControls, InstrumentLimits, Limits, LimitsError,
    StrategyControls,
};
pub use rule::{RULE_COUNT, Rule, Unit};
pub use soft::SoftLimits;

/// What the gate lets pass, in `code` of `RISK_STATE`. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum RiskState {
    /// Everything within the limits.
    Active = 1,
    /// Only orders that bring a position nearer to zero, and cancels.
    Reducing = 2,
    /// Only cancels.
    Halted = 3,
}

impl RiskState {
    /// Number in journal and stats.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The state of that number.
    pub const fn from_code(code: u16) -> Option<RiskState> {
        match code {
            1 => Some(RiskState::Active),
            2 => Some(RiskState::Reducing),
            3 => Some(RiskState::Halted),
            _ => None,
        }
    }

    /// Name as printed by tools.
    pub const fn name(self) -> &'static str {
        match self {
            RiskState::Active => "active",
            RiskState::Reducing => "reducing",
            RiskState::Halted => "halted",
        }
    }
}

/// The gate's numbers of one instrument, for stats and reports. Quantities are clamped to 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Net position over all strategies; long is above zero.
    pub position: i64,
    /// Quantity reserved for buys.
    pub working_buy: i64,
    /// Quantity reserved for sells.
    pub working_sell: i64,
    /// Notional reserved for buys.
    pub working_buy_notional: Money,
    /// Notional reserved for sells.
    pub working_sell_notional: Money,
    /// What was received less what was paid, fees included.
    pub cash: Money,
    /// Twice the last known mark; `None` when none was ever known.
    pub mark_twice: Option<i64>,
    /// Worth of the worse side if every working order fills.
    pub gross: Money,
}

/// Rules of the first version, each of which is always part of the digest.
const RULE_COUNT_FIRST: usize = 25;

/// What one inbound event has led to.
#[derive(Clone, Copy, Debug, Default)]
struct Batch {
    /// Sequence of the inbound event.
    inbound: u64,
    /// Notional of the orders and changes approved since.
    notional: Money,
}

/// What was approved since the start of the day.
#[derive(Clone, Copy, Debug, Default)]
struct Daily {
    order_count: i64,
    notional: Money,
}

/// Judges every intent and keeps what it needs to know for that.
#[derive(Debug)]
pub struct Gate {
    instruments: InstrumentTable,
    /// As they are now; what is `None` refuses.
    limits: Limits,
    /// As configured: no command goes beyond.
    configured: Limits,
    changes: Changes,
    breakers: Breakers,
    strategy_count: usize,
    /// Of the account.
    sheet: Sheet,
    /// By number of the strategy; the last one is the operator's own row and everybody else's.
    rows: Box<[Row]>,
    /// Whether any strategy has limits of its own.
    has_row_limits: bool,
    /// Tick and lot by instrument.
    steps: Box<[[Multiple; 2]]>,
    /// Most that an instrument may be worth as a share of the capital, by instrument.
    shares: Box<[Money]>,
    lanes: Lanes,
    orders: Orders,
    parents: Parents,
    rate: RateWindow,
    /// New orders, changes and cancels.
    messages: RateWindow,
    duplicates: Duplicates,
    /// Mids of the last stretch of time by instrument; empty when no control needs them.
    windows: Box<[Window]>,
    usage: Usage,
    batch: Batch,
    daily: Daily,
    state: RiskState,
    /// The drawdown rule halts once; `Resume` arms it again. Without it nobody could flatten a position
    /// with `Reduce` after a drawdown.
    drawdown_latched: bool,
    /// Of the account, as of the last event.
    equity: Money,
    equity_peak: Money,
    /// Equity at the start of the day.
    equity_baseline: Money,
    /// Equities at which the limits of the account need no look.
    calm: Calm,
    /// Number of the trading day; `None` before the first event.
    day: Option<u64>,
    /// End of that day, ns; 0 when nobody has looked yet.
    day_until_ns: u64,
    /// One bit a venue, by its number: no new orders, no changes there.
    locked_venues: u32,
    refused_counts: [u64; RULE_COUNT],
    /// Approvals that the OMS never made an order of.
    dropped_count: u64,
}

impl Gate {
    /// Kinds that the gate looks at.
    pub const INTEREST: KindSet = KindSet::of(&[
        Kind::INTENT,
        Kind::INTENT_CANCEL,
        Kind::INTENT_REPLACE,
        Kind::ORDER,
        Kind::FILL,
        Kind::FEE,
        Kind::COMMAND,
        Kind::CLOCK,
        Kind::SESSION_START,
        Kind::LOCK,
        Kind::BREAKER,
        Kind::PARENT,
    ]);

    /// A gate for `instruments`, strategies `0..strategy_count` and `orders_max` orders (a power of
    /// two, as in the OMS). `limits` must have passed [`Limits::validate`].
    pub fn new(
        limits: Limits,
        instruments: InstrumentTable,
        strategy_count: usize,
        orders_max: usize,
    ) -> Gate {
        let checked = limits.validate(instruments.count(), orders_max);
        assert!(checked.is_ok(), "limits are validated before a gate is made: {checked:?}");
        let mut limits = limits;
        let count = instruments.count();
        limits.instruments.resize(count, None);
        limits.controls.instruments.resize(count, InstrumentControls::default());
        limits.controls.strategies.resize(strategy_count, StrategyControls::default());
        let (rate_count_max, rate_window_ns) = match &limits.account {
            Some(account) => (account.order_rate_count_max, account.order_rate_window_ns),
            None => (0, 0),
        };
        let controls = &limits.controls;
        let own_row = StrategyControls::default();
        let rows: Box<[Row]> = controls
            .strategies
            .iter()
            .chain(std::iter::once(&own_row))
            .map(|own| Row::new(controls, own, &instruments, rate_window_ns))
            .collect();
        let message_count = match controls.limits.get(LimitKey::MessageRate) {
            UNLIMITED => 0,
            count => u32::try_from(count).unwrap_or(u32::MAX),
        };
        let has_duplicates = controls.limits.get(LimitKey::Duplicate) != UNLIMITED;
        let needs_window = |own: &InstrumentControls| {
            own.limits.get(LimitKey::Jump) != UNLIMITED
                || own.limits.get(LimitKey::CollarWindow) != UNLIMITED
        };
        let has_windows = controls.instruments.iter().any(needs_window);
        let window = Window::new(controls.reference_window_ns);
        let steps = |own: &Instrument| [Multiple::new(own.tick), Multiple::new(own.lot)];
        let mut gate = Gate {
            changes: Changes::new(),
            breakers: Breakers::new(strategy_count + 1, count),
            strategy_count,
            sheet: Sheet::new(&instruments),
            has_row_limits: rows.iter().any(|row| row.is_limited),
            steps: instruments.iter().map(|(_, own)| steps(own)).collect(),
            shares: vec![Money::MAX; count].into_boxed_slice(),
            lanes: Lanes::new(count, strategy_count),
            orders: Orders::new(orders_max, count),
            parents: Parents::new(strategy_count, orders_max),
            rate: RateWindow::new(rate_count_max, rate_window_ns),
            messages: RateWindow::new(message_count, controls.message_rate_window_ns),
            duplicates: Duplicates::new(has_duplicates, controls.duplicate_window_ns),
            windows: vec![window; if has_windows { count } else { 0 }].into_boxed_slice(),
            usage: Usage::new(controls.alerts, controls.soft_percent, count),
            batch: Batch::default(),
            daily: Daily::default(),
            configured: limits.clone(),
            rows,
            limits,
            instruments,
            state: RiskState::Active,
            drawdown_latched: false,
            equity: Money::ZERO,
            equity_peak: Money::ZERO,
            equity_baseline: Money::ZERO,
            calm: Calm::NEVER,
            day: None,
            day_until_ns: 0,
            locked_venues: 0,
            refused_counts: [0; RULE_COUNT],
            dropped_count: 0,
        };
        gate.limits_changed();
        gate
    }

    /// Handles one event.
    #[inline]
    pub fn apply(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        match event.kind {
            Kind::INTENT | Kind::INTENT_REPLACE => return self.intent(event, market, out),
            Kind::ORDER => return self.order(event, out),
            // A parent moves nothing that a lane knows of; its children are judged by the rules.
            Kind::PARENT => return self.parent(event, out),
            Kind::INTENT_CANCEL => {
                self.messages.push(event.time_ns);
                out.emit_as(Kind::APPROVED_CANCEL, event);
                return;
            }
            _ => self.lanes.close(),
        }
        match event.kind {
            Kind::FILL => self.fill(event, market, out),
            Kind::FEE => self.fee(event, market, out),
            Kind::COMMAND => self.command(event, market, out),
            Kind::LOCK => self.lock(event),
            Kind::BREAKER => self.breaker(event, market, out),
            Kind::CLOCK | Kind::SESSION_START => self.clock(event, market, out),
            _ => {}
        }
    }

    fn clock(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        self.release_unbound();
        self.expire_changes(event.time_ns, out);
        for (instrument, window) in (0..).zip(&mut self.windows) {
            let mid_twice = market.get(instrument).and_then(exposure::mid_twice);
            if let Some(mid_twice) = mid_twice {
                window.see(event.time_ns, mid_twice);
            }
        }
        self.advance(event.time_ns, market);
        self.watch(out);
        self.watch_rows(market, out);
        self.watch_usage(event.time_ns, out);
    }

    #[inline(never)]
    fn intent(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        if self.batch.inbound != out.inbound() {
            self.batch = Batch { inbound: out.inbound(), notional: Money::ZERO };
        }
        if !self.by_lane(event, market, out) {
            self.by_rules(event, market, out);
        }
    }

    /// Judges rule by rule. Never part of the way through a lane, which would have to keep its registers.
    #[inline(never)]
    fn by_rules(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        let own = market.get(event.instrument);
        self.sheet.see(event.instrument, mark_twice(own));
        self.advance(event.time_ns, market);
        self.watch(out);
        let seen = self.look(event, market, out);
        let kept = match self.judge(event, own, &seen) {
            Ok(wanted) if event.kind == Kind::INTENT_REPLACE => {
                self.lanes.close();
                self.approve_change(event, &wanted, out)
            }
            Ok(wanted) => {
                let kept = self.approve_order(event, &wanted, out);
                self.open_lane(event);
                kept
            }
            Err(refusal) => {
                self.refuse(event, refusal, out);
                Ok(())
            }
        };
        if kept.is_err() {
            self.halt_without_room(out);
        }
    }

    fn approve_order(
        &mut self,
        event: &Event,
        wanted: &Wanted,
        out: &mut Emitter<'_>,
    ) -> Result<(), NoRoom> {
        let sequence = out.emit_as(Kind::APPROVED, event);
        let order = Order { id: sequence, ..wanted.order };
        self.orders.push_unbound(order)?;
        self.opened(&order, 1);
        self.hold(&order, Reservation::default(), wanted.after);
        self.approved(event, wanted, out);
        Ok(())
    }

    fn approve_change(
        &mut self,
        event: &Event,
        wanted: &Wanted,
        out: &mut Emitter<'_>,
    ) -> Result<(), NoRoom> {
        let sequence = out.emit_as(Kind::APPROVED_REPLACE, event);
        let place = wanted.place.ok_or(NoRoom)?;
        let before = self.held(self.orders.get(place));
        let order = self.orders.get_mut(place);
        order.change = Change { sequence, price: event.price, total: event.quantity, taken: false };
        let order = *order;
        let after = self.held(&order);
        self.hold(&order, before, after);
        self.approved(event, wanted, out);
        Ok(())
    }

    /// Counts what was approved.
    #[inline]
    fn approved(&mut self, event: &Event, wanted: &Wanted, out: &mut Emitter<'_>) {
        self.rate.push(event.time_ns);
        self.messages.push(event.time_ns);
        if let Some(key) = wanted.key {
            self.duplicates.push(key, event.time_ns);
        }
        if self.has_row_limits {
            let row = self.row(event.source);
            self.rows[row].rate.push(event.time_ns);
        }
        self.batch.notional = self.batch.notional.plus(wanted.notional);
        self.daily.notional = self.daily.notional.plus(wanted.notional);
        if event.kind == Kind::INTENT {
            self.daily.order_count = self.daily.order_count.saturating_add(1);
        }
        if self.usage.is_on() {
            self.use_more(event, wanted, out);
        }
    }

    /// Tells how much of the limits that an approval counts against is used.
    fn use_more(&mut self, event: &Event, wanted: &Wanted, out: &mut Emitter<'_>) {
        let measured = [wanted.reach, wanted.worth.0];
        self.usage.see_instrument(event.instrument, measured, out);
        self.usage.see(Of::Gross, wanted.gross.0, out);
        let open_count = i128::try_from(self.orders.count()).unwrap_or(i128::MAX);
        self.usage.see(Of::OrdersOpen, open_count, out);
        self.watch_rate(event.time_ns, out);
    }

    /// Number of the row that an event of that source concerns.
    #[inline]
    fn row(&self, source: u16) -> usize {
        usize::from(source).min(self.strategy_count)
    }

    #[inline]
    fn opened(&mut self, order: &Order, change: i64) {
        let row = self.row(order.source);
        self.rows[row].open_count += change;
        self.parents.count(order.parent, change);
    }

    /// Tells why not. The intent's own words stay, so that its strategy recognises it.
    fn refuse(&mut self, event: &Event, refusal: Refusal, out: &mut Emitter<'_>) {
        let count = &mut self.refused_counts[refusal.rule.index()];
        *count = count.saturating_add(1);
        out.emit(Event {
            kind: Kind::REFUSED,
            code: refusal.rule.code(),
            price: refusal.measured,
            quantity: refusal.limit,
            id: if event.kind == Kind::INTENT_REPLACE { event.id } else { 0 },
            ..*event
        });
    }

    fn instrument_count(&self) -> usize {
        self.instruments.count()
    }

    /// A limit as it is now; `target` is an instrument or a strategy, or anything for the account's.
    pub fn limit(&self, key: LimitKey, target: u16) -> Option<i64> {
        self.limits.clone().value(key, target)
    }

    /// What breakers let pass of an order of this strategy and instrument.
    pub fn breaker_state(&self, source: u16, instrument: InstrumentIndex) -> BreakerState {
        match self.instruments.get(instrument) {
            Some(own) => self.breakers.strictest(own.venue, source, instrument),
            None => BreakerState::Normal,
        }
    }

    /// Limits of the account; `None` when nothing is configured.
    pub fn account_limits(&self) -> Option<&AccountLimits> {
        self.limits.account.as_ref()
    }

    /// Whether new orders and changes of that venue's instruments are refused.
    pub fn is_locked(&self, venue: Venue) -> bool {
        self.locked_venues & (1 << venue.index()) != 0
    }

    /// What the gate lets pass.
    pub fn state(&self) -> RiskState {
        self.state
    }

    /// Cash and positions at the last known marks, as of the last event that the gate looked at.
    pub fn equity(&self) -> Money {
        self.equity
    }

    /// Highest equity ever.
    pub fn equity_peak(&self) -> Money {
        self.equity_peak
    }

    /// Realised and unrealised profit since the start of the day.
    pub fn day_profit(&self) -> Money {
        self.equity.minus(self.equity_baseline)
    }

    /// Sum of the instruments' exposures if every working order fills, none netted.
    pub fn gross_notional(&self) -> Money {
        self.sheet.gross()
    }

    /// The gate's numbers of an instrument.
    pub fn exposure(&self, instrument: InstrumentIndex) -> Option<Exposure> {
        let entry = self.sheet.get(instrument)?;
        Some(Exposure {
            position: judge::clamped(entry.position),
            working_buy: judge::clamped(entry.working[0]),
            working_sell: judge::clamped(entry.working[1]),
            working_buy_notional: Money(entry.working_notional[0]),
            working_sell_notional: Money(entry.working_notional[1]),
            cash: entry.cash,
            mark_twice: Some(entry.mark_twice).filter(|mark| *mark != 0),
            gross: entry.worth_now().gross(),
        })
    }

    /// Orders that are not over, with approvals that have no order yet.
    pub fn orders_open_count(&self) -> usize {
        self.orders.count()
    }

    /// New orders and changes within the rate window that ends at `time_ns`.
    pub fn order_rate_count(&self, time_ns: u64) -> usize {
        self.rate.count_at(time_ns)
    }

    /// How often each rule refused, in the order of evaluation.
    pub fn refused_counts(&self) -> impl Iterator<Item = (Rule, u64)> {
        Rule::ALL.iter().map(|rule| (*rule, self.refused_counts[rule.index()]))
    }

    /// Approvals that never became an order; anything but 0 is a fault of the OMS.
    pub fn dropped_count(&self) -> u64 {
        self.dropped_count
    }

    /// Hash of everything that later verdicts depend on; orders show through their sums.
    pub fn digest(&self) -> u64 {
        let mut hash = mix(u64::from(self.state.code()), u64::from(self.drawdown_latched));
        hash = mix(hash, u64::from(self.sheet.is_broken));
        hash = mix(hash, self.day.unwrap_or(u64::MAX));
        for money in [self.sheet.cash, self.equity, self.equity_peak, self.equity_baseline] {
            hash = mix_wide(hash, money.0);
        }
        for entry in self.sheet.entries() {
            hash = mix_wide(hash, entry.position);
            hash = mix_wide(hash, entry.cash.0);
            hash = mix_wide(hash, i128::from(entry.mark_twice));
            for (quantity, notional) in entry.working.iter().zip(entry.working_notional) {
                hash = mix_wide(hash, *quantity);
                hash = mix_wide(hash, notional);
            }
        }
        let (first, later) = self.refused_counts.split_at(RULE_COUNT_FIRST);
        for count in first {
            hash = mix(hash, *count);
        }
        // Journals of before those rules hold hashes without them.
        for (code, count) in (0..).zip(later).filter(|(_, count)| 0 < **count) {
            hash = mix(mix(hash, code), *count);
        }
        if self.locked_venues != 0 {
            hash = mix(hash, u64::from(self.locked_venues));
        }
        hash = self.breakers.mix_into(hash);
        hash = self.changes.mix_into(hash);
        hash = self.parents.mix_into(hash);
        hash = self.rows.iter().fold(hash, |hash, row| row.mix_into(hash));
        hash = self.windows.iter().fold(hash, |hash, window| window.mix_into(hash));
        hash = self.duplicates.mix_into(self.usage.mix_into(hash));
        if self.messages.count_max() != 0 {
            hash = mix(hash, self.messages.newest_ns());
        }
        if self.counts_days() {
            hash =
                mix_wide(mix(hash, self.daily.order_count.cast_unsigned()), self.daily.notional.0);
        }
        hash = mix(hash, self.rate.newest_ns());
        hash = mix(hash, self.dropped_count);
        mix(hash, u64::try_from(self.orders.count()).unwrap_or(u64::MAX))
    }
}
