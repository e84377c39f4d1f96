//! Who owns what: free and locked money of accounts, fees, and the net of the participants.
//!
//! **Invariant:** nothing of an account is negative, and for each asset the sum over accounts, fees
//! and participants never changes.

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// One balance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Balance {
    pub(crate) free: i128,
    pub(crate) locked: i128,
}

/// All balances.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The assets, in the order in which they were named.
    pub(crate) assets: Vec<String>,
    /// By account, by asset.
    pub(crate) balances: Vec<Vec<Balance>>,
    /// When an account last changed.
    pub(crate) updated_ns: Vec<u64>,
    /// Fees taken, by asset.
    pub(crate) fees: Vec<i128>,
    /// What the participants gained, by asset; they may owe.
    pub(crate) flow: Vec<i128>,
}

impl Ledger {
    /// A ledger of `account_count` accounts without assets.
    pub(crate) fn new(account_count: usize) -> Self {
        Self {
            balances: vec![Vec::new(); account_count],
            updated_ns: vec![0; account_count],
            ..Self::default()
        }
    }

    /// The index of an asset, new when it was not known.
    pub(crate) fn asset(&mut self, name: &str) -> usize {
        if let Some(index) = self.assets.iter().position(|asset| asset == name) {
            return index;
        }
        self.assets.push(name.to_string());
        self.fees.push(0);
        self.flow.push(0);
        for balances in &mut self.balances {
            balances.push(Balance::default());
        }
        self.assets.len() - 1
    }

    pub(crate) fn get(&self, account: usize, asset: usize) -> Balance {
        self.balances[account][asset]
    }

    pub(crate) fn free(&self, account: usize, asset: usize) -> i128 {
        self.get(account, asset).free
    }

    /// Moves `amount` from free to locked; back when it is negative.
    pub(crate) fn lock(&mut self, account: usize, asset: usize, amount: Money) {
        let balance = &mut self.balances[account][asset];
        balance.free -= i128::from(amount);
        balance.locked += i128::from(amount);
        debug_assert!(0 <= balance.free && 0 <= balance.locked, "{account} {asset} {amount}");
    }

    /// Adds to free money; takes when negative.
    pub(crate) fn add(&mut self, account: usize, asset: usize, amount: Money) {
        let balance = &mut self.balances[account][asset];
        balance.free += i128::from(amount);
        debug_assert!(0 <= balance.free, "{account} {asset} {amount}");
    }

    /// The sum of an asset over everyone.
    #[cfg(test)]
    pub(crate) fn sum(&self, asset: usize) -> i128 {
        let accounts = self.balances.iter().map(|of| of[asset].free + of[asset].locked);
        accounts.sum::<i128>() + self.fees[asset] + self.flow[asset]
    }
}
