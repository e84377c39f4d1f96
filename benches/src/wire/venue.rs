//! The venue of the bench: blocking sockets and frames by hand, so that it disturbs as little as possible.
//!
//! A thread for each connection. The one of the stream writes frames by plan, the one of the WS API waits in
//! `read` for orders: what it takes to wake it is in every figure, floors included.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use engine::clock::Clock;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{MARK_COUNT, Shared, script, wait_until};

const NS_PER_MS: u64 = 1_000_000;
/// No read or write of a bench takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Looks at a block that goes on, and the pause between them: a minute.
const WAIT_COUNT_MAX: u32 = 1_200;
const WAIT: Duration = Duration::from_millis(50);
/// What the echo sends begins with this.
pub const ECHO: &str = "echo";

/// What was seen from outside.
#[derive(Debug, Default)]
pub struct Seen {
    /// From just before the write of a depth frame to the return of the read that brought its order, ns.
    pub from_write_ns: Vec<u64>,
    /// From the planned time of the frame.
    pub from_plan_ns: Vec<u64>,
    /// Bytes of one order frame.
    pub order_size_bytes: usize,
    /// Bytes of one depth frame.
    pub depth_size_bytes: usize,
}

trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}

/// A venue that serves one block.
#[derive(Debug)]
pub struct Venue {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Receiver<anyhow::Result<Seen>>,
}

struct Host {
    shared: Arc<Shared>,
    clock: Clock,
    tls: Option<Arc<ServerConfig>>,
    seen: Sender<anyhow::Result<Seen>>,
}

impl Host {
    fn another(&self) -> Host {
        Host {
            shared: Arc::clone(&self.shared),
            clock: self.clock.clone(),
            tls: self.tls.clone(),
            seen: self.seen.clone(),
        }
    }
}

impl Venue {
    /// Listens. Its threads end when the connections do.
    pub fn start(
        shared: &Arc<Shared>,
        clock: &Clock,
        tls: Option<Arc<ServerConfig>>,
    ) -> anyhow::Result<Venue> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (sender, seen) = channel();
        let host = Host { shared: Arc::clone(shared), clock: clock.clone(), tls, seen: sender };
        std::thread::Builder::new().name("venue".to_string()).spawn(move || {
            for socket in listener.incoming() {
                if host.shared.stopped() {
                    break;
                }
                let (Ok(socket), host) = (socket, host.another()) else { break };
                std::thread::spawn(move || {
                    let failed = host.seen.clone();
                    if let Err(error) = serve(socket, &host) {
                        // Nobody listens any more after the end.
                        drop(failed.send(Err(error)));
                    }
                });
            }
        })?;
        Ok(Venue { address, seen })
    }

    /// Waits for what was seen, as long as the client works.
    pub fn finish(self, works: impl Fn() -> bool) -> anyhow::Result<Seen> {
        let mut left_count = WAIT_COUNT_MAX;
        while 0 < left_count && works() {
            match self.seen.recv_timeout(WAIT) {
                Ok(seen) => return seen,
                Err(RecvTimeoutError::Timeout) => left_count -= 1,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Err(anyhow::anyhow!("too few orders came"))
    }

    /// Lets the listener end.
    pub fn close(address: SocketAddr) {
        drop(TcpStream::connect(address));
    }
}

fn serve(socket: TcpStream, host: &Host) -> anyhow::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut socket: Box<dyn Duplex> = match &host.tls {
        None => Box::new(socket),
        Some(config) => {
            Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(config))?, socket))
        }
    };
    let mut input = Vec::new();
    while let Some(head) = read_head(&mut socket, &mut input)? {
        let target = head.split(' ').nth(1).unwrap_or_default().to_string();
        if target.starts_with("/api/v3/depth") {
            let body = script::snapshot(host.shared.sent_count.load(Ordering::Acquire));
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            socket.write_all(answer.as_bytes())?;
            continue;
        }
        let key = head
            .lines()
            .find_map(|line| {
                line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case("sec-websocket-key"))
            })
            .context("no upgrade")?;
        let accept = tungstenite::handshake::derive_accept_key(key.1.trim().as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        socket.write_all(answer.as_bytes())?;
        socket.flush()?;
        return if target.starts_with("/stream") {
            write_market(&mut socket, &mut input, host)
        } else {
            let seen = read_orders(&mut socket, &mut input, host);
            host.shared.is_done.store(true, Ordering::Release);
            if let Some(seen) = seen? {
                drop(host.seen.send(Ok(seen)));
                // Until the client is gone: what it still asks is answered with silence.
                while more(&mut socket, &mut input)? {
                    input.clear();
                }
            }
            Ok(())
        };
    }
    Ok(())
}

/// Reads what is there; false at the end.
fn more(socket: &mut dyn Duplex, input: &mut Vec<u8>) -> anyhow::Result<bool> {
    let mut piece = [0; 16 * 1024];
    match socket.read(&mut piece) {
        Ok(0) => Ok(false),
        Ok(count) => {
            input.extend_from_slice(&piece[..count]);
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
        // The client broke the connection off, which is how blocks end.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(false),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn read_head(socket: &mut dyn Duplex, input: &mut Vec<u8>) -> anyhow::Result<Option<String>> {
    loop {
        if let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&input[..end]).into_owned();
            input.drain(..end + 4);
            return Ok(Some(head));
        }
        if !more(socket, input)? {
            return Ok(None);
        }
    }
}

/// A length of two bytes, as WebSocket writes them.
pub fn wide(high: u8, low: u8) -> usize {
    (usize::from(high) << 8) | usize::from(low)
}

