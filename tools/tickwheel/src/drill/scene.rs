//! The scene of a drill: a local venue, a scratch directory and engines as processes of this very binary.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use binance::request::Method;
use config::Config;
use config::schema::{InstrumentSection, MarketMakerSection, StrategySection};
use config::wire::LocalSection;
use engine::clock::Clock;
use engine::stats::{CounterId, StatsReader};
use guard::line::{Line, LineConfig};
use rust_decimal::Decimal;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wire::http::HttpConfig;

use crate::guard_command;
use crate::run::connected::urls_of;
use crate::run::guarded::write_local_key;
use crate::run::local_venue::LocalVenue;

/// How long an engine may take until it has orders at the venue, or until it ended.
const WAIT_NS_MAX: u64 = 90_000_000_000;
/// A distance that no market of a drill moves.
const FEARLESS_TICKS: u32 = 1_000_000;
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause between two looks at engine and venue.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// Longest wait for an answer of the venue.
const REQUEST_NS_MAX: u64 = 5_000_000_000;
/// Window of requests.
const RECV_WINDOW_MS: u64 = 5_000;

/// Where a drill takes place. The scratch directory goes with it.
#[derive(Debug)]
pub(super) struct Scene {
    dir: PathBuf,
    keeps: bool,
    config: PathBuf,
    pub(super) data: PathBuf,
    line: Line,
    instruments: Vec<InstrumentSection>,
    _venue: LocalVenue,
}

/// An engine, or another process of this binary.
#[derive(Debug)]
pub(super) struct Actor {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Scene {
    /// Starts the venue and writes a configuration that trades there: limits and instruments as configured, and
    /// strategies whose orders rest.
    pub(super) fn open(
        config: &Config,
        origin: &str,
        seed: u64,
        clock: &Clock,
    ) -> anyhow::Result<Scene> {
        let name = format!("tickwheel-drill-{}-{}", std::process::id(), clock.now_ns());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        let settings =
            LocalSection { seed, fee_ppm: fee_ppm(config, origin)?, ..LocalSection::default() };
        let venue = LocalVenue::start(&settings, &dir.join("venue"))?;
        let account = venue.served.accounts.first().context("the local venue has no account")?;
        let key = write_local_key(&dir, account)?;
        let line = Line::open(LineConfig {
            rest_url: &venue.served.rest,
            http: HttpConfig::default(),
            credentials: Some(guard_command::key(&key)?),
            request_ns_max: REQUEST_NS_MAX,
            recv_window_ms: RECV_WINDOW_MS,
        })?;
        let urls = urls_of(&venue.served.rest)?;
        let mut scene = Scene {
            config: dir.join("drill.toml"),
            data: dir.join("data"),
            dir,
            keeps: false,
            line,
            instruments: config.instrument.clone(),
            _venue: venue,
        };
        let mut staged = config.clone();
        staged.engine.mode = "paper".to_string();
        staged.live = None;
        let mut guard = staged.guard.take().unwrap_or_default();
        // Guards of drills are started by the drill; the venue knows no key but this one.
        (guard.start, guard.key_file) = (false, None);
        staged.guard = Some(guard);
        staged.secrets = None;
        let wire = staged.wire.as_mut().with_context(|| format!("{origin}: has no [wire]"))?;
        wire.network = "url".to_string();
        (wire.rest_url, wire.stream_url, wire.ws_api_url) =
            (Some(urls.rest), Some(urls.stream), Some(urls.ws_api));
        (wire.key_file, wire.ca_file) = (Some(key.display().to_string()), None);
        scene.stage(&mut staged, origin, clock)?;
        let text = staged.to_toml();
        Config::parse(&text, "the drill's configuration")?;
        std::fs::write(&scene.config, text)
            .with_context(|| format!("write {}", scene.config.display()))?;
        Ok(scene)
    }

