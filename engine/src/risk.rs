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

mod breaker;
mod change;
mod exposure;
mod judge;
pub mod limit_key;
pub mod limits;
mod orders;
mod rate;
pub mod rule;
mod saved;
#[cfg(test)]
mod tests;

use crate::event::kind::KindSet;
use crate::event::{BreakerState, CommandCode, Event, Kind, OrderState, Scope, TripReason, flags};
use crate::instrument::{InstrumentIndex, InstrumentTable, Venue};
use crate::market::Market;
use crate::money::Money;
use crate::ring::Emitter;
use crate::state::mix;

use breaker::Breakers;
use change::Changes;
use exposure::{Entry, Reservation};
use judge::Refusal;
use orders::{Change, Order, Orders, Place};
use rate::RateWindow;

pub use limit_key::{LimitKey, LimitOwner, UNLIMITED};
pub use limits::{AccountLimits, Controls, InstrumentLimits, Limits, LimitsError};
pub use rule::{RULE_COUNT, Rule, Unit};

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
    entries: Vec<Entry>,
    orders: Orders,
    rate: RateWindow,
    state: RiskState,
    /// The drawdown rule halts once; `Resume` arms it again. Without it nobody could flatten a position
    /// with `Reduce` after a drawdown.
    drawdown_latched: bool,
    /// A number left the range of money: equity is no longer known.
    broken: bool,
    cash: Money,
    equity: Money,
    equity_peak: Money,
    /// Equity at the start of the day.
    equity_baseline: Money,
    /// Number of the trading day; `None` before the first event.
    day: Option<u64>,
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
        limits.instruments.resize(instruments.count(), None);
        let rate = match &limits.account {
            Some(account) => {
                RateWindow::new(account.order_rate_count_max, account.order_rate_window_ns)
            }
            None => RateWindow::new(0, 0),
        };
        Gate {
            configured: limits.clone(),
            limits,
            changes: Changes::new(),
            breakers: Breakers::new(strategy_count + 1, instruments.count()),
            strategy_count,
            entries: instruments.iter().map(|(_, instrument)| Entry::new(instrument)).collect(),
            instruments,
            orders: Orders::new(orders_max),
            rate,
            state: RiskState::Active,
            drawdown_latched: false,
            broken: false,
            cash: Money::ZERO,
            equity: Money::ZERO,
            equity_peak: Money::ZERO,
            equity_baseline: Money::ZERO,
            day: None,
            locked_venues: 0,
            refused_counts: [0; RULE_COUNT],
            dropped_count: 0,
        }
    }

    /// Handles one event.
    #[inline]
    pub fn apply(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        match event.kind {
            Kind::INTENT | Kind::INTENT_REPLACE => self.intent(event, market, out),
            Kind::INTENT_CANCEL => {
                out.emit(Event { kind: Kind::APPROVED_CANCEL, ..*event });
            }
            Kind::ORDER => self.order(event, out),
            Kind::FILL => self.fill(event, market, out),
            Kind::FEE => self.fee(event, market, out),
            Kind::COMMAND => self.command(event, market, out),
            Kind::LOCK => self.lock(event),
            Kind::BREAKER => self.breaker(event, market, out),
            Kind::CLOCK | Kind::SESSION_START => {
                self.release_unbound();
                self.expire_changes(event.time_ns, out);
                self.advance(event.time_ns, market);
                self.watch(out);
            }
            _ => {}
        }
    }

    fn intent(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        if let Some(entry) = self.entries.get_mut(usize::from(event.instrument)) {
            entry.see(market.get(event.instrument));
        }
        self.advance(event.time_ns, market);
        self.watch(out);
        let kept = match self.judge(event, market) {
            Ok(wanted) if event.kind == Kind::INTENT_REPLACE => {
                self.approve_change(event, wanted.place, out)
            }
            Ok(wanted) => self.approve_order(event, wanted.order, out),
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
        order: Order,
        out: &mut Emitter<'_>,
    ) -> Result<(), orders::NoRoom> {
        let sequence = out.emit(Event { kind: Kind::APPROVED, ..*event });
        self.rate.push(event.time_ns);
        let order = Order { id: sequence, ..order };
        self.orders.push_unbound(order)?;
        self.hold(&order, Reservation::default());
        Ok(())
    }

    fn approve_change(
        &mut self,
        event: &Event,
        place: Option<Place>,
        out: &mut Emitter<'_>,
    ) -> Result<(), orders::NoRoom> {
        let sequence = out.emit(Event { kind: Kind::APPROVED_REPLACE, ..*event });
        self.rate.push(event.time_ns);
        let place = place.ok_or(orders::NoRoom)?;
        let before = self.held(self.orders.get(place));
        let order = self.orders.get_mut(place);
        order.change = Change { sequence, price: event.price, total: event.quantity, taken: false };
        let order = *order;
        self.hold(&order, before);
        Ok(())
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

    /// What is reserved for an order; its instrument is in the table, or it would not be kept.
    #[inline]
    fn held(&self, order: &Order) -> Reservation {
        match self.entries.get(usize::from(order.instrument)) {
            Some(entry) => order.reservation(entry),
            None => Reservation::default(),
        }
    }

    /// Changes what is reserved for an order from `before` to what it needs now.
    #[inline]
    fn hold(&mut self, order: &Order, before: Reservation) {
        let Some(entry) = self.entries.get_mut(usize::from(order.instrument)) else { return };
        let after = order.reservation(entry);
        entry.reserve(order.side, before, after);
        entry.see_price(order.price);
    }

    #[inline]
    fn let_go(&mut self, order: &Order) {
        let Some(entry) = self.entries.get_mut(usize::from(order.instrument)) else { return };
        let before = order.reservation(entry);
        entry.reserve(order.side, before, Reservation::default());
    }

    /// The OMS says where an order stands.
    fn order(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let state = event.code.to_le_bytes()[0];
        let state = OrderState::from_code(state).unwrap_or(OrderState::Unknown);
        if event.id == 0 && !state.is_terminal() {
            return;
        }
        if let Some(place) = self.orders.find(event.id) {
            if state.is_terminal() {
                let order = *self.orders.get(place);
                self.orders.remove(place);
                self.let_go(&order);
                return;
            }
            let before = self.held(self.orders.get(place));
            let order = self.orders.get_mut(place);
            follow(order, event, state);
            let order = *order;
            self.hold(&order, before);
            return;
        }
        let approved = self.orders.take_unbound(event.cause);
        if let Some(order) = &approved {
            self.let_go(order);
        }
        if state.is_terminal() {
            return;
        }
        let mut order = match approved {
            Some(order) => Order { id: event.id, ..order },
            None if usize::from(event.instrument) < self.entries.len() => adopted(event),
            None => return,
        };
        follow(&mut order, event, state);
        if self.orders.insert(order).is_err() {
            self.halt_without_room(out);
            return;
        }
        self.hold(&order, Reservation::default());
    }

    fn fill(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        // The day's baseline must not know of this fill.
        self.advance(event.time_ns, market);
        // A fee in kind moves position and cash, but fills nothing of its order.
        let place = self.orders.find(event.id).filter(|_| !event.has(flags::IN_KIND));
        if let Some(place) = place {
            let before = self.held(self.orders.get(place));
            let order = self.orders.get_mut(place);
            order.filled = order.filled.saturating_add(event.quantity.max(0));
            order.fill_cause = event.cause;
            let order = *order;
            self.hold(&order, before);
        }
        let signed = i128::from(event.quantity) * i128::from(event.side().sign());
        let Some(entry) = self.entries.get_mut(usize::from(event.instrument)) else {
            self.broken = true;
            self.advance(event.time_ns, market);
            self.watch(out);
            return;
        };
        entry.position = entry.position.saturating_add(signed);
        entry.see_price(event.price);
        match entry.value(i128::from(event.price), signed) {
            Some(paid) => self.pay(event.instrument, Money(paid)),
            None => self.broken = true,
        }
        self.advance(event.time_ns, market);
        self.watch(out);
    }

    fn fee(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        self.pay(event.instrument, Money::from_event(event.quantity));
        self.advance(event.time_ns, market);
        self.watch(out);
    }

    fn pay(&mut self, instrument: InstrumentIndex, paid: Money) {
        match self.cash.0.checked_sub(paid.0) {
            Some(cash) => self.cash = Money(cash),
            None => self.broken = true,
        }
        if let Some(entry) = self.entries.get_mut(usize::from(instrument)) {
            entry.cash = entry.cash.minus(paid);
        }
    }

    /// Values everything at the present marks and starts a new day when it is time.
    fn advance(&mut self, time_ns: u64, market: &Market) {
        let mut equity = if self.broken { None } else { Some(self.cash.0) };
        for (instrument, entry) in (0..).zip(&mut self.entries) {
            if !entry.is_active() {
                continue;
            }
            entry.see(market.get(instrument));
            equity = equity.and_then(|sum| sum.checked_add(entry.position_value()?));
        }
        // What cannot be told is worse than every limit.
        self.equity = Money(equity.unwrap_or(i128::MIN));
        let start_ns = self.limits.account.as_ref().map_or(0, |account| account.day_start_ns_utc);
        let day = time_ns.checked_sub(start_ns).map_or(0, |since_ns| since_ns / limits::DAY_NS + 1);
        if self.day.is_none_or(|today| today < day) {
            self.day = Some(day);
            self.equity_baseline = self.equity;
        }
        self.equity_peak = self.equity_peak.max(self.equity);
    }

    /// Compares equity with the limits of the account. The gate only ever becomes stricter here.
    fn watch(&mut self, out: &mut Emitter<'_>) {
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
    fn halt_without_room(&mut self, out: &mut Emitter<'_>) {
        let limit = i64::try_from(self.orders.slots().len()).unwrap_or(i64::MAX);
        let breach = Refusal { rule: Rule::OrdersOpen, measured: limit.saturating_add(1), limit };
        self.tighten(RiskState::Halted, breach, out);
    }

    fn command(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
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
            Some(CommandCode::LimitSet) => return self.limit_set(event, out),
            Some(CommandCode::Confirm) => return self.confirm(event, out),
            Some(
                CommandCode::CancelAll
                | CommandCode::StrategyDisable
                | CommandCode::StrategyEnable
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
    fn breaker(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
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
        }
        self.drawdown_latched = false;
        if self.state != RiskState::Active {
            self.state = RiskState::Active;
            self.tell_state(u32::from(by as u16), 0, 0, out);
        }
        self.watch(out);
    }

    /// Takes over limits that were changed.
    fn limits_changed(&mut self) {
        if let Some(account) = &self.limits.account {
            self.rate.set_count_max(account.order_rate_count_max);
        }
    }

    fn instrument_count(&self) -> usize {
        self.entries.len()
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

    /// A venue is locked or unlocked; the reconciler knows why.
    fn lock(&mut self, event: &Event) {
        let Some(venue) = u8::try_from(event.tag).ok().and_then(Venue::from_code) else { return };
        let bit = 1 << venue.index();
        if event.code == 0 {
            self.locked_venues &= !bit;
        } else {
            self.locked_venues |= bit;
        }
    }

    /// A new inbound event ends the cascade before it: an approval that has no order by now never
    /// will, so nothing was sent and its reservation would be lost for ever.
    fn release_unbound(&mut self) {
        while let Some(order) = self.orders.pop_unbound() {
            self.let_go(&order);
            self.dropped_count = self.dropped_count.saturating_add(1);
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
        self.gross_without(None)
    }

    /// The gate's numbers of an instrument.
    pub fn exposure(&self, instrument: InstrumentIndex) -> Option<Exposure> {
        let entry = self.entries.get(usize::from(instrument))?;
        Some(Exposure {
            position: judge::clamped(entry.position),
            working_buy: judge::clamped(entry.working[0]),
            working_sell: judge::clamped(entry.working[1]),
            working_buy_notional: Money(entry.working_notional[0]),
            working_sell_notional: Money(entry.working_notional[1]),
            cash: entry.cash,
            mark_twice: Some(judge::clamped(entry.mark_twice)).filter(|mark| *mark != 0),
            gross: entry.gross(),
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
        hash = mix(hash, u64::from(self.broken));
        hash = mix(hash, self.day.unwrap_or(u64::MAX));
        for money in [self.cash, self.equity, self.equity_peak, self.equity_baseline] {
            hash = mix_wide(hash, money.0);
        }
        for entry in &self.entries {
            hash = mix_wide(hash, entry.position);
            hash = mix_wide(hash, entry.cash.0);
            hash = mix_wide(hash, entry.mark_twice);
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
        hash = mix(hash, self.rate.newest_ns());
        hash = mix(hash, self.dropped_count);
        mix(hash, u64::try_from(self.orders.count()).unwrap_or(u64::MAX))
    }
}

/// Both halves of a wide word.
fn mix_wide(hash: u64, word: i128) -> u64 {
    let bytes = word.to_le_bytes();
    let (low, high) = bytes.split_at(8);
    let half = |half: &[u8]| u64::from_le_bytes(half.try_into().expect("a half has eight bytes"));
    mix(mix(hash, half(low)), half(high))
}

/// An order that the gate did not approve (found at the venue after a restart).
fn adopted(event: &Event) -> Order {
    Order {
        id: event.id,
        instrument: event.instrument,
        source: event.source,
        side: event.side(),
        reduce_only: event.has(flags::REDUCE_ONLY),
        ..Order::FREE
    }
}

/// Takes over what an event says of an order that is not over.
fn follow(order: &mut Order, event: &Event, state: OrderState) {
    order.price = event.price;
    // An order of unknown fate keeps what was reserved, also when nobody can say what is left.
    if state != OrderState::Unknown || 0 < event.quantity {
        order.leaves = event.quantity.max(0);
    }
    if order.change.sequence == 0 {
        return;
    }
    if state == OrderState::PendingReplace {
        order.change.taken = true;
        return;
    }
    // Told because of the approval itself, and not on its way: the OMS did not take the change.
    if event.cause == order.change.sequence {
        order.change = Change::default();
        return;
    }
    // Else the outcome is a working state, reached by something after the approval which is not a
    // fill of the old terms, and which came out of a state that is not working (or the OMS never took
    // the change, or the terms are the new ones). Anything less clear keeps the larger reservation.
    let before = OrderState::from_code(event.code.to_le_bytes()[1]);
    let later = order.change.sequence < event.cause && event.cause != order.fill_cause;
    let answered = !before.is_some_and(is_working) || !order.change.taken;
    let as_wanted =
        event.price == order.change.price && event.quantity == order.leaves_of(order.change.total);
    if is_working(state) && later && (answered || as_wanted) {
        order.change = Change::default();
    }
}

/// Whether the order works at the venue and nothing is on its way.
fn is_working(state: OrderState) -> bool {
    matches!(state, OrderState::Acked | OrderState::PartiallyFilled)
}
