//! What breakers and kills mean for orders: which are cancelled, and which once more.

use super::Oms;
use super::order::Order;
use crate::event::{BreakerState, Event, Kind, OrderState, OrderTerms, Scope, TripReason, flags};
use crate::ring::Emitter;

impl Oms {
    fn is_in(&self, scope: Scope, order: &Order) -> bool {
        let venue =
            self.instruments.get(order.instrument).map_or(0, |instrument| instrument.venue as u8);
        let own = u16::try_from(self.strategy_count).unwrap_or(u16::MAX);
        scope.covers(venue, order.source.min(own), order.instrument)
    }

    /// A scope became SAFE: what may open a position is cancelled there. Of a pause everything is. A
    /// scope that is killed is cancelled by the kill.
    pub(super) fn breaker(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let [state, before] = event.code.to_le_bytes();
        let is_safe = u16::from(state) == BreakerState::Safe.code()
            && u16::from(before) == BreakerState::Normal.code();
        let Some(scope) = Scope::from_tag(event.tag).filter(|_| is_safe) else { return };
        let is_paused = event.source == TripReason::Paused.code();
        self.cancel_in(scope, out, |order, is_covered| {
            is_covered && (is_paused || order.flags & flags::REDUCE_ONLY == 0)
        });
    }

    /// A kill wants everything of its scope cancelled. Asked for again, cancels on their way are sent again,
    /// but not to a venue that nobody would hear at; the link's return asks anew.
    pub(super) fn kill(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let Some(scope) = Scope::from_tag(event.tag) else { return };
        let is_again = event.id != 0;
        if !is_again {
            self.cancel_in(scope, out, |_, is_covered| is_covered);
            return;
        }
        for slot in 0..self.slab.slot_count() {
            let order = *self.slab.get(slot);
            // Closing orders end by themselves; to cancel them would only make them late.
            let is_closing = order.flags & flags::OPERATOR != 0
                && OrderTerms::from_code(order.terms) == Some(OrderTerms::LIMIT_IOC);
            let is_meant = order.is_live() && !is_closing && self.is_in(scope, &order);
            if !is_meant || self.is_link_down(&order) {
                continue;
            }
            if order.state == OrderState::PendingCancel {
                out.emit(order.event(Kind::SEND_CANCEL));
            } else {
                self.cancel(slot, out);
            }
        }
    }

    fn cancel_in(
        &mut self,
        scope: Scope,
        out: &mut Emitter<'_>,
        wanted: impl Fn(&Order, bool) -> bool,
    ) {
        if self.slab.live_count() == 0 {
            return;
        }
        for slot in 0..self.slab.slot_count() {
            let order = *self.slab.get(slot);
            let is_open = order.is_live() && order.state != OrderState::PendingCancel;
            if is_open && wanted(&order, self.is_in(scope, &order)) {
                self.cancel(slot, out);
            }
        }
    }
}
