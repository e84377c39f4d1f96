//! Stage 6, reconcile: whether engine and venue agree, and who may send while they do not.
//!
//! ```text
//!   session start, link up, link down --> [ reconcile ] --lock 1--> risk
//!   link up, clock                    -->      |        --send pull--> gateway --> adapter
//!   pull-begin, balances, pull-end    -->      |        --baseline, difference, anomaly--> journal
//!   order, fill, fee, difference      -->      +        --lock 0--> risk
//!
//!            link up                 pull clean, no order unknown
//!   [ locked ] ----> [ pulling ] -----------------------------------> [ open ] --periodic pull--+
//!       ^                |   ^ retry, attempts_max times                  |  ^                  |
//!       |                +---+                                            |  +------ clean -----+
//!       +---- link down, session start, balances differ after every attempt --------------------+
//! ```
//! What a balance should be is the baseline (what is not the engine's doing, journaled at the first
//! pull) plus what the engine's fills and fees did to it. Orders are the OMS's part of a pull; this
//! stage hears of them by `ORDER` (unknown ones) and `DIFFERENCE`.
//!
//! **Invariant:** the stage owns its numbers: positions from `FILL`, cash from `FILL` and `FEE`, unknown
//! orders from `ORDER`. It never asks another stage a question.
//!
//! **Invariant:** a venue is unlocked only when its link is up, a whole pull was clean since it was
//! locked, and no order there is unknown.
//!
//! **Invariant:** without a configured venue the stage decides nothing and is no part of a state hash.

mod asset;
mod save;
#[cfg(test)]
mod tests;

use crate::event::kind::KindSet;
use crate::event::{
    BalanceCode, CommandCode, Event, Kind, LinkCode, LockReason, OrderState, PullReason, flags,
};
use crate::instrument::{InstrumentTable, VENUE_COUNT_MAX, Venue};
use crate::money::Money;
use crate::ring::Emitter;
use crate::state::mix;

use asset::{Assets, Run};

/// `code` of an `ANOMALY`, 200 to 299, never renumbered: balances differ after every attempt; the venue
/// stays locked. Measured: how many; expected: 0.
pub const ANOMALY_BALANCES: u16 = 200;
/// `code` of an `ANOMALY`: a balance of an instrument or in a unit that does not exist. Measured: the
/// unit's code.
pub const ANOMALY_BAD_ROW: u16 = 201;

/// Settings of the reconciler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconcileConfig {
    /// Venues that have a link; none: nothing is ever locked or pulled.
    pub venues: Vec<Venue>,
    /// Difference of a traded asset's balance that is let go, in quantity units.
    pub tolerance_base: i64,
    /// Difference of a quote asset's balance that is let go, in units of 10^-8.
    pub tolerance_quote_e8: i64,
    /// Event time between a clean pull and the next one.
    pub interval_ns: u64,
    /// Event time between a pull that failed or differed and the next one.
    pub retry_ns: u64,
    /// Event time after which a pull is given up and asked for again.
    pub timeout_ns: u64,
    /// Pulls in a row that may differ; fills and balances race. At least 1.
    pub attempts_max: u32,
    /// A live order without a word for that long is asked for, then cancelled; 0 for never.
    pub stale_order_ns: u64,
    /// Event time between two searches for such orders.
    pub sweep_interval_ns: u64,
}

impl Default for ReconcileConfig {
    fn default() -> ReconcileConfig {
        ReconcileConfig {
            venues: Vec::new(),
            tolerance_base: 0,
            tolerance_quote_e8: 100,
            interval_ns: 60_000_000_000,
            retry_ns: 1_000_000_000,
            timeout_ns: 10_000_000_000,
            attempts_max: 5,
            stale_order_ns: 900_000_000_000,
            sweep_interval_ns: 300_000_000_000,
        }
    }
}

/// Where the present pull of a venue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Nothing was asked for.
    #[default]
    Idle = 0,
    /// Asked for, no row yet.
    Asked = 1,
    /// Rows come in.
    Rows = 2,
}

