//! What an operator sees: the state of a session as its journal tells it, record by record.
//!
//! The view starts from the state of an engine or from the first record, and follows. It decides
//! nothing: where it lags, answers of the core are still right.

mod limits;
mod report;
mod size;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use engine::event::session::{TEXT_FIRST, strategy_state, text_chunk};
use engine::event::{
    AnswerCode, BreakerState, Event, KillPhase, Kind, OrderState, Scope, Side, TextTopic,
    TripReason, flags,
};
use engine::instrument::Venue;
use engine::pipeline::Pipeline;
use engine::risk::{Ceilings, Limits, RiskState};
use serde::Deserialize;

use crate::names::Names;

pub use limits::{LimitOf, money_e8_text};
pub(crate) use report::{money_text, worth};
pub use size::{Sizes, Unusual};

/// Longest text of a command that is followed, bytes; ours are shorter.
const TEXT_SIZE_BYTES_MAX: usize = 4096;
/// Commands that may wait for a second person. More than the core keeps.
const WAITING_COUNT_MAX: usize = 256;

/// An order that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkingOrder {
    /// What is traded.
    pub instrument: u16,
    /// Whose it is.
    pub source: u16,
    /// Buy or sell.
    pub side: Side,
    /// Its price.
    pub price: i64,
    /// What can still trade.
    pub leaves: i64,
    /// Where it is in its life.
    pub state: OrderState,
}

/// Who gave a command and why.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Given {
    /// Number of the command.
    #[serde(rename = "command")]
    pub number: u64,
    /// Who.
    pub actor: String,
    /// What.
    pub verb: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// What a scope lets pass, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeState {
    /// What it lets pass.
    pub state: BreakerState,
    /// Why it changed; `None` for reasons of later versions.
    pub reason: Option<TripReason>,
    /// Number of the trip.
    pub trip: u64,
    /// What was measured.
    pub measured: i64,
    /// The limit that was reached.
    pub limit: i64,
    /// When.
    pub since_ns: u64,
    /// The command that did it, if one did.
    pub by: Option<Given>,
}

/// How far a kill or a flatten is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillProgress {
    /// Packed scope.
    pub scope: u32,
    /// How far.
    pub phase: KillPhase,
    /// Orders cancelled so far.
    pub cancelled: i64,
    /// Orders and positions that are left.
    pub left: i64,
    /// Since the command.
    pub elapsed_ns: u64,
    /// When this was told.
    pub at_ns: u64,
}

/// The state of a session.
#[derive(Clone, Debug)]
pub struct View {
    /// What the numbers mean.
    pub names: Names,
    /// Number of the session.
    pub session: u64,
    /// The session is over.
    pub is_ended: bool,
    /// Last record.
    pub sequence: u64,
    /// Event time of the last record.
    pub time_ns: u64,
    /// Net position by strategy and instrument; none is zero.
    pub positions: BTreeMap<(u16, u16), i64>,
    /// Working orders by id.
    pub orders: BTreeMap<u64, WorkingOrder>,
    /// Scopes that are not normal, by tag, and all of them that were not.
    pub scopes: BTreeMap<u32, ScopeState>,
    /// The last kill or flatten.
    pub kill: Option<KillProgress>,
    /// State of the gate, code and tag of the reason.
    pub gate: (RiskState, u32),
    /// By strategy: it may trade.
    pub enabled: Vec<bool>,
    /// Venues that are locked.
    pub locked: BTreeMap<u8, u64>,
    /// Limits as configured: what no command lifts.
    pub configured: Limits,
    /// The compiled ceilings that the configuration names.
    pub ceilings: Option<&'static Ceilings>,
    /// Limits as they are now.
    pub limits: Limits,
    /// Commands that wait for a second person.
    pub waiting: BTreeMap<u64, Given>,
    /// Sizes of this session's orders.
    pub sizes: Sizes,
    text: Vec<u8>,
    given: Option<Given>,
    /// The command whose cascade this is.
    current: Option<Given>,
}

