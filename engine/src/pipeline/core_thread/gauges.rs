//! What the core publishes about its state, some dozen times a second: rows, sums, depths.

use super::Core;
use super::measure::Tally;
use crate::event::{BookState, LockReason};
use crate::host::{ThreadProbe, ThreadUsage};
use crate::instrument::InstrumentIndex;
use crate::pipeline::Pipeline;
use crate::risk::RiskState;
use crate::stats::{
    self, CounterId, InstrumentValues, Stall, StatsWriter, StrategyState, StrategyValues,
};

/// Time between two publications of rows: a person sees no more.
const ROW_INTERVAL_NS: u64 = 50_000_000;

/// What must be remembered between two publications.
#[derive(Debug)]
pub(super) struct Gauges {
    rows_ns: u64,
    probe: Option<ThreadProbe>,
    usage: ThreadUsage,
    inbound_depth_max: u64,
    cycle_ns_max: u64,
    /// Records of a segment, a power of two.
    segment_records: u64,
}

impl Gauges {
    pub(super) fn new(core: &Core) -> Gauges {
        let (pipeline, stats) = (&core.pipeline, &core.stats);
        let outbound_pending_max = to_u64(pipeline.gateway().pending_count_max());
        stats.set_limit(CounterId::InboundDepth, core.inbound_depth.limit());
        stats.set_limit(CounterId::OutboundDepth, core.outbound_depth.limit());
        stats.set_limit(CounterId::OutboundHeld, outbound_pending_max);
        stats.set_limit(CounterId::CycleMax, core.settings.cycle_ns_max);
        let segment_records = core.recorder.writer().identity().segment_records;
        stats.set_limit(CounterId::JournalSegmentRecords, segment_records);
        for (index, instrument) in pipeline.instruments().iter() {
            stats.name_instrument(
                usize::from(index),
                &instrument.symbol,
                instrument.venue.name(),
                u32::from(instrument.price_scale),
                u32::from(instrument.quantity_scale),
            );
        }
        for (index, (name, _, _)) in pipeline.host().strategies().enumerate() {
            stats.name_strategy(index, name);
        }
        if let Some(account) = pipeline.gate().account_limits() {
            let unsigned = |money: crate::money::Money| money.to_event().unsigned_abs();
            stats.set_limit(CounterId::OrdersOpen, u64::from(account.orders_open_max));
            stats.set_limit(CounterId::DailyLoss, unsigned(account.loss_daily_max));
            stats.set_limit(CounterId::Drawdown, unsigned(account.drawdown_max));
            stats.set_limit(CounterId::NotionalOpen, unsigned(account.gross_notional_max));
        }
        if let Some(limit) = pipeline.monitor().var_limit_e8() {
            stats.set_limit(CounterId::Var95, limit.unsigned_abs());
        }
        let link_count = to_u64(pipeline.reconcile().venues().count());
        stats.set_limit(CounterId::LinksUp, link_count);
        stats.set_limit(CounterId::VenuesLocked, link_count);
        let probe = ThreadProbe::this_thread().ok();
        Gauges {
            rows_ns: 0,
            usage: probe.as_ref().and_then(|probe| probe.read().ok()).unwrap_or_default(),
            probe,
            inbound_depth_max: 0,
            cycle_ns_max: 0,
            segment_records,
        }
    }

    /// Says why a turn took so long, as far as the kernel knows. Two reads of `/proc`: only after a stall.
    pub(super) fn explain(&mut self, stall: &mut Stall) {
        let Some(usage) = self.probe.as_ref().and_then(|probe| probe.read().ok()) else { return };
        usage.explain(&self.usage, stall);
        self.usage = usage;
    }

    pub(super) fn cycle(&mut self, turn_ns: u64) {
        self.cycle_ns_max = self.cycle_ns_max.max(turn_ns);
    }

