//! The host: calls strategies, keeps their positions, isolates the one that panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Intents, MarketChange, OrderUpdate, Strategy, View};
use crate::event::kind::KindSet;
use crate::event::session::strategy_state::{DISABLED, ENABLED};
use crate::event::{
    BookState, BreakerState, CommandCode, Event, Kind, NO_STRATEGY, OrderState, STRATEGY_COUNT_MAX,
    Scope, flags,
};
use crate::instrument::InstrumentTable;
use crate::market::Market;
use crate::ring::Emitter;
use crate::state::{LoadError, Loader, Saver, State};

/// Why a strategy is disabled, in `tag` of `STRATEGY_STATE`. Never renumber.
pub mod why {
    /// It panicked.
    pub const PANIC: u32 = 1;
    /// An operator disabled it.
    pub const OPERATOR: u32 = 2;
    /// An operator enabled it.
    pub const ENABLED: u32 = 3;
}

/// `code` of an `ANOMALY`: a strategy asked for more than `INTENT_COUNT_MAX` things at once.
pub const ANOMALY_INTENTS_DROPPED: u16 = 10;

struct Slot {
    strategy: Box<dyn Strategy>,
    enabled: bool,
    /// It panicked: it is never called again, its state cannot be trusted.
    panicked: bool,
    /// Its scope, or everything, is killed: it hears of its orders and is not asked.
    is_killed: bool,
    /// By instrument: whether it wants to see that market.
    subscribed: Vec<bool>,
    /// By instrument: net position.
    positions: Vec<i64>,
}

/// Runs the strategies of one engine; strategy `i` is `source` `i` of events.
pub struct Host {
    slots: Vec<Slot>,
    intents: Intents,
    instruments: InstrumentTable,
    /// The session is about to end: nobody is called any more.
    stopping: bool,
    /// Everything is killed.
    is_killed: bool,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.slots.iter().map(|slot| slot.strategy.name()).collect();
        f.debug_struct("Host").field("strategies", &names).finish_non_exhaustive()
    }
}

/// What a call to a strategy is about.
enum Call {
    Market(u16, MarketChange),
    Order(OrderUpdate),
    Clock,
}

impl Host {
    /// Kinds that the host looks at.
    pub const INTEREST: KindSet = KindSet::of(&[
        Kind::DEPTH,
        Kind::LEVEL,
        Kind::QUOTE,
        Kind::TRADE,
        Kind::BOOK_STATE,
        Kind::CLOCK,
        Kind::COMMAND,
        Kind::SESSION_START,
        Kind::ORDER,
        Kind::FILL,
        Kind::REFUSED,
        Kind::BREAKER,
    ]);

    /// A host of `strategies`, in the order of configuration.
    pub fn new(strategies: Vec<Box<dyn Strategy>>, instruments: InstrumentTable) -> Host {
        assert!(strategies.len() <= STRATEGY_COUNT_MAX);
        let slots = strategies
            .into_iter()
            .map(|strategy| {
                let mut subscribed = vec![false; instruments.count()];
                for index in strategy.instruments() {
                    subscribed[usize::from(*index)] = true;
                }
                let positions = vec![0; instruments.count()];
                Slot {
                    strategy,
                    enabled: true,
                    panicked: false,
                    is_killed: false,
                    subscribed,
                    positions,
                }
            })
            .collect();
        let intents = Intents::new();
        Host { slots, intents, instruments, stopping: false, is_killed: false }
    }

    /// Names, states and positions by instrument, for reports.
    pub fn strategies(&self) -> impl Iterator<Item = (&str, bool, &[i64])> {
        self.slots.iter().map(|slot| (slot.strategy.name(), slot.enabled, &slot.positions[..]))
    }

    /// How many strategies there are.
    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// Hash of the positions and switches; strategies' own state shows in what they decide.
    pub fn digest(&self) -> u64 {
        let mut hash = u64::from(self.stopping) | (u64::from(self.is_killed) << 1);
        for slot in &self.slots {
            let bits = u64::from(slot.enabled) | (u64::from(slot.is_killed) << 1);
            hash = crate::state::mix(hash, bits);
            for position in &slot.positions {
                hash = crate::state::mix(hash, position.cast_unsigned());
            }
        }
        hash
    }

