//! A desk for tests: an exchange with two accounts, signed calls and a small language of orders.

use data_encoding::HEXLOWER;
use ring::hmac;
use serde_json::Value;

use crate::config::{
    AccountConfig, ApiKey, ExchangeConfig, Fees, HistoryLimits, KeyKind, RateLimits,
};
use crate::exchange::{
    ConnectionId, Exchange, FlowId, FlowKind, FlowOrder, Output, RestAnswer, RestCall, SymbolIndex,
};
use crate::money::{self, ONE};
use crate::order::{Side, TimeUnit};

/// A Monday in 2024.
pub(crate) const START_NS: u64 = 1_722_816_000_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// An exchange under test, and what happened on it.
pub(crate) struct Desk {
    pub(crate) exchange: Exchange,
    pub(crate) now_ns: u64,
    pub(crate) flow: Vec<FlowId>,
    pub(crate) outputs: Vec<Output>,
}

/// Account `name` with key `key-name` and secret `secret-name`.
pub(crate) fn account(name: &str) -> AccountConfig {
    let kind = KeyKind::Hmac { secret: format!("secret-{name}") };
    AccountConfig {
        name: name.to_string(),
        keys: vec![ApiKey { api_key: format!("key-{name}"), kind }],
        balances: vec![("BTC".to_string(), 100 * ONE), ("USDT".to_string(), 10_000 * ONE)],
    }
}

/// Two accounts, no fees, small notionals allowed, no limit in the way.
pub(crate) fn config() -> ExchangeConfig {
    let mut config = ExchangeConfig::spot(vec![account("a"), account("b")]);
    for symbol in &mut config.symbols {
        symbol.filters.notional_min = 0;
        symbol.filters.percent_up = 0;
        symbol.filters.percent_down = 0;
        symbol.fees = Fees { maker: 0, taker: 0 };
    }
    config.limits = RateLimits {
        weight_1m_max: u32::MAX,
        orders_10s_max: u32::MAX,
        orders_1d_max: u32::MAX,
        raw_5m_max: u32::MAX,
        ..RateLimits::default()
    };
    config.history = HistoryLimits { orders_max: 1000, fills_max: 1000, trades_max: 1000 };
    config
}

/// The signature of a payload.
pub(crate) fn signature(secret: &str, payload: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    HEXLOWER.encode(hmac::sign(&key, payload.as_bytes()).as_ref())
}

impl Desk {
    pub(crate) fn new(config: ExchangeConfig) -> Self {
        let exchange = Exchange::new(config).expect("the config of a test is good");
        Self { exchange, now_ns: START_NS, flow: Vec::new(), outputs: Vec::new() }
    }

    /// A REST call as account `who`, signed; `-` is no account.
    pub(crate) fn call(&mut self, who: &str, verb: &str, path: &str, query: &str) -> RestAnswer {
        self.now_ns += SECOND_NS / 1000;
        let (mut query, key) = (query.to_string(), format!("key-{who}"));
        if who != "-" {
            let comma = if query.is_empty() { "" } else { "&" };
            query = format!("{query}{comma}timestamp={}", self.now_ns / 1_000_000);
            query = format!("{query}&signature={}", signature(&format!("secret-{who}"), &query));
        }
        let call = RestCall {
            method: verb,
            path,
            query: &query,
            body: b"",
            api_key: (who != "-").then_some(key.as_str()),
            client: 1,
            time_unit: TimeUnit::Millisecond,
        };
        let answer = self.exchange.rest(&call, self.now_ns);
        let outputs = &mut self.outputs;
        self.exchange.drain(&mut |output| outputs.push(output));
        answer
    }

    /// A call that must succeed, as JSON.
    #[track_caller]
    pub(crate) fn json(&mut self, who: &str, verb: &str, path: &str, query: &str) -> Value {
        let answer = self.call(who, verb, path, query);
        assert_eq!(answer.status, 200, "{verb} {path}?{query}: {}", answer.body);
        serde_json::from_str(&answer.body).expect("answers are JSON")
    }

    /// One WS API text, as JSON.
    pub(crate) fn ws(&mut self, connection: u64, text: &str) -> Value {
        let answer = self.exchange.ws_api(ConnectionId(connection), text.as_bytes(), self.now_ns);
        let outputs = &mut self.outputs;
        self.exchange.drain(&mut |output| outputs.push(output));
        serde_json::from_str(&answer).expect("answers are JSON")
    }

