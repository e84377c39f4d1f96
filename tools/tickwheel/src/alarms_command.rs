//! `tickwheel alarms`: what is on, what was, and whether the channels work.

mod deputy;

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alarm::board::{Alarm, Board, BoardSettings, BoardState};
use alarm::channel::Message;
use alarm::store::{HISTORY_FILE, STATE_FILE, Silence, StoreError, newest, saved_board, silence};
use alarm::watch::WatchError;
use alarm::{Code, Notice, Signal, Subject, Watch};
use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use config::Config;
use config::alarm::AlarmsSection;
use engine::clock::Clock;
use serde_json::json;

use deputy::Deputy;

use crate::{alarms_setup, exit, report, session, stat};

/// Pause between two looks at a file or a journal that grows.
const PAUSE: Duration = Duration::from_millis(50);
/// Pause between two attempts to take over from the engine's own watch.
const STANDBY_PAUSE: Duration = Duration::from_millis(500);
/// How long the last messages may take at the end.
const END_NS_MAX: u64 = 3_000_000_000;

/// Arguments of `tickwheel alarms`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AlarmsArgs {
    #[command(subcommand)]
    command: Option<AlarmsCommand>,
    #[command(flatten)]
    place: Place,
    /// Show the history instead: the newest so many notices, 50 where no number is given.
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "50")]
    history: Option<usize>,
    /// Show the history, stay, and print each notice as it comes.
    #[arg(long)]
    follow: bool,
    /// Print JSON: one array, or with --follow one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Place {
    /// Data directory of the engine; default: a directory under the user's state directory.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Place {
    fn dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(stat::default_data_dir)
    }
}

#[derive(Args, Debug)]
struct Source {
    /// Configuration file instead of a built-in profile.
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    config: Option<PathBuf>,
    /// Built-in profile.
    #[arg(long, default_value = "paper")]
    profile: String,
}

impl Source {
    fn read(&self) -> anyhow::Result<(Config, AlarmsSection, String)> {
        let (config, origin) = session::read_config(self.config.as_deref(), &self.profile)?;
        let section = config.alarms.clone().ok_or_else(|| anyhow!("{origin}: no [alarms]"))?;
        Ok((config, section, origin))
    }
}

