//! Saving and loading: one line of JSON for everything, or for what changed since the last line.
//!
//! ```text
//!  save()          {"format":1, markets: [all orders, all fills], accounts: [all]}
//!  save_changes()  {"format":1, markets: [changed orders, new fills], accounts: [changed]}
//!  load(line)      puts what a line has over what is there
//! ```
//!
//! Orders of generated participants are not saved: their place in the book is gone.
//!
//! **Invariant:** ids are never used twice across a restart. Trades and updates of participants are
//! not saved one by one, so these two counters are saved with a reserve.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::exchange::book::{Owner, Resting};
use crate::exchange::ledger::Balance;
use crate::exchange::market::{Amendment, Counters, Prevented, push_bounded};
use crate::exchange::{Exchange, LoadError, Trade};
use crate::money::{self, Money};
use crate::order::{Fill, Order, Side};

/// The format of a line.
const FORMAT: u32 = 1;
/// Trades and updates that may happen between two lines.
const RESERVE: u64 = 10_000_000;
/// Public trades in a line of everything.
const TRADE_COUNT_MAX: usize = 1000;

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    format: u32,
    /// By name.
    markets: BTreeMap<String, SavedMarket>,
    /// By name.
    accounts: BTreeMap<String, SavedAccount>,
    /// By asset.
    fees: BTreeMap<String, i128>,
    /// By asset.
    flow: BTreeMap<String, i128>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedMarket {
    counters: Counters,
    last_price: Option<Money>,
    orders: Vec<Order>,
    fills: Vec<Fill>,
    #[serde(default)]
    trades: Vec<Trade>,
    #[serde(default)]
    prevented: Vec<Prevented>,
    #[serde(default)]
    amendments: Vec<Amendment>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedAccount {
    updated_ns: u64,
    balances: BTreeMap<String, Balance>,
}

impl Exchange {
    /// The whole state of accounts as one line of JSON, without the line feed.
    pub fn save(&mut self) -> Vec<u8> {
        let line = self.line(true);
        self.mark_saved();
        serde_json::to_vec(&line).expect("state has only string keys")
    }

    /// What changed since the last `save` or `save_changes`, as one line of JSON without the line
    /// feed; `None` when no account changed.
    pub fn save_changes(&mut self) -> Option<Vec<u8>> {
        let is_clean = self.dirty_accounts.is_empty()
            && self.markets.iter().all(|market| market.dirty.is_empty());
        if is_clean {
            return None;
        }
        let line = self.line(false);
        self.mark_saved();
        Some(serde_json::to_vec(&line).expect("state has only string keys"))
    }

    fn mark_saved(&mut self) {
        self.dirty_accounts.clear();
        for market in &mut self.markets {
            market.dirty.clear();
            market.fills_saved = market.fills.back().map_or(0, |fill| fill.trade_id);
        }
    }

    fn line(&self, is_all: bool) -> Line {
        let mut markets = BTreeMap::new();
        for (market, config) in self.markets.iter().zip(&self.config.symbols) {
            if !is_all && market.dirty.is_empty() {
                continue;
            }
            let orders: Vec<Order> = if is_all {
                market.orders.values().cloned().collect()
            } else {
                market.dirty.iter().filter_map(|id| market.orders.get(id)).cloned().collect()
            };
            let fills = market.fills.iter().rev();
            let fills = fills.take_while(|fill| is_all || market.fills_saved < fill.trade_id);
            let mut fills: Vec<Fill> = fills.cloned().collect();
            fills.reverse();
            let skipped = market.trades.len().saturating_sub(TRADE_COUNT_MAX);
            let counters = Counters {
                trade: market.counters.trade + RESERVE,
                update: market.book.update_id + RESERVE,
                ..market.counters
            };
            let saved = SavedMarket {
                counters,
                last_price: market.last_price,
                orders,
                fills,
                trades: market.trades.iter().skip(skipped).filter(|_| is_all).copied().collect(),
                prevented: market.prevented.iter().filter(|_| is_all).cloned().collect(),
                amendments: market.amendments.iter().filter(|_| is_all).cloned().collect(),
            };
            markets.insert(config.name.clone(), saved);
        }
        let mut accounts = BTreeMap::new();
        for (account, config) in self.config.accounts.iter().enumerate() {
            if is_all || self.dirty_accounts.contains(&account) {
                let balances = self.ledger.balances[account].iter().copied();
                let saved = SavedAccount {
                    updated_ns: self.ledger.updated_ns[account],
                    balances: self.ledger.assets.iter().cloned().zip(balances).collect(),
                };
                accounts.insert(config.name.clone(), saved);
            }
        }
        let by_asset = |amounts: &[i128]| -> BTreeMap<String, i128> {
            self.ledger.assets.iter().cloned().zip(amounts.iter().copied()).collect()
        };
        let (fees, flow) = (by_asset(&self.ledger.fees), by_asset(&self.ledger.flow));
        Line { format: FORMAT, markets, accounts, fees, flow }
    }

    /// Takes one line of `save` or `save_changes`; call it for each line in order, on a new
    /// exchange of the same config.
    pub fn load(&mut self, line: &[u8]) -> Result<(), LoadError> {
        let line: Line = serde_json::from_slice(line)?;
        if line.format != FORMAT {
            return Err(LoadError::Foreign(format!("format {}", line.format)));
        }
        for (name, saved) in line.accounts {
            let known = self.config.accounts.iter().position(|account| account.name == name);
            let account = known.ok_or_else(|| LoadError::Foreign(format!("account {name:?}")))?;
            for (asset, balance) in saved.balances {
                if balance.free < 0 || balance.locked < 0 {
                    return Err(LoadError::Foreign(format!("balance of {asset:?}")));
                }
                let asset = self.ledger.asset(&asset);
                self.ledger.balances[account][asset] = balance;
            }
            self.ledger.updated_ns[account] = saved.updated_ns;
        }
        for (asset, amount) in line.fees {
            let asset = self.ledger.asset(&asset);
            self.ledger.fees[asset] = amount;
        }
        for (asset, amount) in line.flow {
            let asset = self.ledger.asset(&asset);
            self.ledger.flow[asset] = amount;
        }
        for (name, saved) in line.markets {
            let symbol = self.symbol_index(&name);
            let symbol = symbol.ok_or_else(|| LoadError::Foreign(format!("symbol {name:?}")))?;
            self.load_market(symbol.0, saved)?;
        }
        self.mark_saved();
        self.check_locked()
    }

    /// What accounts have locked is what their open orders hold.
    fn check_locked(&self) -> Result<(), LoadError> {
        let mut held = vec![vec![0_i128; self.ledger.assets.len()]; self.config.accounts.len()];
        for market in &self.markets {
            for order in market.open.iter().map(|id| market.order(*id)) {
                let asset = if order.side == Side::Buy { market.quote } else { market.base };
                held[order.account][asset] += i128::from(order.locked);
            }
        }
        for (account, (held, balances)) in held.iter().zip(&self.ledger.balances).enumerate() {
            if held.iter().zip(balances).any(|(held, balance)| *held != balance.locked) {
                let name = &self.config.accounts[account].name;
                return Err(LoadError::Foreign(format!("locked money of account {name:?}")));
            }
        }
        Ok(())
    }

    fn load_market(&mut self, symbol: usize, saved: SavedMarket) -> Result<(), LoadError> {
        let account_count = self.config.accounts.len();
        let history = self.config.history;
        let market = &mut self.markets[symbol];
        let counters = saved.counters;
        let largest = counters.order.max(counters.trade).max(counters.execution);
        let largest = largest.max(counters.prevented).max(counters.update).max(counters.client_id);
        if u64::MAX / 2 < largest || saved.last_price.is_some_and(|price| price <= 0) {
            return Err(LoadError::Foreign("counters out of range".to_string()));
        }
        market.counters = saved.counters;
        market.last_price = saved.last_price;
        market.book.update_id = saved.counters.update;
        for order in saved.orders {
            if order.account >= account_count || !is_sane(&order) {
                return Err(LoadError::Foreign(format!("order {}", order.id)));
            }
            market.unindex(order.id);
            if order.status.is_open() && order.is_triggered {
                let (price, sequence) = (order.price, order.book_sequence);
                let is_taken = market.book.remaining(order.side, price, sequence).is_some();
                if price == 0 || sequence == 0 || u64::MAX / 2 < sequence || is_taken {
                    return Err(LoadError::Foreign(format!("order {}", order.id)));
                }
                let owner = Owner::Account { id: order.id, account: order.account };
                let resting = Resting { owner, remaining: order.remaining() };
                market.book.put_back(order.side, price, sequence, resting);
            }
            market.index(&order);
            market.orders.insert(order.id, order);
        }
        let crossed = market.book.best(Side::Buy).zip(market.book.best(Side::Sell));
        if crossed.is_some_and(|(bid, ask)| ask.0 <= bid.0) {
            return Err(LoadError::Foreign("a crossed book".to_string()));
        }
        for fill in saved.fills {
            if account_count <= fill.account {
                return Err(LoadError::Foreign(format!("fill {}", fill.trade_id)));
            }
            push_bounded(&mut market.fills, fill, history.fills_max);
        }
        for trade in saved.trades {
            push_bounded(&mut market.trades, trade, history.trades_max);
        }
        market.prevented.extend(saved.prevented);
        market.amendments.extend(saved.amendments);
        market.forget(&history);
        Ok(())
    }
}

/// Whether an order from a file can have been one of ours.
fn is_sane(order: &Order) -> bool {
    let amounts = [
        order.price,
        order.stop_price,
        order.quantity,
        order.executed,
        order.executed_quote,
        order.prevented,
        order.locked,
    ];
    let fits = amounts.iter().all(|amount| (0..=Money::MAX / 4).contains(amount));
    fits && order.executed + order.prevented <= order.quantity
        && (!order.status.is_open() || (0 < order.remaining() && holds_all(order)))
}

/// Whether an open order can hold what it should.
fn holds_all(order: &Order) -> bool {
    let price = order.price.max(order.stop_price);
    money::quote(price, order.quantity).is_some_and(|quote| quote < Money::MAX / 4)
}