    pub(super) fn publish(&mut self, core: &Core, tally: &Tally, now_ns: u64) {
        let (pipeline, stats) = (&core.pipeline, &core.stats);
        let depth = core.inbound_depth.get();
        self.inbound_depth_max = self.inbound_depth_max.max(depth);
        let journal = core.recorder.writer().status();
        for (id, value) in [
            (CounterId::InboundPublished, core.inbound_depth.published()),
            (CounterId::InboundDepth, depth),
            (CounterId::InboundDepthMax, self.inbound_depth_max),
            (CounterId::OutboundDepth, core.outbound_depth.get()),
            (CounterId::OutboundPublished, pipeline.gateway().released_count()),
            (CounterId::OutboundFull, pipeline.gateway().ring_full_count()),
            (CounterId::OutboundHeld, to_u64(pipeline.gateway().pending_count())),
            (CounterId::JournalAppended, journal.appended),
            (CounterId::JournalBytes, journal.appended.saturating_mul(64)),
            (CounterId::JournalSegmentRecords, journal.appended & (self.segment_records - 1)),
            (CounterId::OrdersOpen, to_u64(pipeline.oms().open_count())),
            (CounterId::EventTime, pipeline.time_ns()),
            (CounterId::CycleMax, self.cycle_ns_max),
            (CounterId::TradingState, trading_state(pipeline)),
        ] {
            stats.set(id, value);
        }
        let handle = stats.handle();
        handle.set(CounterId::JournalSynced, journal.synced);
        handle.set(CounterId::JournalSegments, journal.segments);
        handle.set(CounterId::JournalDiskFree, journal.free_bytes);
        handle.set(CounterId::JournalErrors, journal.helper_failures);
        if self.rows_ns + ROW_INTERVAL_NS <= now_ns {
            self.rows_ns = now_ns;
            publish_feed(pipeline, stats);
            publish_money(pipeline, stats);
            publish_monitor(pipeline, stats);
            publish_links(pipeline, stats);
            publish_control(pipeline, stats);
            publish_instruments(pipeline, stats);
            publish_strategies(pipeline, stats, tally);
        }
    }
}

fn publish_strategies(pipeline: &Pipeline, stats: &StatsWriter, tally: &Tally) {
    for (index, (_, enabled, _)) in pipeline.host().strategies().enumerate() {
        let Ok(source) = u16::try_from(index) else { continue };
        let totals = pipeline.ledger().totals(pipeline.market(), |row| row.source == source);
        let counts = tally.strategies.get(index).copied().unwrap_or_default();
        let state = if enabled { StrategyState::Enabled } else { StrategyState::Disabled };
        stats.update_strategy(
            index,
            &StrategyValues {
                state,
                intents: counts.intents,
                refused: counts.refused,
                orders: counts.orders,
                fills: counts.fills,
                realised_e8: totals.realised.to_event(),
                unrealised_e8: totals.unrealised.to_event(),
                fees_e8: totals.fees.to_event(),
            },
        );
    }
}

