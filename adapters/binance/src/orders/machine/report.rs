//! Execution reports: each told once, whatever order they come in and by whatever connection.
//!
//! Reports are known by their execution id `I`, fills by their trade id `t`; `t` is also what queries and
//! pulls tell, so that a fill is booked once however it is heard.

use engine::event::order::{Execution, fill_report};
use engine::event::{FeeCode, Side};

use crate::answer::{OrderFacts, TradeFacts};
use crate::orders::client_id::ClientId;
use crate::orders::tracked::Tracked;
use crate::user::{Report, ReportFacts};

use super::{Courier, Machine, Sample};

/// Scale of commissions.
const FEE_SCALE: u8 = 8;

impl Machine {
    pub(super) fn on_report(
        &mut self,
        report: &Report<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let Some(index) = self.listing_named(report.symbol()) else {
            self.counters.strangers += 1;
            return;
        };
        let listing = &self.listings[index];
        let Ok(facts) = report.facts(listing.price_scale, listing.quantity_scale) else {
            self.counters.garbage += 1;
            return;
        };
        if !self.reports_seen.insert((listing.instrument, facts.execution_id)) {
            self.counters.duplicates += 1;
            return;
        }
        self.on_report_facts(index, &facts, now_ns, courier);
    }

    fn on_report_facts(
        &mut self,
        index: usize,
        facts: &ReportFacts<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let instrument = self.listings[index].instrument;
        let named = facts.name.filter(|name| self.is_ours(name));
        let named = named.map(|name| (name.order_id, name.generation));
        let known = self.venue_ids.get(&(instrument, facts.venue_id)).copied();
        let Some((order, generation)) = known.or(named) else {
            self.counters.strangers += 1;
            return;
        };
        let told = facts.fill.map_or(0, |fill| fill.quantity);
        self.learn(
            (order, generation),
            instrument,
            facts.side,
            facts.executed.saturating_sub(told),
        );
        let noted = OrderFacts {
            venue_id: facts.venue_id,
            name: facts.name,
            side: Some(facts.side),
            price: Some(facts.price),
            quantity: Some(facts.quantity),
            executed: Some(facts.executed),
            status: Some(facts.status),
        };
        self.note_facts((order, generation), &noted);
        if let Some(fill) = &facts.fill {
            let trade = TradeFacts {
                trade_id: fill.trade_id,
                side: facts.side,
                price: fill.price,
                quantity: fill.quantity,
                commission_e8: fill.commission_e8,
                commission_asset: fill.commission_asset,
                maker: fill.maker,
            };
            self.tell_fill((order, generation), index, &trade, now_ns);
        }
        self.settle(order, now_ns, courier);
    }

    /// Whether the name is one that this engine gives.
    pub(super) fn is_ours(&self, name: &ClientId) -> bool {
        name.order_id >> 56 == u64::from(self.engine)
            && name.generation <= self.rules.generation_max
    }

    /// Makes what is not known of an order of ours; `told` is what of it was told in an earlier life.
    pub(super) fn learn(
        &mut self,
        (order, generation): (u64, u16),
        instrument: u16,
        side: Side,
        told: i64,
    ) {
        let start_ms = self.venue_ms(self.start_ns);
        let tracked = self.orders.get_or_make(order, || Tracked::new(instrument, side));
        if tracked.leg(generation).is_none() {
            tracked.side = side;
            let leg = tracked.learn(generation, start_ms);
            leg.told = told.max(0);
        }
    }

    /// Tells a fill, once.
    pub(super) fn tell_fill(
        &mut self,
        (order, generation): (u64, u16),
        index: usize,
        trade: &TradeFacts<'_>,
        now_ns: u64,
    ) {
        let instrument = self.listings[index].instrument;
        let is_new = self.trades_seen.insert((instrument, trade.trade_id));
        let Some(tracked) = self.orders.get_mut(order) else { return };
        let Some(leg) = tracked.leg_mut(generation) else { return };
        if !is_new {
            self.counters.duplicates += 1;
            return;
        }
        let told = leg.told.saturating_add(trade.quantity);
        // Of a leg that was found underway it is not known which of its fills were told.
        leg.told = if leg.learned { told.min(leg.executed.max(trade.quantity)) } else { told };
        leg.executed = leg.executed.max(leg.told);
        let cumulative_quantity = tracked.told();
        let (sent_ns, signal_ns) = (tracked.sent_ns, tracked.signal_ns);
        let (code, fee) = self.fee(index, trade);
        let execution = Execution {
            order_id: order,
            side: trade.side,
            price: trade.price,
            quantity: trade.quantity,
            cumulative_quantity,
            fee_e8: fee,
            execution_id: trade.trade_id,
            maker: trade.maker,
        };
        self.counters.fills += 1;
        // Of an order that rested the time says how long the market took, not how long we did.
        if !trade.maker && generation == 1 && sent_ns != 0 {
            self.sample(Sample::WireToFill(now_ns.saturating_sub(sent_ns)));
            self.sample(Sample::TickToFill(now_ns.saturating_sub(signal_ns)));
        }
        let [first, mut detail] = fill_report(instrument, &execution);
        detail.code = code as u16;
        self.outbox.push(first, now_ns);
        self.outbox.push(detail, now_ns);
    }

    /// In what the fee was paid, and how much in the unit of that. What of a fee in kind is less than a
    /// unit is carried to the next, so that the sum is right.
    fn fee(&mut self, index: usize, trade: &TradeFacts<'_>) -> (FeeCode, i64) {
        let listing = &self.listings[index];
        let asset = trade.commission_asset;
        if trade.commission_e8 == 0 || asset == listing.quote {
            return (FeeCode::Account, trade.commission_e8);
        }
        if asset != listing.base {
            return (FeeCode::Foreign, trade.commission_e8);
        }
        let Some(finer) = FEE_SCALE.checked_sub(listing.quantity_scale) else {
            let factor = 10i64.pow(u32::from(listing.quantity_scale - FEE_SCALE));
            return (FeeCode::InKind, trade.commission_e8.saturating_mul(factor));
        };
        let unit_e8 = 10i64.pow(u32::from(finer));
        let rest = &mut self.in_kind_rest_e8[index];
        *rest = rest.saturating_add(trade.commission_e8);
        let units = rest.div_euclid(unit_e8);
        *rest = rest.rem_euclid(unit_e8);
        (FeeCode::InKind, units)
    }
}
