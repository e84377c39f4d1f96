//! What a scenario sees of books, links and reconciler, and what it does to the venue beside faults.

use engine::book::Book as _;
use engine::event::{BookState, DifferenceCode, Event, Kind, LinkCode, Side};
use engine::instrument::InstrumentIndex;
use venue::exchange::{Depth, RestAnswer, RestCall};
use venue::order::TimeUnit;
use venue::{AccountIndex, KeyKind, SymbolIndex};

use super::{BOUND_NS, Rig};

/// The venue's units in one of a price with two places.
const PRICE_FACTOR: i64 = 1_000_000;

impl Rig {
    /// Whether the engine's book and the venue's are of the same update and equal; `None` while they are
    /// of different updates.
    pub fn books_agree(&self, instrument: InstrumentIndex) -> Option<bool> {
        let symbol = SymbolIndex(usize::from(instrument));
        let depth = self.venue.handle.with_exchange(|exchange, _| exchange.depth(symbol, 5_000));
        let market = self.engine().pipeline.market().get(instrument)?;
        let status = self.engine().feed.status();
        let last_id = status.symbols.iter().find(|s| s.instrument == instrument)?.last_id;
        let is_same = u64::try_from(last_id).is_ok_and(|last_id| last_id == depth.update_id);
        (is_same && market.is_live()).then(|| self.levels(instrument) == levels_of(&depth))
    }

    fn levels(&self, instrument: InstrumentIndex) -> [Vec<(i64, i64)>; 2] {
        let market = self.engine().pipeline.market().get(instrument);
        [Side::Buy, Side::Sell].map(|side| {
            let mut rows = Vec::new();
            if let Some(market) = market {
                market.book.visit(side, &mut |level| {
                    rows.push((level.price, level.quantity));
                    true
                });
            }
            rows
        })
    }

    /// Turns until both books of an instrument were of the same update; an error where they differed.
    pub fn until_books_agree(&mut self, instrument: InstrumentIndex) -> Result<(), String> {
        let mut agreed = None;
        self.until("books of one update", BOUND_NS, |rig| {
            agreed = rig.books_agree(instrument);
            agreed.is_some()
        })?;
        match agreed {
            Some(true) => Ok(()),
            _ => Err(format!(
                "books of instrument {instrument} differ: {:?}",
                self.levels(instrument)
            )),
        }
    }

    /// How often a book came into that state.
    pub fn book_state_count(&self, state: BookState) -> usize {
        self.kept_count(Kind::BOOK_STATE, u16::from(state.code()))
    }

    /// How often the link was told in that state.
    pub fn link_count(&self, code: LinkCode) -> usize {
        self.kept_count(Kind::LINK, code as u16)
    }

    /// Differences of that kind so far.
    pub fn differences(&self, code: DifferenceCode) -> Vec<Event> {
        let wanted = |e: &&Event| e.kind == Kind::DIFFERENCE && e.code == code.code();
        self.engine().kept().iter().filter(wanted).copied().collect()
    }

    /// How many records of a kind and code were made since this engine began.
    pub fn kept_count(&self, kind: Kind, code: u16) -> usize {
        let wanted = |event: &&Event| event.kind == kind && event.code == code;
        self.engine().kept().iter().filter(wanted).count()
    }

    /// Money comes to the engine's account or goes, by nobody's order.
    pub fn adjust(&mut self, asset: &str, amount: i64) {
        let is_done = self.venue.handle.with_exchange(|exchange, now_ns| {
            exchange.adjust(AccountIndex(0), asset, amount, now_ns)
        });
        assert!(is_done, "the account has less than {amount} {asset}");
        // The engine is right when it says that this was not its doing.
        for account in self.before.accounts.iter_mut().take(1) {
            for balance in account.balances.iter_mut().filter(|balance| balance.asset == asset) {
                balance.free += i128::from(amount);
            }
        }
    }

    /// A request with the engine's key that the engine knows nothing of: `POST /api/v3/order` and such.
    pub fn stranger(&self, method: &str, path: &str, query: &str) -> RestAnswer {
        let key = &self.venue.accounts[0].keys[0];
        let secret = match &key.kind {
            KeyKind::Hmac { secret } => secret,
            KeyKind::Ed25519 { .. } => panic!("accounts of a rig sign by HMAC"),
        };
        let signer = binance::sign::Signer::hmac(secret).expect("a key of the venue");
        self.venue.handle.with_exchange(|exchange, now_ns| {
            let mut query = format!("{query}&recvWindow=5000&timestamp={}", now_ns / 1_000_000);
            let payload = query.clone();
            query.push_str("&signature=");
            signer.sign_encoded(payload.as_bytes(), &mut query);
            let call = RestCall {
                method,
                path,
                query: &query,
                body: b"",
                api_key: Some(&key.api_key),
                client: 77,
                time_unit: TimeUnit::Millisecond,
            };
            exchange.rest(&call, now_ns)
        })
    }
}

fn levels_of(depth: &Depth) -> [Vec<(i64, i64)>; 2] {
    let rows = |side: &[(i64, i64)]| {
        side.iter().map(|(price, quantity)| (price / PRICE_FACTOR, *quantity)).collect()
    };
    [rows(&depth.bids), rows(&depth.asks)]
}
