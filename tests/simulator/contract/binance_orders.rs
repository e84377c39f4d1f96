//! The double of Binance order entry: the order link over loopback against the local venue.

use std::collections::VecDeque;
use std::time::Duration;

use binance::endpoints::Endpoints;
use binance::orders::client_id::ClientId;
use binance::orders::config::{Rules, listings};
use binance::orders::link::{OrderLink, OrderLinkConfig};
use binance::orders::machine::Account;
use binance::orders::outbox::Sink;
use binance::request::{Method, RequestWriter, Seal};
use binance::sign::Signer;
use engine::event::Event;
use engine::instrument::Venue;
use venue::exchange::RestCall;
use venue::fault::{Action, Fault, Place, Scope};
use venue::{FlowKind, KeyKind, Side, TimeUnit};
use wire::endpoint::Endpoint;
use wire::http::HttpConfig;
use wire::session::SessionConfig;

use super::broker::{BrokerDouble, BrokerEars, BrokerTrouble, ENGINE, Golden, Prices, SeenOrder};
use super::feed::table;
use super::local_venue::{ASK, LocalVenue, PRICE_UNIT, QUANTITY_UNIT, SYMBOL};
use super::{Held, MS_NS, Stop};

/// Longest wait of a turn for a socket.
const TURN: Duration = Duration::from_micros(200);
/// A buy at this price rests between bid and ask.
const REST: i64 = 6_179_000;
/// Events of fills in a report stream.
const FILL_REPORT: &str = "executionReport/TRADE";

/// The order link and its venue.
#[derive(Debug)]
pub struct BinanceOrders {
    venue: LocalVenue,
    link: OrderLink,
    asked: VecDeque<Event>,
    api_key: String,
    secret: String,
}

impl Sink for BrokerEars {
    fn offer(&mut self, run: &[Event]) -> bool {
        self.take(run);
        true
    }
}

/// Times of a session in small, with room for a busy machine.
fn rules() -> Rules {
    Rules {
        recv_window_ns: 200 * MS_NS,
        clock_error_ns_max: 100 * MS_NS,
        settle_margin_ns: 10 * MS_NS,
        answer_ns_max: 150 * MS_NS,
        overdue_ns_max: 1_000 * MS_NS,
        opening_ns_max: 1_000 * MS_NS,
        report_ns_max: 40 * MS_NS,
        retry_ns: 10 * MS_NS,
        ping_interval_ns: 60 * MS_NS,
        ping_ns_max: 180 * MS_NS,
        drain_ns: 50 * MS_NS,
        // Without the second way a clause sees the one that it troubles.
        place_by_rest: false,
        ..Rules::default()
    }
}

fn broken(error: impl std::fmt::Display) -> Stop {
    Stop::Broken(error.to_string())
}

fn link(venue: &LocalVenue, api_key: &str, secret: &str) -> Result<OrderLink, Stop> {
    let urls = &venue.running.urls;
    let ends = Endpoints::at(&urls.rest, &urls.stream, &urls.ws_api);
    let account = Account {
        engine: ENGINE,
        source: 2,
        venue: Venue::BinanceSpot,
        listings: listings(Venue::BinanceSpot, &table(Venue::BinanceSpot), |_| None),
        signer: Signer::hmac(secret).map_err(broken)?,
        api_key: api_key.to_string(),
    };
    let session = SessionConfig {
        backoff_ns_min: 2 * MS_NS,
        backoff_ns_max: 20 * MS_NS,
        ..SessionConfig::default()
    };
    let config = OrderLinkConfig {
        rules: rules(),
        account,
        ws_api: Endpoint::resolve(&ends.ws_api).map_err(broken)?,
        session,
        rest: Some(Endpoint::resolve_http(&urls.rest).map_err(broken)?),
        http: HttpConfig::default(),
        outbox_high_count: 1 << 14,
    };
    OrderLink::new(config, venue.clock.now_ns()).map_err(broken)
}

fn answer(status: u16, code: i32, retry_after_s: Option<u64>, accepted: bool) -> Action {
    let message = "An error on purpose.".to_string();
    Action::Answer { status, code, message, retry_after_s, accepted }
}

impl BrokerDouble for BinanceOrders {
    fn start() -> Result<BinanceOrders, Stop> {
        let venue = LocalVenue::start(12)?;
        let keys = venue.running.accounts.first().and_then(|account| account.keys.first());
        let key = keys.cloned().ok_or_else(|| broken("the venue has no account"))?;
        let KeyKind::Hmac { secret } = key.kind else {
            return Err(broken("the venue's first key is no HMAC key"));
        };
        let link = link(&venue, &key.api_key, &secret)?;
        Ok(BinanceOrders { venue, link, asked: VecDeque::new(), api_key: key.api_key, secret })
    }

    fn now_ns(&self) -> u64 {
        self.venue.clock.now_ns()
    }

    fn ask(&mut self, event: &Event) {
        self.asked.push_back(*event);
    }

    fn turn(&mut self, ears: &mut BrokerEars) {
        let turned = self.link.turn(TURN, &self.venue.clock, &mut self.asked, ears);
        turned.expect("loopback can be polled");
    }

    fn prices(&self) -> Prices {
        Prices {
            rest: REST,
            take: ASK.div_euclid(PRICE_UNIT),
            quantity: 200,
            // Less than the notional that the venue wants at least.
            refused_quantity: 1,
        }
    }

    fn sell_to_us(&mut self, quantity: i64) {
        let (price, quantity) = (REST * PRICE_UNIT, quantity * QUANTITY_UNIT);
        self.venue.submit(Side::Sell, price, quantity, FlowKind::Ioc);
    }

