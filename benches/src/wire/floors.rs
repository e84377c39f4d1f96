//! Floors: what the same sockets cost without an engine.
//!
//! - Echo: one thread, blocking sockets of the standard library. It reads a frame and writes bytes that were made
//!   before, as many as an order has.
//! - Reply: one thread, the product's poll loop, decoder, request writer and signature. It sends a real order for
//!   each frame, without rings, risk, journal and everything else that makes an engine.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use binance::Decoder;
use binance::orders::client_id::ClientId;
use binance::request::{Method, Place, RequestWriter, ResponseKind, Seal};
use binance::sign::Signer;
use engine::clock::Clock;
use engine::event::{Event, Kind, OrderTerms, Side, flags};
use engine::instrument::Venue;
use rustls::ClientConfig;
use wire::endpoint::Endpoint;
use wire::poller::Poller;
use wire::session::{Frame, Handler, SessionConfig, SessionEvent, SessionId};

use super::{API_KEY, PRICE_SCALE, QUANTITY_SCALE, SECRET, SYMBOL, Shared, instruments, venue};

/// Longest wait for a socket.
const WAIT: Duration = Duration::from_millis(5);
const SUBSCRIBE: &str = r#"{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":1}"#;
/// Quantity of each order: small, so that a thousand on their way are within every limit.
pub const QUANTITY: i64 = 1_000;
const NS_PER_MS: u64 = 1_000_000;

/// A frame of a client whose mask is zero.
fn client_frame(text: &str) -> Vec<u8> {
    let mut server = Vec::new();
    venue::push_text(text, &mut server);
    let head = server.len() - text.len();
    server[1] |= 0x80;
    server.splice(head..head, [0; 4]);
    server
}

fn open(address: SocketAddr, target: &str) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(socket.read(&mut byte)? == 1, "no answer to the upgrade");
        head.push(byte[0]);
    }
    Ok(socket)
}

/// The end of the first frame of a server in `input`, if it is whole.
fn frame_end(input: &[u8]) -> Option<usize> {
    let (head, length) = match *input.get(1)? {
        126 => (4, venue::wide(*input.get(2)?, *input.get(3)?)),
        short => (2, usize::from(short)),
    };
    (head + length <= input.len()).then_some(head + length)
}

/// Runs the echo until it is stopped. Inside times: from the read to the write.
pub fn echo(
    address: SocketAddr,
    order_size_bytes: usize,
    shared: &Arc<Shared>,
    clock: &Clock,
) -> anyhow::Result<Vec<u64>> {
    let mut orders = open(address, "/ws-api/v3")?;
    let mut market = open(address, "/stream")?;
    market.set_read_timeout(Some(Duration::from_millis(100)))?;
    let filler = "x".repeat(order_size_bytes.saturating_sub(8 + venue::ECHO.len()));
    let order = client_frame(&format!("{}{filler}", venue::ECHO));
    market.write_all(&client_frame(SUBSCRIBE))?;
    let (mut input, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    let (mut inside_ns, mut frame_count) = (Vec::new(), 0);
    while !shared.stopped() {
        let count = match market.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        let receive_ns = clock.now_ns();
        input.extend_from_slice(&piece[..count]);
        while let Some(end) = frame_end(&input) {
            input.drain(..end);
            frame_count += 1;
            // The first is the answer to the subscription.
            if 1 < frame_count && orders.write_all(&order).is_ok() {
                inside_ns.push(clock.now_ns().saturating_sub(receive_ns));
            }
        }
    }
    Ok(inside_ns)
}

/// What the reply hears.
struct Ears {
    decoder: Decoder,
    scratch: Vec<u8>,
    /// Best bid and receive time of frames that want an order.
    wanted: Vec<(i64, u64)>,
    open_count: usize,
    failure: Option<String>,
}

impl Handler for Ears {
    fn frame(&mut self, session: SessionId, frame: Frame<'_>) {
        // Session 1 brings answers to orders: nobody waits for them here.
        if session.0 != 0 {
            return;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(frame.payload);
        match self.decoder.decode_events(&mut self.scratch, frame.receive_ns) {
            Ok((_, events)) => {
                let bid = |event: &&Event| {
                    event.kind == Kind::LEVEL && !event.has(flags::SELL) && 0 < event.quantity
                };
                if let Some(best) = events.iter().filter(bid).map(|event| event.price).max() {
                    self.wanted.push((best, frame.receive_ns));
                }
            }
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    fn changed(&mut self, _session: SessionId, event: &SessionEvent) {
        if matches!(event, SessionEvent::Open { .. }) {
            self.open_count += 1;
        }
    }
}

/// Runs decode-and-reply until it is stopped. With `spins` it never sleeps.
pub fn reply(
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    spins: bool,
    (shared, clock): (&Arc<Shared>, &Clock),
) -> anyhow::Result<Vec<u64>> {
    let mut poller = Poller::new()?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    let session = SessionConfig { tls, ..SessionConfig::default() };
    let market = SessionConfig { opening_texts: vec![SUBSCRIBE.to_string()], ..session.clone() };
    poller.add(Endpoint::resolve(&format!("{scheme}://{address}/stream"))?, market)?;
    let orders =
        poller.add(Endpoint::resolve(&format!("{scheme}://{address}/ws-api/v3"))?, session)?;
    let mut ears = Ears {
        decoder: Decoder::new(Venue::BinanceSpot, &instruments()),
        scratch: Vec::new(),
        wanted: Vec::new(),
        open_count: 0,
        failure: None,
    };
    let signer = Signer::hmac(SECRET)?;
    let mut writer = RequestWriter::default();
    let (mut token, mut inside_ns) = (0, Vec::new());
    let wait = if spins { Duration::ZERO } else { WAIT };
    while !shared.stopped() {
        poller.run_once(wait, clock, &mut ears)?;
        if ears.open_count < 2 {
            ears.wanted.clear();
            continue;
        }
        for (bid, receive_ns) in ears.wanted.drain(..) {
            token += 1;
            writer.begin().place(&Place {
                symbol: SYMBOL,
                side: Side::Buy,
                terms: OrderTerms::LIMIT_IOC,
                post_only: false,
                price: (bid, PRICE_SCALE),
                quantity: (QUANTITY, QUANTITY_SCALE),
                client_id: ClientId::first(token),
                response: ResponseKind::Result,
                self_trade: None,
            });
            let seal = Seal {
                signer: &signer,
                api_key: API_KEY,
                timestamp_ms: clock.now_ns() / NS_PER_MS,
                recv_window_ms: 1_000,
            };
            let text = writer.message(token, Method::Place, Some(&seal), false);
            if poller.send(orders, text).is_ok() {
                inside_ns.push(clock.now_ns().saturating_sub(receive_ns));
            }
        }
    }
    match ears.failure {
        Some(failure) => Err(anyhow::anyhow!(failure)).context("a frame of the bench"),
        None => Ok(inside_ns),
    }
}
