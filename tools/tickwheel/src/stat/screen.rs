//! The full screen of `tickwheel stat --watch`.
//!
//! ```text
//!  header        who, how, alive or dead
//!  rate          sparkline of inbound events
//!  flow          a stage a line            | latency      a hop a line
//!  instruments   book, position, P&L       | (threads, when there is room)
//!  strategies                              | orders, money, journal
//!  footer        errors, stalls, keys
//! ```
//!
//! **Invariant:** drawing is a function of [`View`] and of the size of the screen, nothing else.

mod grid;
mod panels;

use engine::stats::{CounterId, Liveness, RunState};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::meter::Meter;
use super::numbers::{clock_time, duration, money, short, trading_state, utc};
use super::{Command, Reading};

pub(super) const DIM: Style = Style::new().fg(Color::DarkGray);
pub(super) const GOOD: Style = Style::new().fg(Color::Green);
pub(super) const CARE: Style = Style::new().fg(Color::Yellow);
pub(super) const ALARM: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
pub(super) const LOSS: Style = Style::new().fg(Color::Red);
pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const TITLE: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);

/// The smallest screen on which anything can be read.
const WIDTH_MIN: u16 = 60;
const HEIGHT_MIN: u16 = 12;
/// From here on there is room for all percentiles and for threads.
const WIDTH_WIDE: u16 = 130;
/// From here on there is room for a high sparkline and for errors on the main page.
const HEIGHT_HIGH: u16 = 40;

/// Errors and stalls on the main page: two titles, two heads, three rows each.
const TROUBLE_HEIGHT_MIN: u16 = 10;

/// Which page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Main,
    Errors,
}

impl Page {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Main => Self::Errors,
            Self::Errors => Self::Main,
        }
    }
}

/// Everything that the screen shows.
#[derive(Debug)]
pub(super) struct View {
    pub(super) page: Page,
    pub(super) is_frozen: bool,
    /// Latencies of the last seconds, not since the start.
    pub(super) is_recent: bool,
    /// Instruments that are above the first one shown.
    pub(super) scroll: usize,
    pub(super) reading: Option<Reading>,
    pub(super) meter: Meter,
    /// Why there is no newer reading.
    pub(super) trouble: Option<String>,
}

impl View {
    pub(super) fn new(page: Page) -> Self {
        Self {
            page,
            is_frozen: false,
            is_recent: false,
            scroll: 0,
            reading: None,
            meter: Meter::default(),
            trouble: None,
        }
    }
}

impl View {
    /// Does what a key asks for.
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::ToggleErrors => self.page = self.page.other(),
            Command::ToggleFreeze => self.is_frozen = !self.is_frozen,
            Command::ToggleWindow => self.is_recent = !self.is_recent,
            Command::ScrollUp => self.scroll = self.scroll.saturating_sub(1),
            Command::ScrollDown => {
                let count = self.reading.as_ref().map_or(0, |r| r.snapshot.instruments.len());
                self.scroll = (self.scroll + 1).min(count.saturating_sub(1));
            }
            Command::Quit | Command::Nothing => {}
        }
    }
}

/// Draws one picture.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let text = format!("tickwheel stat needs {WIDTH_MIN} x {HEIGHT_MIN}");
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let Some(reading) = &view.reading else {
        waiting(frame, area, view.trouble.as_deref());
        return;
    };
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(2), Constraint::Fill(1), Constraint::Length(1)])
            .areas(area);
    header(frame, head, reading);
    match view.page {
        Page::Main => main_page(frame, body, view, reading),
        Page::Errors => panels::trouble(frame, body, reading),
    }
    footer(frame, foot, view, reading);
}

fn waiting(frame: &mut Frame<'_>, area: Rect, trouble: Option<&str>) {
    let lines = vec![
        Line::styled("waiting for an engine", TITLE),
        Line::styled(trouble.unwrap_or("").to_owned(), DIM),
        Line::styled("q quits", DIM),
    ];
    let [_, middle, _] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(3), Constraint::Fill(1)])
            .areas(area);
    frame.render_widget(Paragraph::new(lines).alignment(Alignment::Center), middle);
}

/// How an engine's state looks: a word, and its colour.
fn verdict(reading: &Reading) -> (String, Style) {
    let filled = |color| {
        let text = if color == Color::Red { Color::White } else { Color::Black };
        Style::new().fg(text).bg(color).add_modifier(Modifier::BOLD)
    };
    let engine = &reading.snapshot.engine;
    match &reading.liveness {
        Liveness::Alive if engine.state == RunState::Starting => {
            (" STARTING ".into(), filled(Color::Yellow))
        }
        Liveness::Alive => (" ALIVE ".into(), filled(Color::Green)),
        Liveness::Stalled { thread, age_ns } => {
            let age = duration(*age_ns);
            (format!(" STALLED: {thread} silent for {age} "), filled(Color::Yellow))
        }
        Liveness::ThreadDead { thread } => (format!(" THREAD DEAD: {thread} "), filled(Color::Red)),
        Liveness::Stopped => (format!(" STOPPED {} ", utc(engine.end_ns)), filled(Color::Gray)),
        Liveness::Failed => (format!(" FAILED {} ", utc(engine.end_ns)), filled(Color::Red)),
        Liveness::Dead => {
            let last = utc(reading.snapshot.last_beat_ns());
            (format!(" DEAD, last heartbeat {last} "), filled(Color::Red))
        }
    }
}

