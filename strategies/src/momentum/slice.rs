//! A change of the position that is worked in pieces: one parent, one child after another.

use engine::event::Side;
use engine::state::{LoadError, Loader, Saver, State};

/// What is being worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    /// Id of the parent.
    pub(super) parent: u64,
    pub(super) side: Side,
    /// What has not traded yet.
    left: i64,
    /// Whether the present child traded: one that found nobody is the last.
    has_traded: bool,
    /// No child more.
    is_over: bool,
    /// When the last child was sent.
    pub(super) sent_ns: u64,
}

impl Slice {
    pub(super) fn new(parent: u64, side: Side, total: i64) -> Slice {
        Slice { parent, side, left: total, has_traded: false, is_over: false, sent_ns: 0 }
    }

    /// Quantity of the next child, at most `most`; `None` when there is none.
    pub(super) fn next(&self, most: i64) -> Option<i64> {
        Some(self.left.min(most)).filter(|quantity| !self.is_over && 0 < *quantity)
    }

    /// A child is sent.
    pub(super) fn send(&mut self, now_ns: u64) {
        self.has_traded = false;
        self.sent_ns = now_ns;
    }

    pub(super) fn on_fill(&mut self, side: Side, quantity: i64) {
        if side == self.side {
            self.left = self.left.saturating_sub(quantity).max(0);
            self.has_traded = true;
        }
    }

    /// The child is over in order. Whether another one follows.
    pub(super) fn goes_on(&mut self) -> bool {
        self.is_over |= !self.has_traded || self.left == 0;
        !self.is_over
    }

    pub(super) fn stop(&mut self) {
        self.is_over = true;
    }
}

impl State for Slice {
    fn save(&self, out: &mut Saver) {
        out.u64(self.parent);
        out.bool(self.side == Side::Sell);
        out.i64(self.left);
        out.bool(self.has_traded);
        out.bool(self.is_over);
        out.u64(self.sent_ns);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.parent = from.u64()?;
        self.side = if from.bool()? { Side::Sell } else { Side::Buy };
        self.left = from.i64()?;
        self.has_traded = from.bool()?;
        self.is_over = from.bool()?;
        self.sent_ns = from.u64()?;
        Ok(())
    }
}