/// What is known of one venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Desk {
    is_configured: bool,
    is_link_up: bool,
    /// `LockReason::None`: not locked.
    lock: LockReason,
    /// A whole pull was clean since the venue was locked.
    is_clean: bool,
    phase: Phase,
    /// Number of the newest pull; 0 before the first.
    pull: u64,
    /// Pulls in a row that differed.
    attempt_count: u32,
    /// Event time of the next pull, and why; 0 for none.
    next_ns: u64,
    next_reason: PullReason,
    /// Orders whose fate is unknown.
    unknown_count: i64,
    /// Differences told in the present pull.
    told_count: u32,
    run: Run,
}

impl Desk {
    const NEW: Desk = Desk {
        is_configured: false,
        is_link_up: false,
        lock: LockReason::None,
        is_clean: false,
        phase: Phase::Idle,
        pull: 0,
        attempt_count: 0,
        next_ns: 0,
        next_reason: PullReason::Periodic,
        unknown_count: 0,
        told_count: 0,
        run: Run::NONE,
    };

    fn may_unlock(&self) -> bool {
        self.lock != LockReason::None && self.is_link_up && self.is_clean && self.unknown_count <= 0
    }
}

/// A venue's state, for stats and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueStatus {
    /// Which one.
    pub venue: Venue,
    /// Whether its link is up.
    pub is_link_up: bool,
    /// Why it is locked; `LockReason::None` when it is not.
    pub lock: LockReason,
    /// Number of the newest pull.
    pub pull: u64,
    /// Orders whose fate is unknown.
    pub unknown_count: i64,
    /// Balances that differed in the last whole pull.
    pub balances_differing: usize,
}

/// Stage 6.
#[derive(Debug)]
pub struct Reconcile {
    config: ReconcileConfig,
    instruments: InstrumentTable,
    /// By [`Venue::index`].
    desks: [Desk; VENUE_COUNT_MAX],
    assets: Assets,
    /// A fee in kind was taken from the position: the `FEE` that follows is no cash.
    is_fee_in_kind: bool,
    /// What may have made an unlock possible; looked at when everything of the round was seen.
    due: Option<Event>,
}

impl Reconcile {
    /// Kinds that the stage looks at.
    pub const INTEREST: KindSet = KindSet::of(&[
        Kind::FILL,
        Kind::FEE,
        Kind::ORDER,
        Kind::LINK,
        Kind::VENUE_BALANCE,
        Kind::DIFFERENCE,
        Kind::CLOCK,
        Kind::COMMAND,
        Kind::SESSION_START,
    ]);

    /// A reconciler that has seen nothing.
    pub fn new(config: ReconcileConfig, instruments: InstrumentTable) -> Reconcile {
        assert!(1 <= config.attempts_max);
        let mut desks = [Desk::NEW; VENUE_COUNT_MAX];
        for venue in &config.venues {
            desks[venue.index()].is_configured = true;
        }
        let assets = Assets::new(instruments.count());
        Reconcile { config, instruments, desks, assets, is_fee_in_kind: false, due: None }
    }

    /// Whether any venue is configured.
    pub fn is_active(&self) -> bool {
        !self.config.venues.is_empty()
    }

    /// The configured venues' states.
    pub fn venues(&self) -> impl Iterator<Item = VenueStatus> {
        self.config.venues.iter().map(|venue| {
            let desk = &self.desks[venue.index()];
            VenueStatus {
                venue: *venue,
                is_link_up: desk.is_link_up,
                lock: desk.lock,
                pull: desk.pull,
                unknown_count: desk.unknown_count,
                balances_differing: self.assets.open_count(*venue, &self.instruments),
            }
        })
    }

    /// Handles one event.
    #[inline]
    pub fn apply(&mut self, event: &Event, out: &mut Emitter<'_>) {
        match event.kind {
            Kind::FILL => self.fill(event),
            Kind::FEE => self.fee(event),
            Kind::ORDER => self.order(event),
            Kind::CLOCK if self.is_active() => self.clock(event, out),
            Kind::LINK => self.link(event, out),
            Kind::VENUE_BALANCE => self.balance(event, out),
            Kind::DIFFERENCE => self.count_difference(event),
            Kind::COMMAND if event.code == CommandCode::AcceptBalances as u16 => {
                self.accept(event, out);
            }
            Kind::SESSION_START => self.session_start(out),
            _ => {}
        }
    }

