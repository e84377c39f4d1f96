//! `tickwheel guard`: watches the engine of a data directory and cancels its orders when it is dead or stuck.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use clap::Args;
use config::secrets::SecretsSection;
use engine::clock::Clock;
use engine::event::Mode;
use guard::line::Credentials;
use guard::patrol::{End, News, Orders, Patrol};
use guard::record::Outcome;
use guard::session::Session;
use secret::Strictness;
use serde_json::json;

use crate::{exit, record, report, secrets, session, stat};

/// Arguments of `tickwheel guard`. What it does stands in guard.log; `tickwheel alarms watch` tells it to people.
#[derive(Args, Debug)]
pub(crate) struct GuardArgs {
    /// Data directory of the engine; default: a directory under the user's state directory.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Take [guard] from this configuration file instead of what the engine left in session.json.
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    config: Option<PathBuf>,
    /// The same from a built-in profile.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// File with the key to cancel with, instead of the engine's.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Silence of the core after which the engine counts as stuck, such as 300ms.
    #[arg(long, value_name = "TIME", value_parser = report::parse_duration)]
    dead: Option<u64>,
    /// End when one engine has ended in order or was dealt with.
    #[arg(long)]
    once: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Standard output is not the guard's: it holds the local venue open.
    #[arg(long, hide = true)]
    quiet: bool,
}

/// Guards until a signal comes, or with --once until the engine is over.
pub(crate) fn run(args: &GuardArgs) -> anyhow::Result<ExitCode> {
    let signal = record::watch_signals()?;
    let dir = args.data_dir.clone().unwrap_or_else(stat::default_data_dir);
    let configured = match (&args.config, &args.profile) {
        (None, None) => None,
        (file, profile) => {
            let profile = profile.as_deref().unwrap_or("paper");
            Some(session::read_config(file.as_deref(), profile)?.0.guard.unwrap_or_default())
        }
    };
    let dead_ns = configured.as_ref().map(|guard| u64::from(guard.dead_ms_max) * 1_000_000);
    let key_file = configured.as_ref().and_then(|guard| guard.key_file.as_ref().map(PathBuf::from));
    let orders = Orders {
        dir,
        dead_ns_max: args.dead.or(dead_ns),
        key_file: args.key_file.clone().or(key_file),
        once: args.once,
        keys: Box::new(|name, left| key_of(name, left).map_err(|error| crate::chain(&error))),
    };
    let mut patrol = Patrol::new(orders, Clock::new()).context("start the guard")?;
    let stop = || signal.load(Ordering::Acquire);
    let end = patrol.run(stop, |news| tell(args, news)).context("guard")?;
    Ok(match end {
        End::Told | End::Ended | End::Acted(Outcome::Clean | Outcome::VenueGone) => {
            ExitCode::SUCCESS
        }
        End::Acted(_) => ExitCode::from(exit::NO),
    })
}

/// A key file as the guard's session uses it.
pub(crate) fn key(path: &Path) -> anyhow::Result<Credentials> {
    let secrets::Credentials { api_key, signer } = secrets::read_key(path)?;
    Ok(Credentials { api_key, signer })
}

/// The key that an engine left the name of: a path, or a name of a secret with the places that it needs.
fn key_of(name: &str, left: &Session) -> anyhow::Result<Credentials> {
    if !secrets::is_name(name) {
        return key(Path::new(name));
    }
    let section = match &left.secrets {
        Some(text) => serde_json::from_str(text).context("[secrets] of session.json")?,
        None => SecretsSection::default(),
    };
    let is_live = left.mode == Mode::Live.name();
    let strictness = if is_live { Strictness::Live } else { Strictness::Practice };
    let mut store = secrets::store_of(&section, strictness, &Clock::new())?;
    let uri = secrets::parse("the engine's key", name)?;
    let found = secrets::Credentials::of(&secrets::fetch_key(&mut store, &uri)?, &uri)?;
    Ok(Credentials { api_key: found.api_key, signer: found.signer })
}

fn tell(args: &GuardArgs, news: &News) {
    let (words, value) = match news {
        News::Watching(engine) => (
            format!("watching the engine with process id {}", engine.pid),
            json!({ "event": "watching", "engine": engine }),
        ),
        News::Ended(engine) => (
            "the engine has ended in order".to_string(),
            json!({ "event": "ended", "engine": engine }),
        ),
        News::Acting(act) => {
            (format!("{}: cancelling", act.detail), json!({ "event": "acting", "act": act }))
        }
        News::Acted(act) => (act.words(), json!({ "event": "acted", "act": act })),
        News::Trouble(text) => (text.clone(), json!({ "event": "trouble", "text": text })),
    };
    let is_alarm = !matches!(news, News::Watching(_) | News::Ended(_));
    let mut written = Ok(());
    if args.json && !args.quiet {
        written = writeln!(std::io::stdout().lock(), "{value}");
    }
    if is_alarm || !(args.json || args.quiet) {
        written = written.and(writeln!(std::io::stderr().lock(), "guard: {words}"));
    }
    // Where nobody can read it, guard.log has it, and the guard goes on.
    drop(written);
}
