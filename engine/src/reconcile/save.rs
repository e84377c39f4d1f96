//! Saving and loading of the reconciler. Order of fields is the format.

use super::asset::{Asset, Flow, Open, Run};
use super::{Desk, Phase, Reconcile};
use crate::event::{BalanceCode, LockReason, PullReason};
use crate::money::Money;
use crate::state::{LoadError, Loader, Saver, State};

impl State for Run {
    fn save(&self, out: &mut Saver) {
        out.u64(self.asset);
        out.bool(self.is_begun);
        out.u16(self.instrument);
        out.u16(self.code as u16);
        out.i64(self.total);
        out.i128(self.flow);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        *self = Run {
            asset: from.u64()?,
            is_begun: from.bool()?,
            instrument: from.u16()?,
            code: BalanceCode::from_code(from.u16()?).ok_or_else(|| from.invalid("balance"))?,
            total: from.i64()?,
            flow: from.i128()?,
        };
        Ok(())
    }
}

impl State for Desk {
    fn save(&self, out: &mut Saver) {
        out.bool(self.is_link_up);
        out.u16(self.lock.code());
        out.bool(self.is_clean);
        out.u8(self.phase as u8);
        out.u64(self.pull);
        out.u32(self.attempt_count);
        out.u64(self.next_ns);
        out.u16(self.next_reason.code());
        out.i64(self.unknown_count);
        out.u32(self.told_count);
        self.run.save(out);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.is_link_up = from.bool()?;
        self.lock =
            LockReason::from_code(from.u16()?).ok_or_else(|| from.invalid("reason of a lock"))?;
        self.is_clean = from.bool()?;
        self.phase = match from.u8()? {
            0 => Phase::Idle,
            1 => Phase::Asked,
            2 => Phase::Rows,
            _ => return Err(from.invalid("phase of a pull")),
        };
        self.pull = from.u64()?;
        self.attempt_count = from.u32()?;
        self.next_ns = from.u64()?;
        self.next_reason =
            PullReason::from_code(from.u16()?).ok_or_else(|| from.invalid("reason of a pull"))?;
        self.unknown_count = from.i64()?;
        self.told_count = from.u32()?;
        self.run.load(from)?;
        let order_count_max = i64::from(u32::MAX);
        if !(-order_count_max..=order_count_max).contains(&self.unknown_count)
            || self.pull == u64::MAX
        {
            return Err(from.invalid("count of a venue"));
        }
        Ok(())
    }
}

fn save_asset(asset: &Asset, out: &mut Saver) {
    out.bool(asset.baseline.is_some());
    out.i128(asset.baseline.unwrap_or(0));
    out.bool(asset.open.is_some());
    if let Some(open) = &asset.open {
        open.run.save(out);
        out.i128(open.share);
        out.i64(open.ours);
    }
}

fn load_asset(from: &mut Loader<'_>) -> Result<Asset, LoadError> {
    let is_known = from.bool()?;
    let baseline = Some(from.i128()?).filter(|_| is_known);
    let mut open = None;
    if from.bool()? {
        let mut run = Run::NONE;
        run.load(from)?;
        open = Some(Open { run, share: from.i128()?, ours: from.i64()? });
    }
    Ok(Asset { baseline, open })
}

impl State for Reconcile {
    /// Only between two inbound events: nothing is due, no fee is on its way.
    fn save(&self, out: &mut Saver) {
        out.count(self.desks.len());
        for desk in &self.desks {
            desk.save(out);
        }
        out.count(self.assets.flows.len());
        for flow in &self.assets.flows {
            out.i128(flow.quantity);
            out.i128(flow.cash.0);
        }
        for asset in &self.assets.assets {
            save_asset(asset, out);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        if from.count(self.desks.len())? != self.desks.len() {
            return Err(from.invalid("number of venues"));
        }
        for desk in &mut self.desks {
            desk.load(from)?;
        }
        let instrument_count = self.assets.flows.len();
        if from.count(instrument_count)? != instrument_count {
            return Err(from.invalid("number of instruments"));
        }
        for flow in &mut self.assets.flows {
            *flow = Flow { quantity: from.i128()?, cash: Money(from.i128()?) };
        }
        for asset in &mut self.assets.assets {
            *asset = load_asset(from)?;
        }
        (self.is_fee_in_kind, self.due) = (false, None);
        Ok(())
    }
}