fn to_u64(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn trading_state(pipeline: &Pipeline) -> u64 {
    match pipeline.gate().state() {
        RiskState::Active => 0,
        RiskState::Reducing => 1,
        RiskState::Halted => 2,
    }
}

fn publish_feed(pipeline: &Pipeline, stats: &StatsWriter) {
    let counters = pipeline.feed().counters();
    stats.set(CounterId::FeedGaps, counters.iter().map(|c| c.gap_count).sum());
    stats.set(CounterId::BooksResynced, counters.iter().map(|c| c.snapshot_count).sum());
    let bad = pipeline.market().iter().filter(|(_, market)| !market.is_live()).count();
    stats.set(CounterId::BooksBad, to_u64(bad));
    stats.set_limit(CounterId::BooksBad, to_u64(counters.len()));
}

fn publish_links(pipeline: &Pipeline, stats: &StatsWriter) {
    let (mut up, mut locked, mut mask, mut differing) = (0, 0, 0_u64, 0);
    for status in pipeline.reconcile().venues() {
        up += u64::from(status.is_link_up);
        if status.lock != LockReason::None {
            locked += 1;
            mask |= 1 << status.venue.index();
        }
        differing += to_u64(status.balances_differing);
    }
    for (id, value) in [
        (CounterId::LinksUp, up),
        (CounterId::VenuesLocked, locked),
        (CounterId::VenuesLockedMask, mask),
        (CounterId::BalancesDiffering, differing),
    ] {
        stats.set(id, value);
    }
}

fn publish_control(pipeline: &Pipeline, stats: &StatsWriter) {
    let control = pipeline.control();
    let (trip, job) = (control.last_trip(), control.last_job());
    let (safe, killed) = control.held_counts();
    let end_ns = if job.job_end_ns == 0 { pipeline.time_ns() } else { job.job_end_ns };
    let elapsed_ns = if job.phase == 0 { 0 } else { end_ns.saturating_sub(job.job_start_ns) };
    for (id, value) in [
        (CounterId::BreakerState, u64::from(control.state().code())),
        (CounterId::ScopesSafe, safe),
        (CounterId::ScopesKilled, killed),
        (CounterId::TripNumber, trip.trip),
        (CounterId::TripReason, if trip.trip == 0 { 0 } else { u64::from(trip.reason.code()) }),
        (CounterId::TripTime, trip.tripped_ns),
        (CounterId::TripScope, u64::from(trip.scope.tag())),
        (CounterId::KillPhase, u64::from(job.phase)),
        (CounterId::KillCancelled, u64::from(job.orders_cancelled)),
        (CounterId::KillOrdersLeft, u64::from(job.orders_left)),
        (CounterId::KillElapsed, elapsed_ns),
        (CounterId::PositionsOpen, to_u64(control.positions_open_count())),
    ] {
        stats.set(id, value);
    }
}

fn publish_money(pipeline: &Pipeline, stats: &StatsWriter) {
    let totals = pipeline.ledger().totals(pipeline.market(), |_| true);
    let gate = pipeline.gate();
    let drawdown = gate.equity_peak().minus(gate.equity());
    let loss = crate::money::Money::ZERO.minus(gate.day_profit());
    for (id, money) in [
        (CounterId::PnlRealised, totals.realised),
        (CounterId::PnlUnrealised, totals.unrealised),
        (CounterId::Fees, totals.fees),
        (CounterId::Drawdown, drawdown),
        (CounterId::DailyLoss, loss.max(crate::money::Money::ZERO)),
        (CounterId::NotionalOpen, gate.gross_notional()),
    ] {
        stats.set_signed(id, money.to_event());
    }
    let unknown = pipeline
        .oms()
        .open_orders()
        .filter(|order| order.state == crate::event::OrderState::Unknown)
        .count();
    stats.set(CounterId::OrdersUnknown, to_u64(unknown));
}

fn publish_monitor(pipeline: &Pipeline, stats: &StatsWriter) {
    let monitor = pipeline.monitor();
    let Some(figures) = monitor.figures() else { return };
    stats.set_signed(CounterId::Equity, figures.equity);
    if let Some(tail) = figures.tail {
        stats.set_signed(CounterId::Var95, tail.var_95.historical);
        stats.set_signed(CounterId::Cvar95, tail.cvar_95.historical);
    }
    stats.set(CounterId::RiskMode, u64::from(monitor.mode().code()));
}

fn publish_instruments(pipeline: &Pipeline, stats: &StatsWriter) {
    for (index, market) in pipeline.market().iter() {
        let totals = pipeline.ledger().totals(pipeline.market(), |row| row.instrument == index);
        let position = pipeline.gate().exposure(index).map_or(0, |exposure| exposure.position);
        let orders = pipeline.oms().open_orders().filter(|order| order.instrument == index).count();
        stats.update_instrument(
            usize::from(index),
            &InstrumentValues {
                bid_price: market.top.bid_price,
                bid_quantity: market.top.bid_quantity,
                ask_price: market.top.ask_price,
                ask_quantity: market.top.ask_quantity,
                state: book_state(market.state),
                position,
                average_price: average_price(pipeline, index),
                realised_e8: totals.realised.to_event(),
                unrealised_e8: totals.unrealised.to_event(),
                last_price: market.trade_price,
                last_quantity: market.trade_quantity,
                updated_ns: market.heard_ns,
                orders_open: to_u64(orders),
            },
        );
    }
}

/// Average entry price over all strategies, for show: cost of what is held by its quantity.
fn average_price(pipeline: &Pipeline, index: InstrumentIndex) -> i64 {
    let Some(instrument) = pipeline.instruments().get(index) else { return 0 };
    let held = pipeline.ledger().rows().filter(|row| row.instrument == index);
    let (basis, quantity) = held.fold((0_i128, 0_i128), |(basis, quantity), row| {
        (basis + row.position.basis.0, quantity + i128::from(row.position.quantity))
    });
    let unit = instrument.notional(1, 1).0;
    if quantity == 0 || unit == 0 {
        return 0;
    }
    i64::try_from(basis / unit / quantity).unwrap_or(0)
}

fn book_state(state: BookState) -> stats::BookState {
    match state {
        BookState::Empty => stats::BookState::Empty,
        BookState::Live => stats::BookState::Live,
        BookState::Gap => stats::BookState::Resyncing,
        BookState::Stale | BookState::Down => stats::BookState::Stale,
        BookState::Crossed => stats::BookState::Crossed,
    }
}