    /// Whether [`Reconcile::settle`] has something to look at, and what led to it.
    #[inline]
    pub fn take_due(&mut self) -> Option<Event> {
        self.due.take()
    }

    /// Unlocks what may be unlocked, once everything of the round was seen: the end of a pull alone
    /// does not tell what the OMS makes of it.
    #[cold]
    pub fn settle(&mut self, out: &mut Emitter<'_>) {
        for venue in Venue::ALL {
            if self.desks[venue.index()].may_unlock() {
                self.tell_lock(venue, LockReason::None, out);
            }
        }
    }

    // The engine's side.

    #[inline]
    fn fill(&mut self, event: &Event) {
        let Some(instrument) = self.instruments.get(event.instrument) else { return };
        let signed = event.side().sign().saturating_mul(event.quantity);
        self.is_fee_in_kind = event.has(flags::IN_KIND);
        let paid = if self.is_fee_in_kind {
            Money::ZERO
        } else {
            instrument.notional(event.price, signed)
        };
        self.assets.flow(event.instrument, signed, Money::ZERO.minus(paid));
    }

    #[inline]
    fn fee(&mut self, event: &Event) {
        if self.instruments.get(event.instrument).is_some() && !self.is_fee_in_kind {
            let paid = Money::from_event(event.quantity);
            self.assets.flow(event.instrument, 0, Money::ZERO.minus(paid));
        }
        self.is_fee_in_kind = false;
    }

    #[inline]
    fn order(&mut self, event: &Event) {
        let Some(instrument) = self.instruments.get(event.instrument) else { return };
        let [state, before] = event.code.to_le_bytes();
        let unknown = OrderState::Unknown.code();
        if (state == unknown) == (before == unknown) {
            return;
        }
        let desk = &mut self.desks[instrument.venue.index()];
        desk.unknown_count += if state == unknown { 1 } else { -1 };
        if desk.unknown_count == 0 && desk.lock != LockReason::None {
            self.due = Some(*event);
        }
    }

    // The venue's side.

    fn session_start(&mut self, out: &mut Emitter<'_>) {
        for venue in Venue::ALL {
            let desk = &mut self.desks[venue.index()];
            if desk.is_configured {
                desk.is_link_up = false;
                desk.stop_pulling();
                self.tell_lock(venue, LockReason::Start, out);
            } else if desk.lock != LockReason::None {
                // A session before had a link there; nobody would ever unlock it.
                self.tell_lock(venue, LockReason::None, out);
            }
        }
    }

    fn link(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let venue = u8::try_from(event.tag).ok().and_then(Venue::from_code);
        let (Some(venue), Some(code)) = (venue, LinkCode::from_code(event.code)) else { return };
        let desk = &mut self.desks[venue.index()];
        if !desk.is_configured {
            return;
        }
        let is_mine = desk.phase != Phase::Idle && event.id == desk.pull;
        match code {
            LinkCode::Up => {
                desk.is_link_up = true;
                desk.attempt_count = 0;
                desk.stop_pulling();
                self.tell_lock(venue, LockReason::LinkUp, out);
                self.pull(venue, PullReason::LinkUp, out);
            }
            LinkCode::Down => {
                desk.is_link_up = false;
                desk.stop_pulling();
                self.tell_lock(venue, LockReason::LinkDown, out);
            }
            LinkCode::PullBegin if is_mine => {
                desk.phase = Phase::Rows;
                desk.told_count = 0;
                desk.run = Run::NONE;
                self.assets.begin(venue, &self.instruments);
            }
            LinkCode::PullEnd if is_mine && desk.phase == Phase::Rows => {
                self.end_pull(venue, event, out);
            }
            LinkCode::PullFailed if is_mine => {
                desk.stop_pulling();
                desk.next_ns = event.time_ns.saturating_add(self.config.retry_ns).max(1);
                desk.next_reason = PullReason::Failed;
            }
            LinkCode::PullBegin | LinkCode::PullEnd | LinkCode::PullFailed => {}
        }
    }

