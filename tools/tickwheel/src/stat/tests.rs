//! Tests of the pictures and texts, on a sample engine.

use std::sync::atomic::{AtomicU64, Ordering};

use crossterm::event::{KeyEvent, KeyEventState};
use engine::stats::{CounterId, RunState, ThreadState, Unit};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::sample::{self, START_NS, Sample};
use super::screen::{Page, View};
use super::*;

const SECOND_NS: u64 = 1_000_000_000;
const QUARTER_NS: u64 = SECOND_NS / 4;
const TURNS: u64 = 60;
const END_NS: u64 = START_NS + TURNS * QUARTER_NS;

/// A directory of its own for one test.
struct TestDir(PathBuf);

impl TestDir {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tickwheel-stat-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

struct Stage {
    _dir: TestDir,
    sample: Sample,
    reader: StatsReader,
    view: View,
}

/// An engine after a quarter of a minute, and a view that has watched it.
fn stage() -> Stage {
    let dir = TestDir::new();
    let path = dir.path().join("stats.tws");
    let sample = sample::start(&path, START_NS);
    let reader = StatsReader::open(&path).unwrap();
    let mut view = View::new(Page::Main);
    for number in 0..TURNS {
        let now_ns = START_NS + (number + 1) * QUARTER_NS;
        sample::turn(&sample, number, now_ns);
        let snapshot = reader.snapshot().unwrap();
        view.meter.push(&snapshot, now_ns);
    }
    let mut stage = Stage { _dir: dir, sample, reader, view };
    stage.read(END_NS, Some(true));
    stage
}

impl Stage {
    fn read(&mut self, now_ns: u64, process_exists: Option<bool>) {
        let snapshot = self.reader.snapshot().unwrap();
        let liveness = snapshot.liveness(process_exists, now_ns);
        self.view.reading = Some(Reading { snapshot, liveness, now_ns });
    }

    fn reading(&self) -> &Reading {
        self.view.reading.as_ref().unwrap()
    }

    fn picture(&self, width: u16, height: u16) -> Picture {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| screen::draw(frame, &self.view)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let lines = (0..height)
            .map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>())
            .collect();
        let backgrounds =
            (0..height).map(|y| (0..width).map(|x| buffer[(x, y)].bg).collect()).collect();
        Picture { lines, backgrounds }
    }
}

struct Picture {
    lines: Vec<String>,
    backgrounds: Vec<Vec<Color>>,
}

impl Picture {
    #[track_caller]
    fn has(&self, wanted: &str) {
        assert!(self.lines.iter().any(|line| line.contains(wanted)), "no `{wanted}` in\n{self}");
    }

    #[track_caller]
    fn has_not(&self, unwanted: &str) {
        assert!(!self.lines.iter().any(|line| line.contains(unwanted)), "`{unwanted}` in\n{self}");
    }

    fn has_background(&self, color: Color) -> bool {
        self.backgrounds.iter().flatten().any(|background| *background == color)
    }
}

impl std::fmt::Display for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

#[test]
fn a_small_screen_shows_what_matters_most() {
    let picture = stage().picture(80, 24);
    for wanted in [
        "tickwheel paper-1  paper   ALIVE ",
        "trading normal",
        "up 00:00:15",
        "inbound",
        "outbound",
        "tick_to_order",
        "p99.9",
        "BTCUSDT    live",
        "instruments 1 to 2 of 5",
        "momentum",
        "market-maker",
        "sent/acked",
        "sync lag",
        "73.0 GiB",
        "errors 3  stalls 3",
        "q quit",
    ] {
        picture.has(wanted);
    }
    picture.has_not("#");
    assert!(picture.has_background(Color::Green));
}

#[test]
fn a_large_screen_shows_everything() {
    let picture = stage().picture(200, 50);
    for wanted in [
        "p99.99",
        "journal_sync",
        "supervisor",
        "ADAUSDT    stale",
        "DOGEUSDT",
        "event ago",
        "daily loss 880.00 (17%)",
        "notional    42.0k (42%)",
        "2 distinct errors",
        "ADAUSDT: gap of 3 updates, book is stale",
        "session lost: connection reset by peer",
        "3 stalls, longest turn",
        "minor_fault",
        "preempted",
    ] {
        picture.has(wanted);
    }
    picture.has_not("#");
}

