//! `tickwheel stat`: what an engine is doing, or was doing when it died.

mod json;
mod meter;
mod numbers;
#[cfg(test)]
mod sample;
mod screen;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use engine::clock::Clock;
use engine::stats::{HopId, Liveness, Snapshot, StatsReadError, StatsReader};

use self::meter::Meter;
use self::screen::{Page, View};

/// Arguments of `tickwheel stat`.
#[derive(Args, Debug)]
pub(crate) struct StatArgs {
    /// Data directory of the engine, or a stats file.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Stay and follow the engine on a full screen.
    #[arg(long, conflicts_with_all = ["json", "hgrm"])]
    watch: bool,
    /// Print one JSON object.
    #[arg(long, conflicts_with = "hgrm")]
    json: bool,
    /// Print only errors and stalls (with --watch: start on their page).
    #[arg(long, conflicts_with_all = ["json", "hgrm"])]
    errors: bool,
    /// Print the percentiles of one hop in the text format of `HdrHistogram`.
    #[arg(long, value_name = "HOP")]
    hgrm: Option<String>,
}

/// Pace of the screen: fast enough to see a burst, slow enough to cost nothing.
const REFRESH_NS: u64 = 250_000_000;
/// The clock is compared with the kernel's once a second.
const DISCIPLINE_NS: u64 = 1_000_000_000;

const WRONG_USE: u8 = 2;
const NO_ENGINE: u8 = 1;
const DAMAGED: u8 = 3;

/// Where an engine keeps its files when nobody says otherwise.
pub(crate) fn default_data_dir() -> PathBuf {
    let given = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")));
    state.unwrap_or_else(|| PathBuf::from(".")).join("tickwheel")
}

/// One reading with its judgement.
#[derive(Clone, Debug)]
struct Reading {
    snapshot: Snapshot,
    liveness: Liveness,
    now_ns: u64,
}

impl Reading {
    fn take(reader: &StatsReader, clock: &Clock) -> Result<Self, StatsReadError> {
        let snapshot = reader.snapshot()?;
        let now_ns = clock.now_ns();
        let liveness = snapshot.liveness(snapshot.engine.process.exists(), now_ns);
        Ok(Self { snapshot, liveness, now_ns })
    }

    fn beat_age_ns(&self) -> u64 {
        self.now_ns.saturating_sub(self.snapshot.last_beat_ns())
    }

    /// How long the engine has run, or had run when it ended.
    fn uptime_ns(&self) -> u64 {
        let end_ns = match self.liveness {
            Liveness::Alive | Liveness::Stalled { .. } | Liveness::ThreadDead { .. } => self.now_ns,
            Liveness::Stopped | Liveness::Failed => self.snapshot.engine.end_ns,
            Liveness::Dead => self.snapshot.last_beat_ns(),
        };
        end_ns.saturating_sub(self.snapshot.engine.start_ns)
    }
}

