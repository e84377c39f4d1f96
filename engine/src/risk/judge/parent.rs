//! The rules about parents: all children of one together stay within what it declared, whoever slices it.

use crate::event::{Event, Kind};
use crate::ring::Emitter;

use super::super::orders::Order;
use super::super::parent::ParentPlace;
use super::{Asked, Gate, Refusal, Rule, count};

impl Gate {
    /// The parent of a new order or of a change, with room for it.
    #[inline]
    pub(super) fn parent_of(
        &self,
        asked: &Asked<'_>,
        order: &Order,
    ) -> Result<ParentPlace, Refusal> {
        if asked.event.kind == Kind::INTENT_REPLACE {
            // What shrinks a child passes, also when the parent is closed or overfilled.
            if order.parent != 0 && 0 <= asked.quantity_more {
                self.parents.has_room(order.parent, asked.quantity_more)?;
            }
            return Ok(order.parent);
        }
        if asked.event.id == 0 || asked.closes {
            return Ok(0);
        }
        let place = self.parents.find(asked.event)?;
        self.parents.has_room(place, asked.quantity_more)?;
        Ok(place)
    }

    /// A strategy declares a parent, makes it smaller or closes it. Told only when the answer is no.
    pub(in super::super) fn parent(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let (source, instrument) = (usize::from(event.source), usize::from(event.instrument));
        let refusal = |rule, measured, limit| Refusal { rule, measured, limit: count(limit) };
        let outcome = if self.strategy_count <= source {
            let measured = i64::from(event.source);
            Err(refusal(Rule::UnknownStrategy, measured, self.strategy_count))
        } else if self.instruments.count() <= instrument {
            let measured = i64::from(event.instrument);
            Err(refusal(Rule::UnknownInstrument, measured, self.instruments.count()))
        } else {
            self.parents.declare(event)
        };
        if let Err(refusal) = outcome {
            self.refuse(event, refusal, out);
        }
    }
}