#[test]
fn every_size_of_screen_can_be_drawn() {
    let mut stage = stage();
    for page in [Page::Main, Page::Errors] {
        stage.view.page = page;
        for (width, height) in
            [(1, 1), (20, 5), (60, 12), (61, 13), (80, 24), (129, 40), (400, 120)]
        {
            let picture = stage.picture(width, height);
            assert_eq!(picture.lines.len(), usize::from(height));
        }
    }
    stage.picture(59, 30).has("tickwheel stat needs 60 x 12");
}

#[test]
fn a_dead_engine_is_red_with_its_last_heartbeat() {
    let mut stage = stage();
    stage.read(END_NS + 3600 * SECOND_NS, Some(false));
    let picture = stage.picture(80, 24);
    picture.has("DEAD, last heartbeat 2026-11-21 10:00:15Z");
    picture.has("beat 3,600 s ago");
    picture.has("up 00:00:15");
    assert!(picture.has_background(Color::Red));
    assert!(!picture.has_background(Color::Green));
    stage.picture(200, 50).has("gone");
    assert!(text::report(stage.reading()).contains("gone"));
}

#[test]
fn stalled_failed_and_stopped_engines_say_so() {
    let mut stage = stage();
    stage.read(END_NS + 2 * SECOND_NS, Some(true));
    stage.picture(80, 24).has("STALLED: core silent for 2.00 s");
    stage.sample.beats[3].set_state(ThreadState::Dead, END_NS);
    stage.read(END_NS, Some(true));
    stage.picture(80, 24).has("THREAD DEAD: journal");
    stage.sample.writer.set_state(RunState::Failed, END_NS);
    stage.read(END_NS, Some(false));
    stage.picture(80, 24).has("FAILED 2026-11-21 10:00:15Z");
    stage.sample.writer.set_state(RunState::Stopped, END_NS);
    stage.read(END_NS, Some(false));
    stage.picture(80, 24).has("STOPPED 2026-11-21 10:00:15Z");
}

#[test]
fn a_screen_without_an_engine_waits() {
    let mut stage = stage();
    stage.view.reading = None;
    stage.view.trouble = Some("no stats file x".into());
    let picture = stage.picture(80, 24);
    picture.has("waiting for an engine");
    picture.has("no stats file x");
}

#[test]
fn the_error_page_lists_errors_and_stalls() {
    let mut stage = stage();
    stage.view.page = Page::Errors;
    let picture = stage.picture(80, 24);
    picture.has("201 ADAUSDT: gap of 3 updates, book is stale");
    picture.has("minor_fault");
    picture.has("e back");
    picture.has_not("BTCUSDT");
}

#[test]
fn no_figure_is_cut_to_a_smaller_one() {
    let mut stage = stage();
    let sample = &stage.sample.writer;
    let row = stage.reader.instrument(0).unwrap();
    let huge = engine::stats::InstrumentValues {
        bid_price: i64::MAX,
        position: i64::MIN,
        realised_e8: i64::MAX,
        ..row.values
    };
    sample.update_instrument(0, &huge);
    stage.read(END_NS, Some(true));
    let picture = stage.picture(80, 24);
    let line = picture.lines.iter().find(|line| line.starts_with("BTCUSDT")).unwrap();
    assert_eq!(line.matches("##########").count(), 3, "{line}");
}

#[test]
fn damaged_figures_can_be_drawn_and_said() {
    let mut stage = stage();
    let mut snapshot = stage.reader.snapshot().unwrap();
    for row in &mut snapshot.counters {
        row.value = u64::MAX;
        row.limit = Some(1);
    }
    for row in &mut snapshot.hops {
        row.counts.buckets = vec![(0, u64::MAX), (27_647, u64::MAX)];
        row.counts.max_ns = u64::MAX;
    }
    for row in &mut snapshot.errors {
        row.count = u64::MAX;
        row.similar_count = u64::MAX;
        row.last_ns = u64::MAX;
    }
    snapshot.engine.start_ns = u64::MAX;
    let reading = Reading { snapshot, liveness: Liveness::Alive, now_ns: 0 };
    stage.view.meter.push(&reading.snapshot, END_NS);
    stage.view.is_recent = true;
    assert!(!text::report(&reading).is_empty());
    assert!(!text::hgrm(&reading, HopId::Cycle).is_empty());
    assert!(json::report(&reading).is_object());
    stage.view.reading = Some(reading);
    for page in [Page::Main, Page::Errors] {
        stage.view.page = page;
        stage.picture(80, 24);
        stage.picture(200, 50);
    }
}