    fn orders(&self) -> Vec<SeenOrder> {
        let view = self.venue.running.handle.inspect().inspection;
        let ours = view.orders.iter().filter_map(|order| {
            let name = ClientId::parse(&order.client_id_first)?;
            Some(SeenOrder {
                id: name.order_id,
                price: order.price.div_euclid(PRICE_UNIT),
                quantity: order.quantity.div_euclid(QUANTITY_UNIT),
                executed: order.executed.div_euclid(QUANTITY_UNIT),
                is_open: ["NEW", "PARTIALLY_FILLED"].contains(&order.status.word()),
            })
        });
        ours.collect()
    }

    fn trouble(&mut self, trouble: BrokerTrouble) -> Held {
        let place = |action| Fault::new(Place::Request, "order.place", action);
        let fill = |action| Fault::new(Place::User, FILL_REPORT, action);
        let venue = &mut self.venue;
        let (own, scope) = (Scope::Own, Scope::WsApi);
        match trouble {
            BrokerTrouble::LosesOrder => venue.fault(place(Action::Drop { accepted: false })),
            BrokerTrouble::LosesAnswer => venue.fault(place(Action::Drop { accepted: true })),
            BrokerTrouble::ErrorBefore => venue.fault(place(answer(503, -1000, None, false))),
            BrokerTrouble::ErrorAfter => venue.fault(place(answer(503, -1000, None, true))),
            BrokerTrouble::CodeUnknown => venue.fault(place(answer(408, -1007, None, true))),
            BrokerTrouble::CutBefore => {
                venue.fault(place(Action::Cut { accepted: false, scope: own }));
            }
            BrokerTrouble::CutAfter => {
                venue.fault(place(Action::Cut { accepted: true, scope: own }));
            }
            BrokerTrouble::Limited => venue.fault(place(answer(429, -1003, Some(1), false))),
            BrokerTrouble::Garbage => {
                let kind = venue::fault::Garbage::Json;
                venue.fault(place(Action::Garbage { kind, scope: own }));
            }
            BrokerTrouble::Cut => venue.affect(&Action::Cut { accepted: false, scope }),
            BrokerTrouble::Mute => {
                let wait_ns = 60_000 * MS_NS;
                venue.affect(&Action::Mute { wait_ns, with_pings: true, scope });
            }
            BrokerTrouble::ReportAgain => venue.fault(fill(Action::Duplicate { copy_count: 2 })),
            BrokerTrouble::ReportLater => {
                venue.fault(fill(Action::Reorder { wait_ns: 20 * MS_NS }));
            }
            BrokerTrouble::ClockAhead => venue.affect(&Action::Clock { offset_ms: 2_500 }),
            BrokerTrouble::Restart => venue.affect(&Action::Restart),
        }
        Ok(())
    }

    fn has_happened(&self) -> bool {
        self.venue.has_happened()
    }

    fn has_link() -> Held {
        Ok(())
    }

    fn reborn(&mut self) -> Held {
        self.link = link(&self.venue, &self.api_key, &self.secret)?;
        self.asked.clear();
        Ok(())
    }

    fn stranger(&mut self) -> Held {
        let signer = Signer::hmac(&self.secret).map_err(broken)?;
        let (api_key, handle) = (self.api_key.as_str(), &self.venue.running.handle);
        let answer = handle.with_exchange(|exchange, now_ns| {
            let ms = now_ns.div_euclid(MS_NS);
            let terms =
                "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=60000";
            let mut query = format!("{terms}&timestamp={ms}");
            let payload = query.clone();
            query.push_str("&signature=");
            signer.sign_encoded(payload.as_bytes(), &mut query);
            let call = RestCall {
                method: "POST",
                path: "/api/v3/order",
                query: &query,
                body: &[],
                api_key: Some(api_key),
                client: 9,
                time_unit: TimeUnit::Millisecond,
            };
            exchange.rest(&call, now_ns)
        });
        let view = self.venue.running.handle.inspect().inspection;
        let is_there = view.orders.iter().any(|order| order.symbol == SYMBOL);
        if answer.status == 200 && is_there { Ok(()) } else { Err(broken(answer.body)) }
    }

    fn golden() -> Result<Vec<Golden>, Stop> {
        golden().map_err(broken)
    }
}

/// The examples of "Request security" in the venue's documents, with the keys that stand there.
fn golden() -> Result<Vec<Golden>, binance::sign::KeyError> {
    let api_key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
    let secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
    let signer = Signer::hmac(secret)?;
    let mut seal =
        Seal { signer: &signer, api_key, timestamp_ms: 1_645_423_376_532, recv_window_ms: 100 };
    let mut writer = RequestWriter::default();
    let params = writer.begin();
    for (name, value) in [
        ("symbol", "BTCUSDT"),
        ("side", "SELL"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "0.01000000"),
        ("price", "52000.00"),
    ] {
        params.text(name, value);
    }
    let message = writer.message(1, Method::Place, Some(&seal), false);
    let found = message.rsplit_once("\"signature\":\"").map_or("", |(_, rest)| rest);
    let found = found.trim_end_matches("\"}}").to_string();
    let expected = "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24";
    let by_socket = ("order.place by the WS API", expected.to_string(), found);

    (seal.timestamp_ms, seal.recv_window_ms) = (1_499_827_319_559, 5_000);
    let params = writer.begin();
    for (name, value) in [
        ("symbol", "LTCBTC"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "1"),
        ("price", "0.1"),
    ] {
        params.text(name, value);
    }
    let target = writer.target("/api/v3/order", Some(&seal)).to_string();
    let terms = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1";
    let payload = format!("{terms}&timestamp=1499827319559&recvWindow=5000");
    let mut expected = format!("/api/v3/order?{payload}&signature=");
    signer.sign_encoded(payload.as_bytes(), &mut expected);
    Ok(vec![by_socket, ("POST order by REST", expected, target)])
}
