//! `tickwheel venue`: a local exchange that speaks Binance Spot, in the foreground.
//!
//! The line that `--json` prints when it serves is a contract: `rest`, `stream`, `ws_api`, the same
//! with `_tls`, `ca_file`, `accounts`. Others wait for it.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use venue::fault::FaultPlan;
use venue::serve::{MarketConfig, Venue, VenueConfig};
use venue::{AccountView, KeyKind};

use crate::record;

/// Money has eight decimals; a part per million of it is a hundred units.
const UNITS_PER_PPM: i64 = 100;
/// Highest fee that may be named: one percent.
const FEE_PPM_MAX: u32 = 10_000;
const MILLISECOND_NS: u64 = 1_000_000;

/// Arguments of `tickwheel venue`.
#[derive(Args, Debug)]
pub(crate) struct VenueArgs {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to listen with TLS; default: the same host, any free port.
    #[arg(long, value_name = "ADDRESS")]
    listen_tls: Option<SocketAddr>,
    /// Seed of the market, of the keys of the accounts and of the chances of faults.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Keep accounts and orders in this directory, and go on from there at the next start.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Market from a capture instead of generated participants.
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// The symbol of the capture.
    #[arg(long, value_name = "SYMBOL", default_value = "BTCUSDT", requires = "capture")]
    capture_symbol: String,
    /// Speed of the market in percent; 0 stands still after the first quotes.
    #[arg(long, value_name = "PERCENT", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(0..=100_000))]
    speed: u32,
    /// A script of faults, one JSON object a line; see docs of the venue crate.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Between two frames of the 100 ms depth streams.
    #[arg(long, value_name = "MS", default_value_t = 100,
          value_parser = clap::value_parser!(u64).range(1..=10_000))]
    depth_interval_ms: u64,
    /// Fee of makers and takers in parts per million; default: 1000.
    #[arg(long, value_name = "PPM",
          value_parser = clap::value_parser!(u32).range(0..=i64::from(FEE_PPM_MAX)))]
    fee_ppm: Option<u32>,
    /// End when standard input is closed: whoever started the venue is gone.
    #[arg(long)]
    exit_with_parent: bool,
    /// Print one JSON line when it serves.
    #[arg(long)]
    json: bool,
}

/// Serves until a signal comes or the parent is gone.
pub(crate) fn run(args: &VenueArgs) -> anyhow::Result<ExitCode> {
    let signal = record::watch_signals()?;
    let mut venue = Venue::open(config_of(args)?).context("open the venue")?;
    let ca = CaFile::write(args.state.as_deref(), venue.ca_pem())?;
    tell(args, &venue, &ca.path)?;
    if args.exit_with_parent {
        watch_parent(Arc::clone(&signal))?;
    }
    venue.serve(|| signal.load(Ordering::Acquire)).context("serve")?;
    Ok(ExitCode::SUCCESS)
}

fn config_of(args: &VenueArgs) -> anyhow::Result<VenueConfig> {
    let mut config = VenueConfig::local(args.seed);
    config.listen = args.listen;
    config.listen_tls = args.listen_tls.unwrap_or_else(|| SocketAddr::new(args.listen.ip(), 0));
    config.state_folder.clone_from(&args.state);
    config.streams.depth_fast_ns = args.depth_interval_ms * MILLISECOND_NS;
    if let Some(path) = &args.capture {
        config.market = MarketConfig::Capture {
            path: path.clone(),
            symbol: args.capture_symbol.clone(),
            speed_percent: args.speed,
        };
    } else if let MarketConfig::Generated(flow) = &mut config.market {
        flow.speed_percent = args.speed;
    }
    if let Some(ppm) = args.fee_ppm {
        for symbol in &mut config.exchange.symbols {
            symbol.fees.maker = i64::from(ppm) * UNITS_PER_PPM;
            symbol.fees.taker = i64::from(ppm) * UNITS_PER_PPM;
        }
    }
    if let Some(path) = &args.faults {
        let script = std::fs::read_to_string(path)
            .with_context(|| format!("read faults {}", path.display()))?;
        config.faults =
            FaultPlan::parse(&script).with_context(|| format!("read faults {}", path.display()))?;
    }
    Ok(config)
}

/// The authority's certificate in a file; one in a temporary folder is removed at the end.
#[derive(Debug)]
struct CaFile {
    path: PathBuf,
    /// The folder to remove.
    folder: Option<PathBuf>,
}

impl CaFile {
    fn write(state: Option<&Path>, pem: &str) -> anyhow::Result<CaFile> {
        let temporary = || {
            let name = format!("tickwheel-venue-{}", std::process::id());
            std::env::temp_dir().join(name)
        };
        let folder = state.map_or_else(temporary, Path::to_path_buf);
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let path = folder.join("ca.pem");
        std::fs::write(&path, pem).with_context(|| format!("write {}", path.display()))?;
        let path = std::path::absolute(&path).unwrap_or(path);
        Ok(CaFile { path, folder: state.is_none().then_some(folder) })
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // What cannot be removed now is a small file in a temporary folder.
            drop(std::fs::remove_dir_all(folder));
        }
    }
}

fn tell(args: &VenueArgs, venue: &Venue, ca_file: &Path) -> anyhow::Result<()> {
    let urls = venue.urls();
    let mut out = std::io::stdout().lock();
    if args.json {
        let value = json!({
            "rest": urls.rest,
            "stream": urls.stream,
            "ws_api": urls.ws_api,
            "rest_tls": urls.rest_tls,
            "stream_tls": urls.stream_tls,
            "ws_api_tls": urls.ws_api_tls,
            "ca_file": ca_file,
            "accounts": keys(venue.accounts()),
        });
        writeln!(out, "{value}")?;
    } else {
        writeln!(out, "REST      {}  {}", urls.rest, urls.rest_tls)?;
        writeln!(out, "streams   {}  {}", urls.stream, urls.stream_tls)?;
        writeln!(out, "WS API    {}  {}", urls.ws_api, urls.ws_api_tls)?;
        writeln!(out, "CA        {}", ca_file.display())?;
        for account in venue.accounts() {
            writeln!(out, "account   {}", account.name)?;
            for (api_key, secret) in hmac_keys(account) {
                writeln!(out, "          key    {api_key}\n          secret {secret}")?;
            }
        }
        writeln!(out, "Ctrl-C ends it.")?;
    }
    out.flush()?;
    Ok(())
}

/// The HMAC keys of an account with their secrets: the money is play money, and who starts the
/// venue is to trade on it.
fn hmac_keys(account: &AccountView) -> impl Iterator<Item = (&str, &str)> {
    account.keys.iter().filter_map(|key| match &key.kind {
        KeyKind::Hmac { secret } => Some((key.api_key.as_str(), secret.as_str())),
        KeyKind::Ed25519 { .. } => None,
    })
}

fn keys(accounts: &[AccountView]) -> Vec<serde_json::Value> {
    let mut found = Vec::new();
    for account in accounts {
        for (api_key, secret) in hmac_keys(account) {
            found.push(json!({ "name": account.name, "api_key": api_key, "secret": secret }));
        }
    }
    found
}

/// Raises the flag when standard input ends.
fn watch_parent(signal: Arc<AtomicBool>) -> anyhow::Result<()> {
    let wait = move || {
        let mut buffer = [0; 256];
        let mut input = std::io::stdin().lock();
        while matches!(input.read(&mut buffer), Ok(count) if 0 < count) {}
        signal.store(true, Ordering::Release);
    };
    std::thread::Builder::new()
        .name("parent-watch".to_string())
        .spawn(wait)
        .context("watch standard input")?;
    Ok(())
}