fn header(frame: &mut Frame<'_>, area: Rect, reading: &Reading) {
    let engine = &reading.snapshot.engine;
    let (word, style) = verdict(reading);
    let first = Line::from(vec![
        Span::styled(" tickwheel ", TITLE),
        Span::styled(engine.instance.clone(), STRONG),
        Span::styled(format!("  {}  ", engine.mode), CARE),
        Span::styled(word, style),
    ]);
    let trading = reading.snapshot.counter(CounterId::TradingState);
    let mut second = vec![Span::styled(" trading ", DIM)];
    second.push(Span::styled(trading_state(trading), if trading == 0 { GOOD } else { ALARM }));
    let beat = duration(reading.beat_age_ns());
    let value = |id| reading.snapshot.counter_signed(id);
    let gross = value(CounterId::PnlRealised).saturating_add(value(CounterId::PnlUnrealised));
    let net = gross.saturating_sub(value(CounterId::Fees));
    second.push(Span::styled("  net ", DIM));
    second.push(Span::styled(money(net), panels::money_style(net)));
    let facts = [
        ("up", clock_time(reading.uptime_ns())),
        ("beat", format!("{beat} ago")),
        ("pid", engine.process.pid.to_string()),
        ("v", format!("{} {}", engine.engine_version, engine.commit)),
    ];
    for (label, value) in facts {
        second.push(Span::styled(format!("  {label} "), DIM));
        second.push(Span::raw(value));
    }
    frame.render_widget(Paragraph::new(vec![first, Line::from(second)]), area);
}

fn footer(frame: &mut Frame<'_>, area: Rect, view: &View, reading: &Reading) {
    let snapshot = &reading.snapshot;
    let count = |value: u64, style: Style| {
        Span::styled(short(value), if value == 0 { GOOD } else { style })
    };
    let errors = snapshot.errors.iter().fold(snapshot.errors_dropped, |sum, row| {
        sum.saturating_add(row.count).saturating_add(row.similar_count)
    });
    let mut left = vec![
        Span::styled(" errors ", DIM),
        count(errors, ALARM),
        Span::styled("  stalls ", DIM),
        count(snapshot.stall_count, CARE),
    ];
    if view.is_frozen {
        left.push(Span::raw("  "));
        left.push(Span::styled(" FROZEN ", Style::new().fg(Color::Black).bg(Color::Cyan)));
    }
    if let Some(trouble) = &view.trouble {
        left.push(Span::styled(format!("  {trouble}"), ALARM));
    }
    let keys = match view.page {
        Page::Main => "e errors  w window  \u{2191}\u{2193} scroll  space freeze  q quit ",
        Page::Errors => "e back  space freeze  q quit ",
    };
    let width = u16::try_from(keys.chars().count()).unwrap_or(u16::MAX);
    let [facts, help] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(area);
    frame.render_widget(Paragraph::new(Line::from(left)), facts);
    frame.render_widget(Paragraph::new(Line::styled(keys, DIM)), help);
}

/// A titled part of the screen: a rule with the title, and what is below it.
pub(super) fn part(frame: &mut Frame<'_>, area: Rect, title: &str) -> Rect {
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(DIM)
        .title(Line::styled(format!("{title} "), TITLE));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

fn main_page(frame: &mut Frame<'_>, area: Rect, view: &View, reading: &Reading) {
    let is_wide = WIDTH_WIDE <= area.width;
    let is_high = HEIGHT_HIGH <= area.height;
    let hop_rows = panels::hop_count(reading);
    let middle = if is_high { hop_rows.clamp(8, 12) + 2 } else { 9 };
    let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let low = if is_high { rows(reading.snapshot.strategies.len()).clamp(6, 10) + 2 } else { 6 };
    // As high as there are instruments, and errors keep a place below them.
    let instruments = if is_high {
        Constraint::Max(rows(reading.snapshot.instruments.len()).saturating_add(2))
    } else {
        Constraint::Fill(1)
    };
    let [rate, flow, instruments, bottom, trouble] = Layout::vertical([
        Constraint::Length(if is_high { 5 } else { 2 }),
        Constraint::Length(middle),
        instruments,
        Constraint::Length(low),
        if is_high { Constraint::Min(TROUBLE_HEIGHT_MIN) } else { Constraint::Length(0) },
    ])
    .areas(area);

    panels::rate(frame, rate, view);
    if is_wide {
        let [left, middle, right] = Layout::horizontal([
            Constraint::Fill(4),
            Constraint::Length(76),
            Constraint::Length(42),
        ])
        .spacing(2)
        .areas(flow);
        panels::flow(frame, left, view, reading);
        panels::latency(frame, middle, view, reading);
        panels::threads(frame, right, reading);
    } else {
        let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(45)])
            .spacing(1)
            .areas(flow);
        panels::flow(frame, left, view, reading);
        panels::latency(frame, right, view, reading);
    }
    panels::instruments(frame, instruments, view, reading);
    let [left, middle, right] = if is_wide {
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(48), Constraint::Length(42)])
            .spacing(2)
            .areas(bottom)
    } else {
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(22), Constraint::Length(25)])
            .spacing(1)
            .areas(bottom)
    };
    panels::strategies(frame, left, reading);
    panels::orders(frame, middle, reading);
    panels::journal(frame, right, view, reading);
    if is_high {
        panels::trouble(frame, trouble, reading);
    }
}