impl View {
    /// Nothing known yet: to be fed from the first record.
    pub fn new(names: Names, configured: Limits) -> View {
        let enabled = vec![true; names.strategies.len()];
        View {
            names,
            session: 0,
            is_ended: false,
            sequence: 0,
            time_ns: 0,
            positions: BTreeMap::new(),
            orders: BTreeMap::new(),
            scopes: BTreeMap::new(),
            kill: None,
            gate: (RiskState::Active, 0),
            enabled,
            locked: BTreeMap::new(),
            limits: configured.clone(),
            configured,
            ceilings: None,
            waiting: BTreeMap::new(),
            sizes: Sizes::default(),
            text: Vec::new(),
            given: None,
            current: None,
        }
    }

    /// The state of an engine between two events, whose limits are configured so.
    pub fn of(pipeline: &Pipeline, configured: Limits) -> View {
        let strategies = pipeline.host().strategies();
        let (names, enabled) =
            strategies.map(|(name, enabled, _)| (name.to_string(), enabled)).unzip();
        let instruments = pipeline.instruments().clone();
        let mut view = View::new(Names { instruments, strategies: names }, configured);
        view.enabled = enabled;
        view.session = pipeline.oms().session();
        view.sequence = pipeline.head();
        view.time_ns = pipeline.time_ns();
        view.gate.0 = pipeline.gate().state();
        for row in pipeline.ledger().rows().filter(|row| row.position.quantity != 0) {
            view.positions.insert((row.source, row.instrument), row.position.quantity);
        }
        for order in pipeline.oms().open_orders() {
            let working = WorkingOrder {
                instrument: order.instrument,
                source: order.source,
                side: order.side(),
                price: order.price,
                leaves: order.leaves(),
                state: order.state,
            };
            view.orders.insert(order.id, working);
        }
        for status in pipeline.control().scopes() {
            let told = ScopeState {
                state: status.state,
                reason: Some(status.reason),
                trip: status.trip,
                measured: 0,
                limit: 0,
                since_ns: status.tripped_ns,
                by: None,
            };
            view.scopes.insert(status.scope.tag(), told);
        }
        let job = pipeline.control().last_job();
        view.kill = KillPhase::from_code(job.phase).map(|phase| KillProgress {
            scope: job.scope.tag(),
            phase,
            cancelled: i64::from(job.orders_cancelled),
            left: i64::from(job.orders_left),
            elapsed_ns: job.job_end_ns.saturating_sub(job.job_start_ns),
            at_ns: job.job_end_ns.max(job.job_start_ns),
        });
        for of in view.limits_of_all() {
            if let Some(value) = pipeline.gate().limit(of.key, of.owner) {
                view.limits.set_value(of.key, of.owner, value);
            }
        }
        for venue in Venue::ALL.into_iter().filter(|venue| pipeline.gate().is_locked(*venue)) {
            view.locked.insert(venue as u8, pipeline.time_ns());
        }
        view
    }

    /// The same with the compiled ceilings that the configuration names.
    #[must_use]
    pub fn under(self, ceilings: Option<&str>) -> View {
        View { ceilings: ceilings.and_then(Ceilings::from_name), ..self }
    }

    /// The next session of the same journal, with what its configuration says.
    pub fn continues(&mut self, names: Names, configured: Limits) {
        self.enabled.resize(names.strategies.len(), true);
        self.limits.clone_from(&configured);
        (self.names, self.configured) = (names, configured);
    }

    /// The strictest state of a scope; nothing told of it is normal.
    pub fn state(&self, scope: Scope) -> BreakerState {
        self.scopes.get(&scope.tag()).map_or(BreakerState::Normal, |it| it.state)
    }

