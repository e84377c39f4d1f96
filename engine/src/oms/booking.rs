//! What an execution books: the fill, what the venue kept of it, and the fee.
//!
//! ```text
//!   fee in the account currency:  FILL            FEE
//!   fee in the traded asset:      FILL  FILL (in kind, a sale at the fill's price)  FEE (its value)
//!   fee in another asset:         FILL            FEE (0)                           ANOMALY (amount)
//! ```
//! A fee in kind equals a fee in cash, paid out of the sale of its quantity at the fill's price. The
//! value is exact and rounded up to 10^-8, against us.

use super::order::Order;
use super::{Oms, anomaly};
use crate::event::order::Execution;
use crate::event::{Event, FeeCode, Kind, Side, flags};
use crate::ring::Emitter;

/// Units of `Money` in one unit of money in events.
const UNITS_PER_E8: i128 = 10_000;

impl Oms {
    pub(super) fn emit_fill(
        &mut self,
        order: &Order,
        told: &Execution,
        fee: FeeCode,
        late: u8,
        out: &mut Emitter<'_>,
    ) {
        let mut fill = order.event(Kind::FILL);
        fill.flags = told.side.flag() | late | flags::LAST;
        if told.maker {
            fill.flags |= flags::MAKER;
        }
        fill.price = told.price;
        fill.quantity = told.quantity;
        out.emit(fill);
        let fee_e8 = match fee {
            FeeCode::Account => told.fee_e8,
            FeeCode::InKind => self.keep_in_kind(&fill, told.fee_e8, out),
            FeeCode::Foreign => 0,
        };
        let mut paid = order.event(Kind::FEE);
        paid.flags = flags::LAST;
        paid.quantity = fee_e8;
        paid.id = told.execution_id;
        out.emit(paid);
        if fee == FeeCode::Foreign && told.fee_e8 != 0 {
            self.anomaly(anomaly::FOREIGN_FEE, (told.fee_e8, 0), order, out);
        }
    }

    /// The venue kept `quantity` of the traded asset (below zero: gave it). Returns its value, 10^-8.
    fn keep_in_kind(&self, fill: &Event, quantity: i64, out: &mut Emitter<'_>) -> i64 {
        let Some(instrument) = self.instruments.get(fill.instrument) else { return 0 };
        if quantity == 0 {
            return 0;
        }
        let side = if 0 < quantity { Side::Sell } else { Side::Buy };
        let mut kept = *fill;
        kept.flags = side.flag() | flags::IN_KIND | flags::LAST;
        kept.quantity = quantity.saturating_abs();
        out.emit(kept);
        let value = instrument.notional(fill.price, quantity).0;
        let rounded_up = -(-value).div_euclid(UNITS_PER_E8);
        i64::try_from(rounded_up).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
    }
}
