//! Orders that are not over: which of them are unknown, and which have not been heard of for long.

use engine::event::{Event, OrderState};
use serde::{Deserialize, Serialize};

use super::RuleSettings;
use crate::catalogue::Code;
use crate::notice::Signal;
use crate::subject::Subject;

/// Orders that are followed at once: four times what the engine lets live. The newest beyond are not followed.
const ORDER_COUNT_MAX: usize = 4_096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    id: u64,
    instrument: u16,
    is_unknown: bool,
    /// Since when it is unknown, or was last heard of.
    since_ns: u64,
    sequence: u64,
}

/// The orders, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Orders {
    live: Vec<Order>,
    /// Instruments with an alarm of unknown and of stale orders.
    unknown_told: Vec<u16>,
    stale_told: Vec<u16>,
}

/// The orders of one instrument that are too old.
#[derive(Clone, Copy, Default)]
struct Late {
    count: u32,
    since_ns: u64,
    sequence: u64,
}

impl Orders {
    /// An `ORDER` event.
    pub(crate) fn changed(&mut self, event: &Event, state: OrderState) {
        let found = self.live.binary_search_by_key(&event.id, |order| order.id);
        if state.is_terminal() {
            if let Ok(index) = found {
                self.live.remove(index);
            }
            return;
        }
        let is_unknown = state == OrderState::Unknown;
        let order = Order {
            id: event.id,
            instrument: event.instrument,
            is_unknown,
            since_ns: event.time_ns,
            sequence: event.sequence,
        };
        match found {
            Ok(index) if self.live[index].is_unknown && is_unknown => {}
            Ok(index) => self.live[index] = order,
            Err(index) if self.live.len() < ORDER_COUNT_MAX => self.live.insert(index, order),
            Err(_) => {}
        }
    }

    /// A new engine does not know them before they are told again.
    pub(crate) fn forget(&mut self) {
        self.live.clear();
    }

    /// Orders that are too old, one alarm an instrument.
    pub(crate) fn on_time(&mut self, settings: &RuleSettings, now_ns: u64, out: &mut Vec<Signal>) {
        let Orders { live, unknown_told, stale_told } = self;
        let unknown = (Code::OrderUnknown, settings.order_unknown_ns);
        judge(live, true, unknown, now_ns, unknown_told, out);
        let stale = (Code::OrderStale, settings.order_stale_ns);
        judge(live, false, stale, now_ns, stale_told, out);
    }
}

fn judge(
    live: &[Order],
    is_unknown: bool,
    (code, age_ns_max): (Code, u64),
    now_ns: u64,
    told: &mut Vec<u16>,
    out: &mut Vec<Signal>,
) {
    let mut late: Vec<(u16, Late)> = Vec::new();
    let old = live.iter().filter(|order| {
        order.is_unknown == is_unknown && age_ns_max < now_ns.saturating_sub(order.since_ns)
    });
    for order in old {
        let index = late.iter().position(|(instrument, _)| *instrument == order.instrument);
        let index = index.unwrap_or_else(|| {
            let since_ns = u64::MAX;
            late.push((order.instrument, Late { since_ns, ..Late::default() }));
            late.len() - 1
        });
        let of_instrument = &mut late[index].1;
        of_instrument.count += 1;
        if order.since_ns < of_instrument.since_ns {
            (of_instrument.since_ns, of_instrument.sequence) = (order.since_ns, order.sequence);
        }
    }
    let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    for (instrument, Late { count, since_ns, sequence }) in &late {
        if !told.contains(instrument) {
            told.push(*instrument);
            let age_ns = now_ns.saturating_sub(*since_ns);
            let subject = Subject::Instrument(*instrument);
            let signal = Signal::raise(code, subject, (*sequence, now_ns));
            out.push(signal.with(signed(age_ns), signed(age_ns_max), *count));
        }
    }
    told.retain(|instrument| {
        let is_late = late.iter().any(|(other, _)| other == instrument);
        if !is_late {
            out.push(Signal::clear(code, Subject::Instrument(*instrument), (0, now_ns)));
        }
        is_late
    });
}