    /// Whether [`Host::apply`] does nothing on this event whatever the state: strategies hear of a run
    /// when it ends. The pipeline asks before it starts the host for every level.
    #[inline]
    pub const fn passes_over(event: &Event) -> bool {
        matches!(event.kind, Kind::LEVEL | Kind::DEPTH | Kind::QUOTE) && !event.is_last()
    }

    /// Handles one event.
    #[inline]
    pub fn apply(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        match event.kind {
            Kind::LEVEL | Kind::DEPTH if event.is_last() => {
                self.market_changed(event, MarketChange::Book, market, out);
            }
            Kind::QUOTE if event.is_last() => {
                self.market_changed(event, MarketChange::Quote, market, out);
            }
            Kind::TRADE => {
                let change = MarketChange::Trade {
                    price: event.price,
                    quantity: event.quantity,
                    aggressor: event.side(),
                };
                self.market_changed(event, change, market, out);
            }
            Kind::BOOK_STATE => {
                let state = u8::try_from(event.code).ok().and_then(BookState::from_code);
                if let Some(state) = state {
                    self.market_changed(event, MarketChange::State(state), market, out);
                }
            }
            Kind::CLOCK => {
                for index in 0..self.slots.len() {
                    self.call(index, event, &Call::Clock, market, out);
                }
            }
            Kind::ORDER | Kind::FILL | Kind::REFUSED => self.order_event(event, market, out),
            Kind::COMMAND => self.command(event, out),
            Kind::BREAKER => self.breaker(event),
            Kind::SESSION_START => self.stopping = false,
            _ => {}
        }
    }

    fn market_changed(
        &mut self,
        event: &Event,
        change: MarketChange,
        market: &Market,
        out: &mut Emitter<'_>,
    ) {
        let instrument = usize::from(event.instrument);
        for index in 0..self.slots.len() {
            if self.slots[index].subscribed.get(instrument) == Some(&true) {
                self.call(index, event, &Call::Market(event.instrument, change), market, out);
            }
        }
    }

    fn breaker(&mut self, event: &Event) {
        let [state, _] = event.code.to_le_bytes();
        let is_killed = u16::from(state) == BreakerState::Killed.code();
        match Scope::from_tag(event.tag) {
            Some(Scope::All) => self.is_killed = is_killed,
            Some(Scope::Strategy(source)) => {
                if let Some(slot) = self.slots.get_mut(usize::from(source)) {
                    slot.is_killed = is_killed;
                }
            }
            Some(Scope::Venue(_) | Scope::Instrument(_)) | None => {}
        }
    }

    fn order_event(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        let index = usize::from(event.source);
        // An order of the control stage is not the strategy's; what it trades moves its position all the same.
        if event.kind != Kind::FILL && event.has(flags::OPERATOR) {
            return;
        }
        let Some(slot) = self.slots.get_mut(index) else { return };
        let update = match event.kind {
            Kind::ORDER => {
                let code = u8::try_from(event.code & 0xff).expect("masked to a byte");
                let Some(state) = OrderState::from_code(code) else { return };
                OrderUpdate::State {
                    order_id: event.id,
                    tag: event.tag,
                    instrument: event.instrument,
                    side: event.side(),
                    state,
                    price: event.price,
                    leaves: event.quantity,
                }
            }
            Kind::FILL => {
                if let Some(position) = slot.positions.get_mut(usize::from(event.instrument)) {
                    *position = position.saturating_add(event.side().sign() * event.quantity);
                }
                if event.has(flags::IN_KIND) {
                    return; // The venue kept it: the position shows it, no order traded.
                }
                OrderUpdate::Fill {
                    order_id: event.id,
                    tag: event.tag,
                    instrument: event.instrument,
                    side: event.side(),
                    price: event.price,
                    quantity: event.quantity,
                    maker: event.has(flags::MAKER),
                }
            }
            _ => OrderUpdate::Refused {
                tag: event.tag,
                order_id: event.id,
                instrument: event.instrument,
                rule: event.code,
            },
        };
        self.call(index, event, &Call::Order(update), market, out);
    }