    /// Subscribes a connection to the user data of `who`.
    pub(crate) fn listen(&mut self, connection: u64, who: &str) {
        let time = self.now_ns / 1_000_000;
        let payload = format!("apiKey=key-{who}&timestamp={time}");
        let signature = signature(&format!("secret-{who}"), &payload);
        let text = format!(
            r#"{{"id":1,"method":"userDataStream.subscribe.signature","params":
               {{"apiKey":"key-{who}","timestamp":{time},"signature":"{signature}"}}}}"#
        );
        let answer = self.ws(connection, &text);
        assert_eq!(answer["status"], 200, "{answer}");
    }

    /// Runs commands; what each came to.
    ///
    /// ```text
    ///  a buy 2 100 [ioc|fok|maker] [id=x] [stp=MODE]   a limit order: status and executed quantity
    ///  a sell 2 market | a buy quote=50 market         a market order
    ///  a buy 2 110 stop=105 | a sell 2 stop=95         a stop order (loss or profit by `take`)
    ///  a cancel x [as=y] | a amend x 1 | a get x       by client id
    ///  f buy 2 100 [ioc|maker] | f cancel 0            a participant: what traded
    /// ```
    pub(crate) fn run(&mut self, script: &str) -> String {
        let lines = script.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty());
        let done: Vec<String> = lines.map(|line| self.command(line)).collect();
        done.join("; ")
    }

    fn command(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words[0], words[1]) {
            ("f", "cancel") => {
                let id = self.flow[words[2].parse::<usize>().expect("an index")];
                self.exchange.cancel_flow(id, self.now_ns).to_string()
            }
            ("f", side) => self.flow_order(side, &words[2..]),
            (who, "cancel") => {
                let mut query = format!("symbol=BTCUSDT&origClientOrderId={}", words[2]);
                if let Some(id) = words.get(3).and_then(|word| word.strip_prefix("as=")) {
                    query = format!("{query}&newClientOrderId={id}");
                }
                let answer = self.call(who, "DELETE", "/api/v3/order", &query);
                summary(&answer)
            }
            (who, "amend") => {
                let query =
                    format!("symbol=BTCUSDT&origClientOrderId={}&newQty={}", words[2], words[3]);
                let answer = self.call(who, "PUT", "/api/v3/order/amend/keepPriority", &query);
                summary(&answer)
            }
            (who, "get") => {
                let query = format!("symbol=BTCUSDT&origClientOrderId={}", words[2]);
                let answer = self.call(who, "GET", "/api/v3/order", &query);
                summary(&answer)
            }
            (who, side) => {
                let query = order_query(side, &words[2..]);
                let answer = self.call(who, "POST", "/api/v3/order", &query);
                summary(&answer)
            }
        }
    }

    fn flow_order(&mut self, side: &str, words: &[&str]) -> String {
        let kind = match words.get(2) {
            Some(&"ioc") => FlowKind::Ioc,
            Some(&"maker") => FlowKind::PostOnly,
            Some(_) | None => FlowKind::Limit,
        };
        let money = |text: &str| money::parse(text).expect("money of a test");
        let order = FlowOrder {
            side: if side == "buy" { Side::Buy } else { Side::Sell },
            price: money(words[1]),
            quantity: money(words[0]),
            kind,
        };
        self.now_ns += SECOND_NS / 1000;
        let placed = self.exchange.submit(SymbolIndex(0), &order, self.now_ns);
        self.flow.extend(placed.id);
        let outputs = &mut self.outputs;
        self.exchange.drain(&mut |output| outputs.push(output));
        short(&money::text(i128::from(placed.filled)))
    }

    /// The user events since the last call: `x/X l@L` of reports, in order.
    pub(crate) fn reports(&mut self) -> String {
        let mut found = Vec::new();
        for output in self.outputs.drain(..) {
            let Output::UserEvent { json, .. } = output else { continue };
            let event: Value = serde_json::from_str(&json).expect("events are JSON");
            let event = &event["event"];
            if event["e"] != "executionReport" {
                continue;
            }
            let text = |key: &str| event[key].as_str().unwrap_or_default().to_string();
            let mut report = format!("{} {}/{}", text("c"), text("x"), text("X"));
            if event["x"] == "TRADE" {
                report = format!("{report} {}@{}", short(&text("l")), short(&text("L")));
            }
            if !text("C").is_empty() {
                report = format!("{report} was {}", text("C"));
            }
            found.push(report);
        }
        found.join("; ")
    }

    /// Nothing of an account is negative, and the sums are what they were.
    #[track_caller]
    pub(crate) fn check_books(&self, sums: &[i128]) {
        let ledger = &self.exchange.ledger;
        for (asset, sum) in sums.iter().enumerate() {
            assert_eq!(ledger.sum(asset), *sum, "{}", ledger.assets[asset]);
        }
        for (account, balances) in ledger.balances.iter().enumerate() {
            for (asset, balance) in balances.iter().enumerate() {
                assert!(0 <= balance.free && 0 <= balance.locked, "{account} {asset} {balance:?}");
                let locked: i128 = self
                    .exchange
                    .markets
                    .iter()
                    .map(|market| {
                        let open = market.open.iter().map(|id| market.order(*id));
                        let open = open.filter(|order| order.account == account);
                        let of = |side| if side == Side::Buy { market.quote } else { market.base };
                        let held = open.filter(|order| of(order.side) == asset);
                        held.map(|order| i128::from(order.locked)).sum::<i128>()
                    })
                    .sum();
                assert_eq!(balance.locked, locked, "{account} {}", ledger.assets[asset]);
            }
        }
        for market in &self.exchange.markets {
            let (bid, ask) = (market.book.best(Side::Buy), market.book.best(Side::Sell));
            assert!(bid.zip(ask).is_none_or(|(bid, ask)| bid.0 < ask.0), "crossed");
        }
    }

    /// The sum of each asset over everyone.
    pub(crate) fn sums(&self) -> Vec<i128> {
        let ledger = &self.exchange.ledger;
        (0..ledger.assets.len()).map(|asset| ledger.sum(asset)).collect()
    }
}