#[test]
fn keys_quit_turn_scroll_and_freeze() {
    let key = |code, modifiers| {
        command_of(&Event::Key(KeyEvent {
            code,
            modifiers,
            kind: KeyEventKind::Press,
            state: KeyEventState::NONE,
        }))
    };
    let plain = |code| key(code, KeyModifiers::NONE);
    assert_eq!(plain(KeyCode::Char('q')), Command::Quit);
    assert_eq!(plain(KeyCode::Esc), Command::Quit);
    assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Command::Quit);
    assert_eq!(plain(KeyCode::Char('c')), Command::Nothing);
    assert_eq!(plain(KeyCode::Char(' ')), Command::ToggleFreeze);
    assert_eq!(plain(KeyCode::F(1)), Command::Nothing);

    let mut stage = stage();
    stage.view.obey(plain(KeyCode::Down));
    stage.picture(80, 24).has("instruments 2 to 3 of 5");
    for _ in 0..9 {
        stage.view.obey(plain(KeyCode::Down));
    }
    stage.picture(80, 24).has("instruments 4 to 5 of 5");
    stage.view.obey(plain(KeyCode::Char(' ')));
    stage.picture(80, 24).has("FROZEN");
    stage.view.obey(plain(KeyCode::Char('w')));
    stage.picture(80, 24).has("latency, last 10 s");
    stage.view.obey(plain(KeyCode::Char('e')));
    assert_eq!(stage.view.page, Page::Errors);
}

#[test]
fn rates_are_taken_over_the_last_second() {
    let stage = stage();
    let at = |turn: u64| {
        let fresh = TestDir::new();
        let sample = sample::start(&fresh.path().join("s"), START_NS);
        for number in 0..turn {
            sample::turn(&sample, number, START_NS);
        }
        sample.writer.get(CounterId::InboundConsumed)
    };
    let expected = at(TURNS) - at(TURNS - 4);
    assert_eq!(stage.view.meter.rate(CounterId::InboundConsumed), expected);
    assert_eq!(stage.view.meter.rate(CounterId::CycleMax), 0, "a gauge that stood still");
    assert_eq!(u64::try_from(stage.view.meter.history().count()).unwrap(), TURNS - 1);
    let recent = stage.view.meter.recent(HopId::Feed).unwrap().count();
    assert_eq!(recent, 40 * 2_000, "ten seconds of two thousand a quarter");
}

#[test]
fn json_keys_are_stable() {
    let value = json::report(stage().reading());
    assert_eq!(value["instance"], "paper-1");
    assert_eq!(value["liveness"], "alive");
    assert_eq!(value["uptime_ns"], 15 * SECOND_NS);
    assert_eq!(value["counters"]["inbound_depth"]["limit"], 65_536);
    assert_eq!(value["counters"]["inbound_depth"]["unit"], "events");
    assert_eq!(value["counters"]["pnl_unrealised"]["kind"], "gauge");
    assert!(value["counters"]["pnl_unrealised"]["value"].as_i64().unwrap() < 0);
    assert_eq!(value["hops"][7]["name"], "tick_to_order");
    assert_eq!(value["hops"][7]["count"], 120_000);
    assert!(value["hops"][7]["p9999_ns"].as_u64().unwrap() <= 14_300);
    assert_eq!(value["instruments"][0]["symbol"], "BTCUSDT");
    assert!(value["instruments"][0]["bid_price"].as_str().unwrap().starts_with("912"));
    assert_eq!(value["threads"][0]["pinned_cpu"], 1);
    assert_eq!(value["strategies"][1]["state"], "enabled");
    assert_eq!(value["errors"][0]["code"], 201);
    assert_eq!(value["stalls"][0]["cause"], "preempted");
    assert_eq!(value["stall_count"], 3);
    let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 24, "a new key needs a line here: {keys:?}");
}