    /// Two market makers an instrument: one near the market, which gets positions, one far away, whose orders rest.
    fn stage(&mut self, staged: &mut Config, origin: &str, clock: &Clock) -> anyhow::Result<()> {
        let mut strategies = Vec::new();
        for instrument in &staged.instrument {
            let symbol = &instrument.symbol;
            let price = self.price(symbol, clock).with_context(|| {
                format!("{origin}: the drill's venue does not list {symbol}: drill with others")
            })?;
            let limits = staged.risk.instrument.iter().find(|limits| limits.symbol == *symbol);
            let limits =
                limits.with_context(|| format!("{origin}: {symbol} has no risk limits"))?;
            // Enough for the venue, a tenth of what the limits allow of one order.
            let least = Decimal::TWO * instrument.notional_min.0;
            let notional = least.max(limits.order_notional_max.0 / Decimal::TEN);
            let lots = (notional / price / instrument.lot.0).ceil().max(Decimal::ONE);
            let quantity = config::Number((lots * instrument.lot.0).normalize());
            for (name, spread_ticks_min) in [("near", 4), ("far", 1_500)] {
                strategies.push(StrategySection::MarketMaker(MarketMakerSection {
                    name: format!("drill-{name}-{}", symbol.to_lowercase()),
                    symbol: symbol.clone(),
                    gamma: "0.0001".parse().map_err(|text: String| anyhow!(text))?,
                    k: "0.05".parse().map_err(|text: String| anyhow!(text))?,
                    horizon_ms: 1_000,
                    quote_quantity: quantity,
                    inventory_max: quantity,
                    spread_ticks_min,
                    spread_ticks_max: 4_000,
                    requote_ticks: 200,
                    requote_interval_ms_min: 250,
                    volatility_half_life_ms: None,
                    volatility_ticks_start: Some(config::Number(Decimal::from(300))),
                    volatility_ticks_max: None,
                    warmup_ms: Some(200),
                    // Nothing frightens them: a drill needs orders, not profit.
                    through_ticks: Some(FEARLESS_TICKS),
                    markout_ms: None,
                    markout_ticks: Some(FEARLESS_TICKS),
                    toxic_widen_ticks: None,
                }));
            }
        }
        staged.strategy = strategies;
        // What is said of the strategies that it does not have.
        staged.risk.strategy.clear();
        if let Some(monitor) = &mut staged.monitor {
            monitor.strategy.clear();
        }
        if let Some(control) = &mut staged.control {
            control.hold.retain(|hold| hold.strategy.is_none());
        }
        Ok(())
    }

    /// The best bid, which a market that has just opened gets within moments.
    fn price(&mut self, symbol: &str, clock: &Clock) -> anyhow::Result<Decimal> {
        let rest = ("GET", "/api/v3/ticker/bookTicker");
        let start_ns = clock.now_ns();
        loop {
            let body = self.line.ask(rest, false, clock, |params| params.text("symbol", symbol))?;
            let value: Value = serde_json::from_slice(&body).context("a price")?;
            let price = Decimal::from_str_exact(value["bidPrice"].as_str().context("a price")?)?;
            if Decimal::ZERO < price {
                return Ok(price);
            }
            if WAIT_NS_MAX < clock.now_ns() - start_ns {
                bail!("nobody bids for {symbol} at the drill's venue");
            }
            std::thread::park_timeout(PAUSE);
        }
    }

    /// Questions that [`Scene::open_orders`] asks, one after another.
    pub(super) fn question_count(&self) -> u64 {
        u64::try_from(self.instruments.len()).unwrap_or(u64::MAX).max(1)
    }

    /// Orders that are open at the venue. Asked symbol by symbol, which costs the venue a tenth: a drill must not use
    /// up what the engine and its guard are allowed to ask.
    pub(super) fn open_orders(&mut self, clock: &Clock) -> anyhow::Result<usize> {
        let rest = Method::OpenOrders.rest().context("open orders have a REST request")?;
        let mut count = 0;
        for InstrumentSection { symbol, .. } in &self.instruments {
            let body = self.line.ask(rest, true, clock, |params| params.text("symbol", symbol))?;
            let value: Value = serde_json::from_slice(&body).context("open orders")?;
            count += value.as_array().context("open orders are a list")?.len();
        }
        Ok(count)
    }

    /// Whether a position is smaller than the smallest order of its instrument.
    pub(super) fn is_dust(&self, symbol: &str, size: Decimal, notional: Decimal) -> bool {
        let instrument = self.instruments.iter().find(|instrument| instrument.symbol == symbol);
        instrument.is_some_and(|it| size < it.lot.0 || notional < it.notional_min.0)
    }