/// `2.50000000` becomes `2.5`.
pub(crate) fn short(text: &str) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn summary(answer: &RestAnswer) -> String {
    let json: Value = serde_json::from_str(&answer.body).expect("answers are JSON");
    if answer.status != 200 {
        return format!("{} {}", json["code"], json["msg"].as_str().unwrap_or_default());
    }
    let json = if json["amendedOrder"].is_object() { &json["amendedOrder"] } else { &json };
    let executed = short(json["executedQty"].as_str().unwrap_or_default());
    format!("{} {executed}", json["status"].as_str().unwrap_or("?"))
}

fn order_query(side: &str, words: &[&str]) -> String {
    let side = if side == "buy" { "BUY" } else { "SELL" };
    let mut query = format!("symbol=BTCUSDT&side={side}&newOrderRespType=RESULT");
    let (mut kind, mut tif, mut numbers, mut takes) = ("LIMIT", "GTC", Vec::new(), false);
    let mut stop = None;
    for word in words {
        match word.split_once('=') {
            Some(("id", id)) => query = format!("{query}&newClientOrderId={id}"),
            Some(("stp", mode)) => query = format!("{query}&selfTradePreventionMode={mode}"),
            Some(("quote", amount)) => query = format!("{query}&quoteOrderQty={amount}"),
            Some(("stop", price)) => stop = Some(price),
            Some(other) => panic!("{other:?}"),
            None => match *word {
                "ioc" => tif = "IOC",
                "fok" => tif = "FOK",
                "maker" => kind = "LIMIT_MAKER",
                "market" => kind = "MARKET",
                "take" => takes = true,
                number => numbers.push(number),
            },
        }
    }
    if let Some(price) = stop {
        query = format!("{query}&stopPrice={price}");
        kind = match (numbers.len(), takes) {
            (1, false) => "STOP_LOSS",
            (1, true) => "TAKE_PROFIT",
            (_, false) => "STOP_LOSS_LIMIT",
            (_, true) => "TAKE_PROFIT_LIMIT",
        };
    }
    if kind == "LIMIT" || kind.ends_with("_LIMIT") {
        query = format!("{query}&timeInForce={tif}");
    }
    for (name, number) in ["quantity", "price"].iter().zip(numbers) {
        query = format!("{query}&{name}={number}");
    }
    format!("{query}&type={kind}")
}