    fn end_pull(&mut self, venue: Venue, event: &Event, out: &mut Emitter<'_>) {
        let open_count = self.assets.open_count(venue, &self.instruments);
        let desk = &mut self.desks[venue.index()];
        desk.stop_pulling();
        if open_count == 0 {
            desk.attempt_count = 0;
            desk.is_clean = true;
            desk.next_in(event, self.config.interval_ns, PullReason::Periodic);
            self.due = Some(*event);
            return;
        }
        desk.attempt_count = desk.attempt_count.saturating_add(1);
        if desk.attempt_count < self.config.attempts_max {
            desk.next_in(event, self.config.retry_ns, PullReason::Retry);
            return;
        }
        desk.next_in(event, self.config.interval_ns, PullReason::Periodic);
        if desk.lock == LockReason::Balances {
            return; // Told before; it stays as it is.
        }
        self.tell_open(venue, out);
        self.tell_lock(venue, LockReason::Balances, out);
        let mut alarm = Event::new(Kind::ANOMALY);
        alarm.code = ANOMALY_BALANCES;
        alarm.price = i64::try_from(open_count).unwrap_or(i64::MAX);
        alarm.tag = u32::from(venue as u8);
        alarm.flags = flags::LAST;
        out.emit(alarm);
    }

    fn balance(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let venue = u8::try_from(event.tag).ok().and_then(Venue::from_code);
        let Some(venue) = venue.filter(|venue| self.desks[venue.index()].is_configured) else {
            return;
        };
        let instrument = self.instruments.get(event.instrument).filter(|i| i.venue == venue);
        let (Some(instrument), Some(code)) = (instrument, BalanceCode::from_code(event.code))
        else {
            let mut anomaly = Event::new(Kind::ANOMALY);
            anomaly.code = ANOMALY_BAD_ROW;
            anomaly.instrument = event.instrument;
            anomaly.price = i64::from(event.code);
            anomaly.flags = flags::LAST;
            out.emit(anomaly);
            return;
        };
        let desk = &mut self.desks[venue.index()];
        if desk.phase != Phase::Rows {
            return;
        }
        let flow = self.assets.flow_of(event.instrument, code, instrument.quantity_scale);
        desk.run.add(event, code, flow);
        if !event.is_last() {
            return;
        }
        let run = std::mem::replace(&mut desk.run, Run::NONE);
        self.compare(venue, &run, out);
    }

    /// A whole run was heard: what the venue has of an asset.
    fn compare(&mut self, venue: Venue, run: &Run, out: &mut Emitter<'_>) {
        let Some(instrument) = self.instruments.get(run.instrument) else { return };
        let unit = asset::unit(run.code, instrument.quantity_scale);
        let told = i128::from(run.total).saturating_mul(unit);
        let share = told.saturating_sub(run.flow);
        let Some(baseline) = self.assets.baseline(run.instrument, run.code) else {
            self.assets.set_baseline(run.instrument, run.code, share);
            out.emit(run.baseline_event(venue, 0, asset::floored(share, unit)));
            return;
        };
        let difference = share.saturating_sub(baseline);
        let tolerance = match run.code {
            BalanceCode::Base => self.config.tolerance_base,
            BalanceCode::Quote => self.config.tolerance_quote_e8,
        };
        if difference.saturating_abs() <= i128::from(tolerance).saturating_mul(unit) {
            return;
        }
        let ours = asset::floored(baseline.saturating_add(run.flow), unit);
        self.assets.open(run, share, ours);
        out.emit(run.difference_event(venue, ours, run.total));
    }

    /// The differences that are left after every attempt, once more and for good.
    fn tell_open(&self, venue: Venue, out: &mut Emitter<'_>) {
        for open in self.assets.opens(venue, &self.instruments) {
            let mut event = open.run.difference_event(venue, open.ours, open.run.total);
            event.flags |= flags::FINAL;
            out.emit(event);
        }
    }

    fn count_difference(&mut self, event: &Event) {
        let venue = u8::try_from(event.tag).ok().and_then(Venue::from_code);
        if let Some(venue) = venue
            && !event.has(flags::FINAL)
        {
            let desk = &mut self.desks[venue.index()];
            desk.told_count = desk.told_count.saturating_add(1);
        }
    }