#[derive(Debug, Subcommand)]
enum AlarmsCommand {
    /// Send a message of a try through every configured channel, and say which took it.
    Test {
        #[command(flatten)]
        source: Source,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Send no messages of an alarm for a time; the history still has them. At most a day.
    Silence {
        /// Name or number of the alarm.
        alarm: String,
        /// For how long, such as 30m or 2h.
        #[arg(long = "for", value_name = "TIME", value_parser = report::parse_duration)]
        time_ns: Option<u64>,
        /// End the silence.
        #[arg(long, conflicts_with = "time_ns", required_unless_present = "time_ns")]
        end: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Tell the alarms of an engine from a process of its own: also when the engine dies, and what its guard then does.
    /// Stands by while the engine tells them itself.
    Watch {
        #[command(flatten)]
        source: Source,
        #[command(flatten)]
        place: Place,
        /// Stop after this time; default: run until Ctrl-C.
        #[arg(long, value_name = "TIME", value_parser = report::parse_duration)]
        duration: Option<u64>,
    },
    /// List every alarm that there is.
    Catalogue,
}

/// Runs the command. Exit code 1: an alarm is on that is critical or worse, or a channel did not take the try.
pub(crate) fn run(args: &AlarmsArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Some(AlarmsCommand::Test { source, json }) => test(source, *json),
        Some(AlarmsCommand::Silence { alarm, time_ns, place, .. }) => {
            quiet(alarm, time_ns.unwrap_or(0), place)
        }
        Some(AlarmsCommand::Watch { source, place, duration }) => watch(source, place, *duration),
        Some(AlarmsCommand::Catalogue) => {
            catalogue();
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let dir = alarms_setup::directory(&args.place.dir());
            if args.follow || args.history.is_some() {
                history(&dir, args)
            } else {
                list(&dir, args.json)
            }
        }
    }
}

fn catalogue() {
    for code in Code::ALL {
        let severity = code.severity().name();
        println!("{} {:<20} {severity:<8} {}", code.number(), code.name(), code.meaning());
    }
}

/// The alarms that are on.
fn list(dir: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let board = saved_board(dir)?.ok_or_else(|| {
        let path = dir.join(STATE_FILE);
        session::Coded::new(exit::USAGE, format!("no alarms are kept: no {}", path.display()))
    })?;
    let newest = newest(dir)?;
    let words = |alarm: &Alarm| {
        let last = newest.iter().rev().find(|notice| notice.alarm == alarm.number);
        last.map_or_else(String::new, |notice| notice.about.clone())
    };
    let mut alarms = board.alarms;
    alarms.sort_by_key(|alarm| (std::cmp::Reverse(alarm.severity()), alarm.number));
    if json {
        let rows: Vec<serde_json::Value> = alarms.iter().map(|it| row(it, &words(it))).collect();
        println!("{}", json!({ "alarms": rows, "overflow_count": board.overflow_count }));
    } else if alarms.is_empty() {
        println!("no alarm is on");
    } else {
        for alarm in &alarms {
            let (name, severity) = (alarm.code.name(), alarm.severity().name());
            let seen = alarm.acknowledged.map_or("", |_| ", seen");
            let clear = alarm.clear_since_ns.map_or("", |_| ", clear for now");
            let (number, about) = (alarm.number, words(alarm));
            let times =
                if 1 < alarm.count { format!(", {} times", alarm.count) } else { String::new() };
            let runbook = alarm.code.runbook();
            println!(
                "{number:>5} {severity:<8} {name} ({about}){times}{seen}{clear} -> docs/runbooks/{runbook}"
            );
        }
    }
    let is_bad = alarms
        .iter()
        .any(|alarm| alarm::Severity::Critical <= alarm.severity() && alarm.acknowledged.is_none());
    Ok(ExitCode::from(if is_bad { exit::NO } else { exit::GOOD }))
}

/// Alarms that nobody has acknowledged, the worst first; null where none are kept. For `ctl flags`.
pub(crate) fn unacknowledged(data_dir: &Path) -> serde_json::Value {
    let Ok(Some(board)) = saved_board(&alarms_setup::directory(data_dir)) else {
        return serde_json::Value::Null;
    };
    let mut alarms = board.alarms;
    alarms.retain(|alarm| alarm.acknowledged.is_none());
    alarms.sort_by_key(|alarm| (std::cmp::Reverse(alarm.severity()), alarm.number));
    alarms.iter().map(|alarm| row(alarm, "")).collect()
}

fn row(alarm: &Alarm, about: &str) -> serde_json::Value {
    json!({
        "alarm": alarm.number,
        "code": alarm.code.number(),
        "name": alarm.code.name(),
        "severity": alarm.severity().name(),
        "subject": alarm.subject,
        "about": about,
        "count": alarm.count,
        "first_ns": alarm.first_ns,
        "last_ns": alarm.last_ns,
        "sequence": alarm.sequence,
        "acknowledged_by": alarm.acknowledged,
        "escalated": alarm.escalated,
        "is_clear": alarm.clear_since_ns.is_some(),
        "runbook": format!("docs/runbooks/{}", alarm.code.runbook()),
    })
}

fn print(notice: &Notice, json: bool) -> anyhow::Result<()> {
    let line = if json { serde_json::to_string(notice)? } else { notice.line() };
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

fn history(dir: &Path, args: &AlarmsArgs) -> anyhow::Result<ExitCode> {
    let count = args.history.unwrap_or(50);
    let path = dir.join(HISTORY_FILE);
    let all = newest(dir)?;
    let shown = &all[all.len().saturating_sub(count)..];
    if args.json && !args.follow {
        println!("{}", serde_json::to_string(shown)?);
    } else {
        for notice in shown {
            print(notice, args.json)?;
        }
    }
    if args.follow {
        let last = all.last().map_or(0, |notice| notice.notice);
        follow(&path, last, args.json)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A signal to end was given.
fn stopping() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&flag)).context("listen to signals")?;
    }
    Ok(flag)
}

/// Prints what is appended after notice `last`, until a signal. A history that was put aside is followed on.
fn follow(path: &Path, mut last: u64, json: bool) -> anyhow::Result<()> {
    let stop = stopping()?;
    let mut place = (0, 0_u64);
    while !stop.load(Ordering::Acquire) {
        let Ok(mut file) = std::fs::File::open(path) else {
            std::thread::park_timeout(PAUSE);
            continue;
        };
        let inode = file.metadata()?.ino();
        if place.0 != inode {
            place = (inode, 0);
        }
        file.seek(SeekFrom::Start(place.1))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        place.1 += u64::try_from(whole)?;
        for line in bytes[..whole].split(|byte| *byte == b'\n') {
            let Ok(notice) = serde_json::from_slice::<Notice>(line) else { continue };
            if last < notice.notice {
                last = notice.notice;
                print(&notice, json)?;
            }
        }
        if whole == 0 {
            std::thread::park_timeout(PAUSE);
        }
    }
    Ok(())
}