    /// Takes the next record.
    pub fn apply(&mut self, event: &Event) {
        self.sequence = event.sequence;
        self.time_ns = event.time_ns;
        match event.kind {
            Kind::TEXT => self.take_text(event),
            Kind::COMMAND => {
                let given = self.given.take();
                self.current = given.filter(|given| given.number == event.id);
            }
            Kind::SESSION_START => {
                self.session = event.id;
                self.is_ended = false;
                self.sizes = Sizes::default();
                self.current = None;
            }
            Kind::SESSION_END => {
                self.is_ended = true;
                self.current = None;
            }
            Kind::APPROVED => {
                if let Some(instrument) = self.names.instruments.get(event.instrument) {
                    self.sizes.push(instrument.notional(event.price, event.quantity));
                }
            }
            Kind::ORDER => self.order(event),
            Kind::POSITION => {
                let key = (event.source, event.instrument);
                if event.quantity == 0 {
                    self.positions.remove(&key);
                } else {
                    self.positions.insert(key, event.quantity);
                }
            }
            kind if kind.is_inbound() => self.current = None,
            _ => self.control(event),
        }
    }

    fn order(&mut self, event: &Event) {
        let [code, _] = event.code.to_le_bytes();
        let Some(state) = OrderState::from_code(code) else { return };
        if state.is_terminal() {
            self.orders.remove(&event.id);
            return;
        }
        let working = WorkingOrder {
            instrument: event.instrument,
            source: event.source,
            side: event.side(),
            price: event.price,
            leaves: event.quantity,
            state,
        };
        self.orders.insert(event.id, working);
    }

    fn control(&mut self, event: &Event) {
        match event.kind {
            Kind::STRATEGY_STATE => {
                if let Some(enabled) = self.enabled.get_mut(usize::from(event.source)) {
                    *enabled = event.code == strategy_state::ENABLED;
                }
            }
            Kind::RISK_STATE => {
                if let Some(state) = RiskState::from_code(event.code) {
                    self.gate = (state, event.tag);
                }
            }
            Kind::LOCK => {
                let venue = u8::try_from(event.tag).unwrap_or(u8::MAX);
                if event.code == 0 {
                    self.locked.remove(&venue);
                } else {
                    self.locked.entry(venue).or_insert(event.time_ns);
                }
            }
            Kind::BREAKER => self.breaker(event),
            Kind::KILL => {
                if let Some(phase) = KillPhase::from_code(event.code) {
                    self.kill = Some(KillProgress {
                        scope: event.tag,
                        phase,
                        cancelled: event.price,
                        left: event.quantity,
                        elapsed_ns: event.id,
                        at_ns: event.time_ns,
                    });
                }
            }
            Kind::LIMIT => {
                if let Some(of) = self.limit_of(event) {
                    self.limits.set_value(of.key, of.owner, event.quantity);
                }
            }
            Kind::ANSWER => self.answer(event),
            _ => {}
        }
    }

    fn breaker(&mut self, event: &Event) {
        let [code, _] = event.code.to_le_bytes();
        let Some(state) = BreakerState::from_code(u16::from(code)) else { return };
        let reason = TripReason::from_code(event.source);
        self.scopes.insert(
            event.tag,
            ScopeState {
                state,
                reason,
                trip: event.id,
                measured: event.price,
                limit: event.quantity,
                since_ns: event.time_ns,
                by: self.current.clone(),
            },
        );
    }

    fn answer(&mut self, event: &Event) {
        let code = u16::try_from(event.price).ok().and_then(AnswerCode::from_code);
        if code == Some(AnswerCode::NeedsConfirm) {
            let given = self.current.clone().filter(|given| given.number == event.id);
            if let Some(given) = given.filter(|_| self.waiting.len() < WAITING_COUNT_MAX) {
                self.waiting.insert(event.id, given);
            }
        } else {
            self.waiting.remove(&event.id);
        }
    }

    fn take_text(&mut self, event: &Event) {
        if event.code != TextTopic::Command as u16 {
            return;
        }
        if event.source == TEXT_FIRST {
            self.text.clear();
        }
        if TEXT_SIZE_BYTES_MAX < self.text.len() {
            return;
        }
        self.text.extend_from_slice(text_chunk(event));
        if event.has(flags::LAST) {
            self.given = serde_json::from_slice(&self.text).ok();
            self.text.clear();
        }
    }
}