/// Shows the stats. Ends with 1 when there are none, with 3 when they are damaged.
pub(crate) fn run(args: &StatArgs) -> anyhow::Result<ExitCode> {
    let path = args.data_dir.clone().unwrap_or_else(default_data_dir);
    if args.watch {
        return watch(&path, if args.errors { Page::Errors } else { Page::Main });
    }
    let clock = Clock::new();
    let reading = StatsReader::open(&path).and_then(|reader| Reading::take(&reader, &clock));
    let reading = match reading {
        Ok(reading) => reading,
        Err(error) => return refuse(&error, args.json),
    };
    let text = if let Some(name) = &args.hgrm {
        let Some(hop) = HopId::from_name(name) else {
            let names: Vec<&str> = HopId::ALL.iter().map(|hop| hop.name()).collect();
            return complain(
                &format!("no hop `{name}`; there are {}", names.join(", ")),
                WRONG_USE,
            );
        };
        text::hgrm(&reading, hop)
    } else if args.json {
        format!("{:#}\n", json::report(&reading))
    } else if args.errors {
        text::errors(&reading)
    } else {
        text::report(&reading)
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // `tickwheel stat | head` is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

fn refuse(error: &StatsReadError, is_json: bool) -> anyhow::Result<ExitCode> {
    let (code, key) = match error {
        StatsReadError::Missing { .. } => (NO_ENGINE, "missing"),
        StatsReadError::Io { .. } => (NO_ENGINE, "io"),
        StatsReadError::Damaged { .. } => (DAMAGED, "damaged"),
    };
    let words = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    if is_json {
        let value = serde_json::json!({ "error": key, "message": words });
        writeln!(io::stdout().lock(), "{value:#}")?;
        return Ok(ExitCode::from(code));
    }
    complain(&words, code)
}

fn complain(words: &str, code: u8) -> anyhow::Result<ExitCode> {
    writeln!(io::stderr().lock(), "tickwheel stat: {words}")?;
    Ok(ExitCode::from(code))
}

fn watch(path: &Path, page: Page) -> anyhow::Result<ExitCode> {
    if !io::stdout().is_terminal() {
        return complain("--watch needs a terminal; use --json for machines", WRONG_USE);
    }
    let clock = Clock::new();
    let mut terminal = ratatui::try_init().context("cannot take over the terminal")?;
    let result = follow(&mut terminal, path, page, &clock);
    ratatui::try_restore().context("cannot give the terminal back")?;
    result.map(|()| ExitCode::SUCCESS)
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Quit,
    ToggleErrors,
    ToggleFreeze,
    ToggleWindow,
    ScrollUp,
    ScrollDown,
    Nothing,
}

fn command_of(event: &Event) -> Command {
    let Event::Key(key) = event else { return Command::Nothing };
    if key.kind == KeyEventKind::Release {
        return Command::Nothing;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return if key.code == KeyCode::Char('c') { Command::Quit } else { Command::Nothing };
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other keys mean nothing here")]
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Command::Quit,
        KeyCode::Char('e') => Command::ToggleErrors,
        KeyCode::Char('w') => Command::ToggleWindow,
        KeyCode::Char(' ') => Command::ToggleFreeze,
        KeyCode::Char('k') | KeyCode::Up => Command::ScrollUp,
        KeyCode::Char('j') | KeyCode::Down => Command::ScrollDown,
        _ => Command::Nothing,
    }
}

fn follow(
    terminal: &mut ratatui::DefaultTerminal,
    path: &Path,
    page: Page,
    clock: &Clock,
) -> anyhow::Result<()> {
    let mut view = View::new(page);
    let mut reader: Option<StatsReader> = None;
    let mut due_ns = 0;
    let mut disciplined_ns = clock.now_ns();
    loop {
        let now_ns = clock.now_ns();
        if disciplined_ns + DISCIPLINE_NS <= now_ns {
            clock.discipline();
            disciplined_ns = now_ns;
        }
        // A key is drawn at once, but does not bring a reading forward: rates over a few
        // milliseconds would be noise.
        if due_ns <= now_ns {
            due_ns = now_ns + REFRESH_NS;
            if !view.is_frozen {
                refresh(&mut view, &mut reader, path, clock);
            }
        }
        terminal.draw(|frame| screen::draw(frame, &view)).context("cannot draw")?;
        let wait = Duration::from_nanos(due_ns.saturating_sub(clock.now_ns()));
        if event::poll(wait).context("cannot read the keyboard")? {
            let command = command_of(&event::read().context("cannot read the keyboard")?);
            if command == Command::Quit {
                return Ok(());
            }
            view.obey(command);
        }
    }
}

/// Takes a reading; a new engine in the same place is followed from its first one.
fn refresh(view: &mut View, reader: &mut Option<StatsReader>, path: &Path, clock: &Clock) {
    if reader.as_ref().is_some_and(StatsReader::is_superseded) {
        *reader = None;
        view.meter = Meter::default();
    }
    let reading = match reader {
        Some(reader) => Reading::take(reader, clock),
        None => StatsReader::open(path).and_then(|fresh| {
            let reading = Reading::take(&fresh, clock);
            *reader = Some(fresh);
            reading
        }),
    };
    match reading {
        Ok(reading) => {
            view.meter.push(&reading.snapshot, reading.now_ns);
            view.reading = Some(reading);
            view.trouble = None;
        }
        Err(error) => {
            view.trouble = Some(error.to_string());
            *reader = None;
        }
    }
}