    fn command(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let (enabled, code, reason) = match CommandCode::from_code(event.code) {
            Some(CommandCode::StrategyDisable) => (false, DISABLED, why::OPERATOR),
            Some(CommandCode::StrategyEnable) => (true, ENABLED, why::ENABLED),
            Some(CommandCode::Stop) => {
                self.stopping = true;
                return;
            }
            _ => return,
        };
        let Ok(source) = u16::try_from(event.tag) else { return };
        let Some(slot) = self.slots.get_mut(usize::from(source)) else { return };
        if slot.panicked {
            return; // Only a new process, with a state from before, may trust it again.
        }
        slot.enabled = enabled;
        emit_state(source, code, reason, out);
    }

    /// Calls strategy `index` and passes on what it wants. A panic disables it: what it had collected
    /// is thrown away, so that no half-made decision leaves.
    #[inline]
    fn call(
        &mut self,
        index: usize,
        event: &Event,
        call: &Call,
        market: &Market,
        out: &mut Emitter<'_>,
    ) {
        let slot = &mut self.slots[index];
        let silent = !slot.enabled || self.stopping || self.is_killed || slot.is_killed;
        // One that is silenced still hears of its orders, or it would wake up believing in dead ones.
        if slot.panicked || (silent && !matches!(call, Call::Order(_))) {
            return;
        }
        let view = View {
            time_ns: event.time_ns,
            market,
            instruments: &self.instruments,
            positions: &slot.positions,
        };
        let (strategy, intents) = (&mut slot.strategy, &mut self.intents);
        let outcome = catch_unwind(AssertUnwindSafe(|| match call {
            Call::Market(instrument, change) => {
                strategy.on_market(&view, *instrument, *change, intents);
            }
            Call::Order(update) => strategy.on_order(&view, update, intents),
            Call::Clock => strategy.on_clock(&view, intents),
        }));
        let source = u16::try_from(index).unwrap_or(NO_STRATEGY);
        if outcome.is_err() {
            slot.enabled = false;
            slot.panicked = true;
            self.intents.clear();
            emit_state(source, DISABLED, why::PANIC, out);
            return;
        }
        if silent {
            self.intents.clear();
            return;
        }
        if self.intents.events().is_empty() {
            return;
        }
        for intent in self.intents.events() {
            out.emit(Event { source, flags: intent.flags & !flags::OPERATOR, ..*intent });
        }
        if 0 < self.intents.dropped_count() {
            let mut anomaly = Event::new(Kind::ANOMALY);
            anomaly.source = source;
            anomaly.code = ANOMALY_INTENTS_DROPPED;
            anomaly.price = i64::from(self.intents.dropped_count());
            anomaly.flags = flags::LAST;
            out.emit(anomaly);
        }
        self.intents.clear();
    }
}

fn emit_state(source: u16, code: u16, reason: u32, out: &mut Emitter<'_>) {
    let mut event = Event::new(Kind::STRATEGY_STATE);
    event.source = source;
    event.code = code;
    event.tag = reason;
    event.flags = flags::LAST;
    out.emit(event);
}

impl State for Host {
    fn save(&self, out: &mut Saver) {
        out.bool(self.stopping);
        out.bool(self.is_killed);
        out.count(self.slots.len());
        for slot in &self.slots {
            out.bytes(slot.strategy.name().as_bytes());
            out.bool(slot.enabled);
            out.bool(slot.panicked);
            out.bool(slot.is_killed);
            for position in &slot.positions {
                out.i64(*position);
            }
            let mut own = Saver::new();
            slot.strategy.save(&mut own);
            out.bytes(&own.into_bytes());
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.stopping = from.bool()?;
        self.is_killed = from.bool()?;
        if from.count(STRATEGY_COUNT_MAX)? != self.slots.len() {
            return Err(from.invalid("number of strategies"));
        }
        for slot in &mut self.slots {
            if from.bytes()? != slot.strategy.name().as_bytes() {
                return Err(from.invalid("name of a strategy"));
            }
            slot.enabled = from.bool()?;
            slot.panicked = from.bool()?;
            slot.is_killed = from.bool()?;
            for position in &mut slot.positions {
                *position = from.i64()?;
            }
            let mut own = Loader::new(from.bytes()?);
            slot.strategy.load(&mut own)?;
            own.finish()?;
        }
        Ok(())
    }
}