/// The message of a try.
fn try_notice(config: &Config, now_ns: u64) -> Vec<Notice> {
    let mut board = Board::new(BoardSettings::default(), BoardState::default());
    let mut notices = Vec::new();
    let signal = Signal::raise(Code::Test, Subject::Engine, (0, now_ns));
    board.signal(&signal, now_ns, &mut notices);
    let names = alarm::Names { instance: config.engine.name.clone(), ..alarm::Names::default() };
    for notice in &mut notices {
        notice.word(&names);
    }
    notices
}

fn test(source: &Source, as_json: bool) -> anyhow::Result<ExitCode> {
    let (config, section, origin) = source.read()?;
    let clock = Clock::new();
    let notices = try_notice(&config, clock.now_ns());
    let mut rows = Vec::new();
    let mut has_failed = false;
    for mut parts in alarms_setup::channels(&config, &section, &origin, &clock)? {
        let message = Message { instance: &config.engine.name, notices: &notices };
        let start_ns = clock.now_ns();
        let outcome = parts.courier.deliver(&message, &clock);
        let took_ns = clock.now_ns() - start_ns;
        has_failed |= outcome.is_err();
        let name = &parts.settings.name;
        let error = outcome.err().map(|error| error.to_string());
        if !as_json {
            let verdict = error.as_deref().unwrap_or("taken");
            println!("{name}: {verdict} ({})", report::duration_text(took_ns));
        }
        rows.push(
            json!({ "channel": name, "taken": error.is_none(), "error": error, "ns": took_ns }),
        );
    }
    if as_json {
        println!("{}", json!({ "channels": rows }));
    }
    Ok(ExitCode::from(if has_failed { exit::NO } else { exit::GOOD }))
}

fn quiet(text: &str, time_ns: u64, place: &Place) -> anyhow::Result<ExitCode> {
    let code = Code::from_text(text)
        .ok_or_else(|| anyhow!("no alarm \"{text}\"; see tickwheel alarms catalogue"))?;
    let dir = alarms_setup::directory(&place.dir());
    if !dir.is_dir() {
        return Err(anyhow!("no alarms are kept: no {}", dir.display()));
    }
    let now_ns = Clock::new().now_ns();
    let user = rustix::process::getuid().as_raw();
    let until_ns = now_ns.saturating_add(time_ns);
    silence(&dir, Silence { code, until_ns, user }, now_ns)?;
    let time = report::duration_text(time_ns);
    println!("{}: {}", code.name(), if time_ns == 0 { "told again" } else { "silenced" });
    if 0 < time_ns {
        println!("for {time}; the history still has it");
    }
    Ok(ExitCode::SUCCESS)
}

fn watch(source: &Source, place: &Place, duration: Option<u64>) -> anyhow::Result<ExitCode> {
    let (config, section, origin) = source.read()?;
    let (dir, clock, stop) = (place.dir(), Clock::new(), stopping()?);
    let until_ns = duration.map_or(u64::MAX, |ns| clock.now_ns().saturating_add(ns));
    // Without a saved state: what is there now is past, what comes is new.
    let first_sequence = deputy::next_sequence(&dir);
    let settings = alarms_setup::standby(&config, &section, &dir, first_sequence);
    let channels = || alarms_setup::channels(&config, &section, &origin, &clock);
    let mut deputy = Deputy::default();
    let mut is_first = true;
    let goes_on = |now_ns: u64| !stop.load(Ordering::Acquire) && now_ns < until_ns;
    while goes_on(clock.now_ns()) {
        match Watch::open(settings.clone(), channels()?, &clock) {
            Ok(mut watch) => {
                deputy.end(&clock)?;
                eprintln!("telling the alarms of {}", dir.display());
                while goes_on(clock.now_ns()) {
                    if watch.turn(clock.now_ns()) == 0 {
                        std::thread::park_timeout(PAUSE);
                    }
                }
                watch.close(END_NS_MAX, &clock)?;
            }
            Err(WatchError::Store(StoreError::Locked(_))) => {
                if is_first {
                    eprintln!("standing by: the engine tells its alarms itself");
                }
                is_first = false;
                deputy.look(&settings, channels, &clock)?;
                std::thread::park_timeout(STANDBY_PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
    deputy.end(&clock)?;
    Ok(ExitCode::SUCCESS)
}