    /// Starts `tickwheel` with `words` on the drill's data directory.
    pub(super) fn start(
        &self,
        name: &'static str,
        words: &[&str],
        log: &str,
    ) -> anyhow::Result<Actor> {
        let binary = std::env::current_exe().context("find the own binary")?;
        let path = self.dir.join(log);
        let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        let mut command = Command::new(binary);
        command.args(words).arg("--data-dir").arg(&self.data);
        if name == "engine" {
            command.arg("--config").arg(&self.config);
        }
        // Ctrl-C is the drill's own.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let again = file.try_clone().context("the log of a process")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::from(again))
            .stderr(Stdio::from(file))
            .spawn()
            .with_context(|| format!("start the {name}"))?;
        Ok(Actor { name, child, log: path })
    }

    /// Starts an engine.
    pub(super) fn start_engine(&self, number: u32) -> anyhow::Result<Actor> {
        self.start("engine", &["run", "--json"], &format!("engine-{number}.log"))
    }

    /// Runs `tickwheel` with `words` to its end; its exit code and the JSON that it printed.
    pub(super) fn ask_engine(&self, words: &[&str]) -> anyhow::Result<(Option<i32>, Value)> {
        let binary = std::env::current_exe().context("find the own binary")?;
        let mut command = Command::new(binary);
        command.args(words).arg("--data-dir").arg(&self.data).stdin(Stdio::null());
        let output = command.output().with_context(|| words.join(" "))?;
        let value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        if value.is_null() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("tickwheel {}: {}: {}", words.join(" "), output.status, said.trim());
        }
        Ok((output.status.code(), value))
    }

    /// Waits until the engine has so many orders at the venue, and fills if wanted; how many orders.
    pub(super) fn wait_for_orders(
        &mut self,
        engine: &mut Actor,
        (orders_min, wants_fill): (u64, bool),
        clock: &Clock,
    ) -> anyhow::Result<u64> {
        let start_ns = clock.now_ns();
        loop {
            engine.check_running()?;
            let snapshot = StatsReader::open(&self.data).and_then(|reader| reader.snapshot()).ok();
            let pid = u64::from(engine.child.id());
            let own = snapshot.filter(|snapshot| u64::from(snapshot.engine.process.pid) == pid);
            if let Some(snapshot) = &own {
                let open = snapshot.counter(CounterId::OrdersOpen);
                let filled = 0 < snapshot.counter(CounterId::Fills);
                let enough = orders_min <= open && (filled || !wants_fill);
                if enough && orders_min <= u64::try_from(self.open_orders(clock)?)? {
                    return Ok(open);
                }
            }
            if WAIT_NS_MAX < clock.now_ns() - start_ns {
                bail!("the engine has no orders at the venue; its output: {}", engine.said());
            }
            std::thread::park_timeout(LOOK_PAUSE);
        }
    }

    /// Keeps the scratch directory; where it is.
    pub(super) fn keep(&mut self) -> &Path {
        self.keeps = true;
        &self.dir
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // The stats of a killed engine lie in shared memory until the next start; here is none.
        if let Ok(target) = std::fs::read_link(self.data.join(engine::stats::FILE_NAME)) {
            drop(std::fs::remove_file(target));
        }
        if !self.keeps {
            drop(std::fs::remove_dir_all(&self.dir));
        }
    }
}

impl Actor {
    /// An error when it has ended by itself.
    pub(super) fn check_running(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait().with_context(|| format!("watch the {}", self.name))? {
            None => Ok(()),
            Some(status) => bail!("the {} ended: {status}; its output: {}", self.name, self.said()),
        }
    }

    /// What it printed.
    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// kill -9.
    pub(super) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().with_context(|| format!("kill the {}", self.name))?;
        self.child.wait().with_context(|| format!("wait for the {}", self.name))?;
        Ok(())
    }

    /// Ends it in order.
    pub(super) fn end(mut self, clock: &Clock) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)
            .with_context(|| format!("end the {}", self.name))?;
        let start_ns = clock.now_ns();
        while self.child.try_wait().context("watch a process")?.is_none() {
            if WAIT_NS_MAX < clock.now_ns() - start_ns {
                bail!("the {} does not end; its output: {}", self.name, self.said());
            }
            std::thread::park_timeout(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The local venue has one fee for all.
fn fee_ppm(config: &Config, origin: &str) -> anyhow::Result<u32> {
    let fee =
        config.instrument.first().with_context(|| format!("{origin}: no instrument"))?.taker_fee;
    let ppm = (fee.0 * Decimal::from(1_000_000)).round();
    u32::try_from(i64::try_from(ppm)?).with_context(|| format!("{origin}: a fee of {fee}"))
}