/// Takes a masked frame from the front; kind and payload.
fn take_frame(input: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (kind, short) = (input.first()? & 15, input.get(1)? & 127);
    let (length, mut at) = match short {
        126 => (wide(*input.get(2)?, *input.get(3)?), 4),
        127 => return None,
        short => (usize::from(short), 2),
    };
    let mask: [u8; 4] = input.get(at..at + 4)?.try_into().ok()?;
    at += 4;
    let payload = input.get(at..at + length)?;
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    input.drain(..at + length);
    Some((kind, payload))
}

/// Appends a text frame as a server sends it.
pub fn push_text(text: &str, out: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).expect("frames of the bench are short");
    out.push(0x81);
    if length < 126 {
        out.push(u8::try_from(length).expect("below 126"));
    } else {
        out.push(126);
        let [low, high] = length.to_le_bytes();
        out.extend_from_slice(&[high, low]);
    }
    out.extend_from_slice(text.as_bytes());
}

fn write_market(socket: &mut dyn Duplex, input: &mut Vec<u8>, host: &Host) -> anyhow::Result<()> {
    let (shared, clock) = (&host.shared, &host.clock);
    let subscribe = loop {
        match take_frame(input) {
            Some((1, payload)) => break String::from_utf8(payload)?,
            Some(_) => {}
            None => ensure!(more(socket, input)?, "the client did not subscribe"),
        }
    };
    let id = script::field(&subscribe, "id").context("a SUBSCRIBE has an id")?;
    let mut frame = Vec::new();
    push_text(&format!("{{\"result\":null,\"id\":{id}}}"), &mut frame);
    socket.write_all(&frame)?;
    let start_ns = clock.now_ns() + shared.load.interval_ns;
    let mut text = String::new();
    let mut index = 0;
    while !shared.is_done.load(Ordering::Acquire) {
        script::depth(index, clock.now_ns() / NS_PER_MS, &mut text);
        frame.clear();
        push_text(&text, &mut frame);
        let planned_ns = start_ns + index * shared.load.interval_ns;
        wait_until(clock, planned_ns);
        let mark = shared.mark(index);
        mark.planned_ns.store(planned_ns, Ordering::Relaxed);
        mark.written_ns.store(clock.now_ns(), Ordering::Release);
        if socket.write_all(&frame).and_then(|()| socket.flush()).is_err() {
            break;
        }
        index += 1;
        shared.sent_count.store(index, Ordering::Release);
    }
    // The socket stays open until the client goes: an end would be one more thing to do for it.
    while more(socket, input).unwrap_or(false) {
        input.clear();
    }
    Ok(())
}

/// What the reader knows.
#[derive(Default)]
struct Reader {
    seen: Seen,
    order_count: u64,
    mark: Option<u64>,
    names: BTreeSet<String>,
}

fn read_orders(
    socket: &mut dyn Duplex,
    input: &mut Vec<u8>,
    host: &Host,
) -> anyhow::Result<Option<Seen>> {
    let clock = &host.clock;
    let load = host.shared.load;
    let mut reader = Reader::default();
    let mut out = Vec::new();
    loop {
        if !more(socket, input)? {
            return Ok(None);
        }
        let seen_ns = clock.now_ns();
        let size_bytes = input.len();
        while let Some((kind, payload)) = take_frame(input) {
            if kind != 1 {
                continue;
            }
            let text = std::str::from_utf8(&payload)?;
            if let Some(answer) = reader.hear(text, &host.shared, seen_ns)? {
                out.clear();
                push_text(&answer, &mut out);
                socket.write_all(&out)?;
                socket.flush()?;
            }
            reader.seen.order_size_bytes = size_bytes;
        }
        if load.warm_count + load.sample_count <= reader.order_count {
            return Ok(Some(reader.seen));
        }
    }
}

impl Reader {
    /// Takes a message; the answer to it.
    fn hear(
        &mut self,
        text: &str,
        shared: &Shared,
        seen_ns: u64,
    ) -> anyhow::Result<Option<String>> {
        let now_ms = seen_ns / NS_PER_MS;
        let is_echo = text.starts_with(ECHO);
        if !is_echo && script::field(text, "method") != Some("order.place") {
            return Ok(script::answer(text, now_ms));
        }
        let mark = if is_echo {
            self.order_count % MARK_COUNT
        } else {
            let price = script::price(text).context("an order has a price")?;
            let name = script::field(text, "newClientOrderId").context("an order has a name")?;
            ensure!(self.names.insert(name.to_string()), "{name} came twice");
            script::mark_of(price).with_context(|| format!("{price} is no price of the bench"))?
        };
        let is_warm = shared.load.warm_count <= self.order_count;
        if let Some(before) = self.mark.replace(mark)
            && is_warm
        {
            ensure!(
                mark == (before + 1) % MARK_COUNT,
                "after frame {before} came the order for {mark}"
            );
        }
        if is_warm {
            let times = shared.mark(mark);
            let written_ns = times.written_ns.load(Ordering::Acquire);
            let planned_ns = times.planned_ns.load(Ordering::Relaxed);
            self.seen.from_write_ns.push(seen_ns.saturating_sub(written_ns));
            self.seen.from_plan_ns.push(seen_ns.saturating_sub(planned_ns));
        }
        self.order_count += 1;
        if is_echo {
            return Ok(None);
        }
        Ok(Some(script::expired(text, self.order_count, now_ms).context("an order is whole")?))
    }
}