#[test]
fn the_text_names_everything_once() {
    let stage = stage();
    let report = text::report(stage.reading());
    for wanted in [
        "paper-1 (paper)  alive, last heartbeat 0 ns ago",
        "started 2026-11-21 10:00:00Z, up 00:00:15",
        "journal /var/lib/tickwheel/journal",
        "\n  inbound_depth ",
        "\n  tick_to_order ",
        "\n  BTCUSDT ",
        "\n  market-maker ",
        "gap of 3 updates",
        "Stalls, newest first (3 since the start)",
    ] {
        assert!(report.contains(wanted), "no `{wanted}` in\n{report}");
    }
    let errors = text::errors(stage.reading());
    assert!(errors.contains("gap of 3 updates"));
    assert!(!errors.contains("BTCUSDT"));
}

#[test]
fn a_percentile_file_ends_with_its_totals() {
    let stage = stage();
    let text = text::hgrm(stage.reading(), HopId::TickToOrder);
    assert!(text.contains("Total count    =       120000]"), "{text}");
    let last = text.lines().rev().nth(3).unwrap();
    assert!(last.contains(" 1.000000000000 ") && last.ends_with("inf"), "{last}");
    let empty = text::hgrm(stage.reading(), HopId::OrderToAck);
    assert!(empty.contains("Total count    =            0]"), "{empty}");
}

#[test]
fn a_new_engine_is_followed_from_its_first_reading() {
    let dir = TestDir::new();
    let path = dir.path().join("stats.tws");
    let (clock, _hand) = Clock::manual(START_NS);
    let mut view = View::new(Page::Main);
    let mut reader = None;
    refresh(&mut view, &mut reader, &path, &clock);
    assert!(view.trouble.as_ref().unwrap().contains("no stats file"));

    let first = sample::start(&path, START_NS);
    first.writer.add(CounterId::Trades, 7);
    refresh(&mut view, &mut reader, &path, &clock);
    assert_eq!(view.trouble, None);
    let second = sample::start(&path, START_NS);
    second.writer.add(CounterId::Trades, 3);
    refresh(&mut view, &mut reader, &path, &clock);
    assert_eq!(view.reading.unwrap().snapshot.counter(CounterId::Trades), 3);
    assert_eq!(view.meter.rate(CounterId::Trades), 0);
}

#[test]
fn numbers_are_cut_and_never_rounded_up() {
    use super::numbers::{clock_time, counter, decimal, duration, grouped, money, short, utc};
    assert_eq!(grouped(0), "0");
    assert_eq!(grouped(1_234_567), "1,234,567");
    assert_eq!(short(999), "999");
    assert_eq!(short(9_999), "9.99k");
    assert_eq!(short(12_345_678), "12.3M");
    assert_eq!(short(u64::MAX), "18,446P");
    assert_eq!(duration(999), "999 ns");
    assert_eq!(duration(1_999), "1.99 us");
    assert_eq!(duration(99_999_999), "99.9 ms");
    assert_eq!(clock_time(93_784 * SECOND_NS), "1d 02:03:04");
    assert_eq!(utc(0), "1970-01-01 00:00:00Z");
    assert_eq!(utc(951_782_400 * SECOND_NS), "2000-02-29 00:00:00Z");
    assert_eq!(utc(1_709_251_199 * SECOND_NS), "2024-02-29 23:59:59Z");
    assert_eq!(utc(1_709_251_200 * SECOND_NS), "2024-03-01 00:00:00Z");
    assert_eq!(utc(4_102_444_799 * SECOND_NS), "2099-12-31 23:59:59Z");
    assert_eq!(decimal(-1, 8), "-0.00000001");
    assert_eq!(money(-123_456_789_999), "-1,234.56");
    assert_eq!(money(-999_999), "0.00");
    assert_eq!(money(i64::MIN), "-92,233,720,368.54");
    assert_eq!(counter(0, Unit::EpochNanoseconds), "never");
    assert_eq!(counter(u64::MAX, Unit::MoneyE8), "0.00");
}