    // Commands, time, words.

    /// An operator takes the venue's side; a pull then shows whether that is all.
    fn accept(&mut self, event: &Event, out: &mut Emitter<'_>) {
        for venue in Venue::ALL {
            let is_meant = event.tag == 0 || event.tag == u32::from(venue as u8);
            if !is_meant || !self.desks[venue.index()].is_configured {
                continue;
            }
            for index in 0..self.assets.count() {
                let Some(open) = self.assets.open_at(index, venue, &self.instruments) else {
                    continue;
                };
                let Some(instrument) = self.instruments.get(open.run.instrument) else { continue };
                let unit = asset::unit(open.run.code, instrument.quantity_scale);
                let before = self.assets.accept(index).unwrap_or(0);
                let (before, now) =
                    (asset::floored(before, unit), asset::floored(open.share, unit));
                out.emit(open.run.baseline_event(venue, before, now));
            }
            if self.desks[venue.index()].is_link_up {
                self.desks[venue.index()].attempt_count = 0;
                self.pull(venue, PullReason::Accepted, out);
            }
        }
    }

    fn clock(&mut self, event: &Event, out: &mut Emitter<'_>) {
        for venue in Venue::ALL {
            let desk = &self.desks[venue.index()];
            if desk.is_link_up && desk.next_ns != 0 && desk.next_ns <= event.time_ns {
                let reason = desk.next_reason;
                self.pull(venue, reason, out);
            }
        }
    }

    /// Asks for everything; one that is not answered in time is asked for again under a new number.
    fn pull(&mut self, venue: Venue, reason: PullReason, out: &mut Emitter<'_>) {
        let desk = &mut self.desks[venue.index()];
        desk.phase = Phase::Asked;
        desk.pull += 1;
        desk.next_ns = out.time_ns().saturating_add(self.config.timeout_ns).max(1);
        desk.next_reason = PullReason::Failed;
        let mut event = Event::new(Kind::SEND_PULL);
        event.code = reason.code();
        event.id = desk.pull;
        event.tag = u32::from(venue as u8);
        event.flags = flags::LAST;
        out.emit(event);
    }

    fn tell_lock(&mut self, venue: Venue, reason: LockReason, out: &mut Emitter<'_>) {
        let desk = &mut self.desks[venue.index()];
        desk.lock = reason;
        desk.is_clean = false;
        let mut event = Event::new(Kind::LOCK);
        event.code = u16::from(reason != LockReason::None);
        event.price = i64::from(reason.code());
        event.quantity = i64::from(desk.told_count);
        event.id = desk.pull;
        event.tag = u32::from(venue as u8);
        event.flags = flags::LAST;
        out.emit(event);
    }

    /// Hash of everything that later decisions depend on; 0 while no venue is configured.
    pub fn digest(&self) -> u64 {
        if !self.is_active() {
            return 0;
        }
        let mut hash = self.assets.digest();
        for desk in self.desks.iter().filter(|desk| **desk != Desk::NEW) {
            hash = mix(hash, u64::from(desk.is_link_up) | (u64::from(desk.is_clean) << 1));
            hash = mix(hash, u64::from(desk.lock.code()) | (u64::from(desk.phase as u8) << 16));
            hash = mix(mix(hash, desk.pull), u64::from(desk.attempt_count));
            hash = mix(mix(hash, desk.next_ns), u64::from(desk.next_reason.code()));
            hash = mix(hash, desk.unknown_count.cast_unsigned());
            hash = mix(hash, u64::from(desk.told_count));
            hash = mix(hash, desk.run.digest());
        }
        hash
    }
}

impl Desk {
    fn stop_pulling(&mut self) {
        self.phase = Phase::Idle;
        self.next_ns = 0;
        self.run = Run::NONE;
    }

    fn next_in(&mut self, event: &Event, wait_ns: u64, reason: PullReason) {
        self.next_ns = event.time_ns.saturating_add(wait_ns).max(1);
        self.next_reason = reason;
    }
}
