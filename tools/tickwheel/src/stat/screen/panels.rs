//! The parts of the screen, each a function of a reading and of its area.

use engine::host::bytes_text;
use engine::stats::{
    BookState, CounterId, Counts, HopId, InstrumentRow, Liveness, StrategyRow, StrategyState,
    ThreadState,
};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};

use super::grid::{Column, figure, figure_in, grid, words, words_in};
use super::{ALARM, CARE, DIM, GOOD, LOSS, STRONG, View, part};
use crate::stat::Reading;
use crate::stat::numbers::{decimal, duration, grouped, money, short, utc};

const FULL: &str = "\u{2588}";
const EMPTY: &str = "\u{2591}";

fn head(names: &[&'static str], words_count: usize) -> Vec<Column> {
    let column = |(index, name): (usize, &&'static str)| {
        if index < words_count { words(*name) } else { figure(*name) }
    };
    names.iter().enumerate().map(column).collect()
}

/// Profit green, loss red, nothing dim.
pub(super) const fn money_style(value_e8: i64) -> Style {
    match value_e8 {
        0 => DIM,
        1.. => GOOD,
        _ => LOSS,
    }
}

fn money_cell(value_e8: i64) -> Column {
    figure_in(money(value_e8), money_style(value_e8))
}

/// How near a value is to its limit.
fn nearness(value: u64, limit: u64) -> Style {
    let (value, limit) = (u128::from(value), u128::from(limit));
    if limit * 9 <= value * 10 {
        ALARM
    } else if limit <= value * 2 {
        CARE
    } else {
        GOOD
    }
}

/// A bar of a value against its limit; at least one block when there is anything.
fn bar(value: u64, limit: u64, width: u16, style: Style) -> Vec<Span<'static>> {
    let width = u64::from(width);
    let share = u128::from(value.min(limit)) * u128::from(width);
    let filled = share.checked_div(u128::from(limit)).unwrap_or(0);
    let filled = u64::try_from(filled).unwrap_or(width).max(u64::from(0 < value)).min(width);
    let repeat = |text: &str, count: u64| text.repeat(usize::try_from(count).unwrap_or(0));
    vec![
        Span::styled(repeat(FULL, filled), style),
        Span::styled(repeat(EMPTY, width - filled), DIM),
    ]
}

/// Sparkline of inbound events.
pub(super) fn rate(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let rate = view.meter.rate(CounterId::InboundConsumed);
    let peak = view.meter.history().max().unwrap_or(0);
    let title = format!("{} events/s, peak {}", grouped(rate), short(peak));
    let inner = part(frame, area, &title);
    let mut points: Vec<u64> = view.meter.history().rev().take(usize::from(inner.width)).collect();
    points.reverse();
    // The newest point is at the right edge, also while there are few.
    let missing = usize::from(inner.width).saturating_sub(points.len());
    points.splice(0..0, std::iter::repeat_n(0, missing));
    frame.render_widget(Sparkline::default().data(points).max(peak.max(1)).style(GOOD), inner);
}

/// Name, counter, and the queue in front of it: depth with limit.
const STAGES: [(&str, CounterId, Option<CounterId>); 8] = [
    ("inbound", CounterId::InboundConsumed, Some(CounterId::InboundDepth)),
    ("feed", CounterId::FeedEvents, Some(CounterId::CoreDepth)),
    ("strategy", CounterId::StrategyEvents, None),
    ("risk", CounterId::RiskEvents, None),
    ("oms", CounterId::OmsEvents, None),
    ("journal", CounterId::JournalEvents, None),
    ("gateway", CounterId::GatewayEvents, Some(CounterId::OutboundHeld)),
    ("outbound", CounterId::OutboundPublished, Some(CounterId::OutboundDepth)),
];

/// Stages with counts, rates and queues.
pub(super) fn flow(frame: &mut Frame<'_>, area: Rect, view: &View, reading: &Reading) {
    let inner = part(frame, area, "flow");
    let is_wide = 45 <= inner.width;
    let fixed = if is_wide { 9 + 15 + 8 + 3 } else { 9 + 7 + 2 };
    let queue_width = inner.width.saturating_sub(fixed);
    let number_width = if is_wide { 15 } else { 6 };
    let snapshot = &reading.snapshot;
    let lines = STAGES.iter().map(|(name, counter, queue)| {
        let rate = format!("{}/s", short(view.meter.rate(*counter)));
        let mut cells = vec![words(*name)];
        if is_wide {
            cells.push(figure(grouped(snapshot.counter(*counter))));
        }
        cells.push(figure_in(rate, STRONG));
        let depth = queue.and_then(|queue| Some((snapshot.counter(queue), snapshot.limit(queue)?)));
        cells.push(match depth {
            None => words(""),
            Some((value, limit)) => {
                let room = queue_width.saturating_sub(number_width);
                let mut spans = bar(value, limit, room, nearness(value, limit));
                let text = if is_wide {
                    format!(" {}/{}", grouped(value), grouped(limit))
                } else {
                    format!(" {}", short(value))
                };
                spans.push(Span::raw(text));
                Column::Spans(spans)
            }
        });
        cells
    });
    let mut widths = vec![Constraint::Length(9)];
    if is_wide {
        widths.push(Constraint::Length(15));
        widths.push(Constraint::Length(8));
    } else {
        widths.push(Constraint::Length(7));
    }
    widths.push(Constraint::Fill(1));
    // A small screen has no line to spare for a head, and its figures speak for themselves.
    let has_head = STAGES.len() < usize::from(inner.height);
    let names: &[&'static str] = if is_wide { &["", "events", "rate"] } else { &["", "rate"] };
    let mut head = head(names, 1);
    head.push(words("queue"));
    grid(frame, inner, has_head.then_some(head), lines, &widths);
}

/// Hops that have been measured.
pub(super) fn hop_count(reading: &Reading) -> u16 {
    let used = reading.snapshot.hops.iter().filter(|row| !row.counts.buckets.is_empty());
    u16::try_from(used.count()).unwrap_or(u16::MAX)
}

/// The hops, the most telling first, so that a small screen cuts the others.
const HOPS: [HopId; 17] = [
    HopId::TickToOrder,
    HopId::TickToFill,
    HopId::TickToWire,
    HopId::Cycle,
    HopId::InboundWait,
    HopId::Feed,
    HopId::Strategy,
    HopId::Risk,
    HopId::Oms,
    HopId::Journal,
    HopId::Gateway,
    HopId::Decode,
    HopId::OrderToAck,
    HopId::WireToFill,
    HopId::MessageAge,
    HopId::RestAnswer,
    HopId::JournalSync,
];

/// Percentiles of each hop.
pub(super) fn latency(frame: &mut Frame<'_>, area: Rect, view: &View, reading: &Reading) {
    let title = if view.is_recent { "latency, last 10 s" } else { "latency, since start" };
    let inner = part(frame, area, title);
    let is_wide = 70 <= inner.width;
    let (names, parts): (&[&'static str], &[u32]) = if is_wide {
        (
            &["", "p50", "p90", "p99", "p99.9", "p99.99", "max"],
            &[500_000, 900_000, 990_000, 999_000, 999_900],
        )
    } else {
        (&["", "p50", "p99", "p99.9", "max"], &[500_000, 990_000, 999_000])
    };
    let rows = HOPS.iter().filter_map(|hop| {
        let all = reading.snapshot.hop(*hop)?;
        if all.buckets.is_empty() {
            return None;
        }
        let recent = view.is_recent.then(|| view.meter.recent(*hop)).flatten();
        Some(hop_row(*hop, recent.as_ref().unwrap_or(all), parts))
    });
    let mut widths = vec![Constraint::Length(13)];
    widths.extend(names.iter().skip(1).map(|_| Constraint::Fill(1)));
    grid(frame, inner, Some(head(names, 1)), rows, &widths);
}

fn hop_row(hop: HopId, counts: &Counts, parts: &[u32]) -> Vec<Column> {
    let mut cells = vec![words(hop.name())];
    if counts.buckets.is_empty() {
        cells.push(figure_in("-", DIM));
        return cells;
    }
    let style = if hop == HopId::TickToOrder { STRONG } else { Style::new() };
    cells.extend(parts.iter().map(|ppm| figure_in(duration(counts.value_at_ppm(*ppm)), style)));
    cells.push(figure_in(duration(counts.max_ns), CARE));
    cells
}

/// Heartbeats.
pub(super) fn threads(frame: &mut Frame<'_>, area: Rect, reading: &Reading) {
    let inner = part(frame, area, "threads");
    let rows = reading.snapshot.threads.iter().map(|row| {
        let age_ns = reading.now_ns.saturating_sub(row.last_beat_ns);
        let is_late = row.beat_age_ns_max < age_ns;
        let (word, style) = match row.state {
            ThreadState::Alive if reading.liveness == Liveness::Dead => ("gone", ALARM),
            ThreadState::Alive if is_late => ("silent", CARE),
            ThreadState::Alive => ("alive", GOOD),
            ThreadState::Stopped => ("stopped", DIM),
            ThreadState::Dead => ("dead", ALARM),
            ThreadState::Foreign => ("foreign", ALARM),
        };
        let cpu = row.pinned_cpu.map_or_else(|| "-".into(), |cpu| cpu.to_string());
        vec![words(row.name.clone()), words_in(word, style), figure(duration(age_ns)), figure(cpu)]
    });
    let widths =
        [Constraint::Fill(1), Constraint::Length(8), Constraint::Length(9), Constraint::Length(4)];
    let names = ["", "state", "beat ago", "cpu"];
    grid(frame, inner, Some(head(&names, 2)), rows, &widths);
}

/// Books, positions and profit.
pub(super) fn instruments(frame: &mut Frame<'_>, area: Rect, view: &View, reading: &Reading) {
    let rows = &reading.snapshot.instruments;
    let shown = usize::from(area.height.saturating_sub(2)).min(rows.len());
    let first = view.scroll.min(rows.len() - shown);
    let title = if shown < rows.len() {
        format!("instruments {} to {} of {}", first + 1, first + shown, rows.len())
    } else {
        "instruments".into()
    };
    let inner = part(frame, area, &title);
    let is_wide = 110 <= inner.width;
    let mut names = vec!["", "book"];
    if is_wide {
        names.push("venue");
    }
    let left_count = names.len();
    names.extend(["bid", "ask"]);
    if is_wide {
        names.push("last");
    }
    names.push("position");
    if is_wide {
        names.push("average");
    }
    names.push("realised");
    names.push(if is_wide { "unrealised" } else { "unreal." });
    if is_wide {
        names.extend(["open", "event ago"]);
    }
    let mut widths = vec![Constraint::Length(10), Constraint::Length(9)];
    widths.extend(names.iter().skip(2).map(|_| Constraint::Fill(1)));
    let visible = rows.iter().skip(first);
    let lines = visible.map(|row| instrument(row, is_wide, reading.now_ns));
    grid(frame, inner, Some(head(&names, left_count)), lines, &widths);
}

fn instrument(row: &InstrumentRow, is_wide: bool, now_ns: u64) -> Vec<Column> {
    let values = &row.values;
    let state = match values.state {
        BookState::Live => GOOD,
        BookState::Empty | BookState::Resyncing => CARE,
        BookState::Stale | BookState::Crossed | BookState::Halted | BookState::Foreign => ALARM,
    };
    let price = |value, quantity: i64| {
        if quantity == 0 { figure_in("-", DIM) } else { figure(decimal(value, row.price_scale)) }
    };
    let mut cells = vec![
        words_in(row.symbol.clone(), if row.is_whole { STRONG } else { ALARM }),
        words_in(values.state.name(), state),
    ];
    if is_wide {
        cells.push(words_in(row.venue.clone(), DIM));
    }
    cells.push(price(values.bid_price, values.bid_quantity));
    cells.push(price(values.ask_price, values.ask_quantity));
    if is_wide {
        cells.push(price(values.last_price, values.last_quantity));
    }
    let position = decimal(values.position, row.quantity_scale);
    cells.push(figure_in(position, if values.position == 0 { DIM } else { Style::new() }));
    if is_wide {
        cells.push(price(values.average_price, values.position));
    }
    cells.push(money_cell(values.realised_e8));
    cells.push(money_cell(values.unrealised_e8));
    if is_wide {
        cells.push(figure(values.orders_open.to_string()));
        cells.push(match values.updated_ns {
            0 => figure_in("never", DIM),
            at_ns => figure_in(duration(now_ns.saturating_sub(at_ns)), DIM),
        });
    }
    cells
}

/// Strategies with their orders and profit.
pub(super) fn strategies(frame: &mut Frame<'_>, area: Rect, reading: &Reading) {
    let inner = part(frame, area, "strategies");
    let is_wide = 60 <= inner.width;
    // Below this width the last figures of nine columns would not fit.
    let is_whole = 100 <= inner.width;
    let names: &[&'static str] = if is_whole {
        &["", "state", "intents", "refused", "orders", "fills", "realised", "unrealised", "fees"]
    } else if is_wide {
        &["", "state", "orders", "fills", "realised", "fees"]
    } else {
        &["", "fills", "P&L"]
    };
    let widths = if is_wide {
        let mut widths = vec![Constraint::Length(18), Constraint::Length(9)];
        widths.extend(names.iter().skip(2).map(|_| Constraint::Fill(1)));
        widths
    } else {
        vec![Constraint::Fill(1), Constraint::Length(6), Constraint::Length(10)]
    };
    let rows = reading.snapshot.strategies.iter().map(|row| strategy(row, is_wide, is_whole));
    let left_count = if is_wide { 2 } else { 1 };
    grid(frame, inner, Some(head(names, left_count)), rows, &widths);
}

fn strategy(row: &StrategyRow, is_wide: bool, is_whole: bool) -> Vec<Column> {
    let values = &row.values;
    let style = match values.state {
        StrategyState::Enabled => GOOD,
        StrategyState::Paused => CARE,
        StrategyState::Disabled => DIM,
        StrategyState::Panicked | StrategyState::Foreign => ALARM,
    };
    if !is_wide {
        let total = values.realised_e8.saturating_add(values.unrealised_e8);
        return vec![
            words_in(row.name.clone(), style),
            figure(short(values.fills)),
            money_cell(total.saturating_sub(values.fees_e8)),
        ];
    }
    if !is_whole {
        return vec![
            words_in(row.name.clone(), STRONG),
            words_in(values.state.name(), style),
            figure(short(values.orders)),
            figure(short(values.fills)),
            money_cell(values.realised_e8),
            figure(money(values.fees_e8)),
        ];
    }
    vec![
        words_in(row.name.clone(), STRONG),
        words_in(values.state.name(), style),
        figure(short(values.intents)),
        figure(short(values.refused)),
        figure(short(values.orders)),
        figure(short(values.fills)),
        money_cell(values.realised_e8),
        money_cell(values.unrealised_e8),
        figure(money(values.fees_e8)),
    ]
}

/// A dim label at the left and a value at the right.
fn pair(label: &'static str, value: String, style: Style) -> Vec<Column> {
    vec![words_in(label, DIM), figure_in(value, style)]
}

fn pairs(frame: &mut Frame<'_>, area: Rect, rows: Vec<Vec<Column>>) {
    let widths = [Constraint::Length(10), Constraint::Fill(1)];
    grid(frame, area, None, rows.into_iter(), &widths);
}

/// Orders and money.
pub(super) fn orders(frame: &mut Frame<'_>, area: Rect, reading: &Reading) {
    let inner = part(frame, area, "orders");
    let snapshot = &reading.snapshot;
    let value = |id| snapshot.counter(id);
    let alarm = |count: u64| if count == 0 { DIM } else { ALARM };
    let care = |count: u64| if count == 0 { DIM } else { CARE };
    let open = value(CounterId::OrdersOpen);
    let (open_text, open_style) = match snapshot.limit(CounterId::OrdersOpen) {
        Some(limit) => (format!("{open}/{limit}"), nearness(open, limit)),
        None => (open.to_string(), Style::new()),
    };
    let (sent, acked) = (value(CounterId::OrdersSent), value(CounterId::OrdersAcked));
    let (fills, filled) = (value(CounterId::Fills), value(CounterId::OrdersFilled));
    let refused = value(CounterId::RiskRejected);
    let rejected = value(CounterId::OrdersRejected);
    let mut rows = vec![
        pair("sent/acked", format!("{}/{}", short(sent), short(acked)), STRONG),
        pair("fills/full", format!("{}/{}", short(fills), short(filled)), STRONG),
        pair("open", open_text, open_style),
        pair("refused", short(refused), care(refused)),
        pair("rejected", short(rejected), alarm(rejected)),
    ];
    let unknown = value(CounterId::OrdersUnknown);
    let odd = value(CounterId::ReportsOdd);
    rows.push(pair("cancelled", short(value(CounterId::OrdersCancelled)), Style::new()));
    rows.push(pair(
        "unkn./odd",
        format!("{}/{}", short(unknown), short(odd)),
        alarm(unknown.saturating_add(odd)),
    ));
    if inner.width < 40 {
        pairs(frame, inner, rows);
        return;
    }
    let [left, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(2).areas(inner);
    pairs(frame, left, rows);
    let limited = |label, id| {
        let value = snapshot.counter(id);
        match snapshot.limit(id) {
            Some(limit) => {
                let share = u128::from(value) * 100 / u128::from(limit);
                // Cut to three digits from a thousand on: the share says the rest.
                let units = value / 100_000_000;
                let amount = if units < 1_000 { money(value.cast_signed()) } else { short(units) };
                let text = format!("{amount} ({share}%)");
                pair(label, text, nearness(value, limit))
            }
            None => pair(label, money(value.cast_signed()), Style::new()),
        }
    };
    let signed = |id| snapshot.counter_signed(id);
    let coloured = |label, value_e8: i64| vec![words_in(label, DIM), money_cell(value_e8)];
    let gross = signed(CounterId::PnlRealised).saturating_add(signed(CounterId::PnlUnrealised));
    pairs(
        frame,
        right,
        vec![
            coloured("realised", signed(CounterId::PnlRealised)),
            coloured("unrealised", signed(CounterId::PnlUnrealised)),
            pair("fees", money(signed(CounterId::Fees)), Style::new()),
            coloured("net", gross.saturating_sub(signed(CounterId::Fees))),
            limited("daily loss", CounterId::DailyLoss),
            limited("drawdown", CounterId::Drawdown),
            limited("notional", CounterId::NotionalOpen),
        ],
    );
}

/// What the journal has and how safe it is.
pub(super) fn journal(frame: &mut Frame<'_>, area: Rect, view: &View, reading: &Reading) {
    let inner = part(frame, area, "journal");
    let snapshot = &reading.snapshot;
    let value = |id| snapshot.counter(id);
    let appended = value(CounterId::JournalAppended);
    let lag = appended.saturating_sub(value(CounterId::JournalSynced));
    // Behind by more than a second of records: a power cut would cost more than that.
    let is_far = view.meter.rate(CounterId::JournalEvents).max(1) < lag;
    let free = value(CounterId::JournalDiskFree);
    let is_short = snapshot.limit(CounterId::JournalDiskFree).is_some_and(|least| free < least);
    let segment = value(CounterId::JournalSegmentRecords);
    let errors = value(CounterId::JournalErrors);
    let number = |value| if inner.width < 30 { short(value) } else { grouped(value) };
    let rows = vec![
        pair("appended", number(appended), STRONG),
        pair("sync lag", number(lag), if is_far { CARE } else { GOOD }),
        match snapshot.limit(CounterId::JournalSegmentRecords) {
            Some(limit) => {
                // A full segment is nothing bad: the next one is waiting.
                let mut spans = bar(segment, limit, inner.width.saturating_sub(16), STRONG);
                let number = value(CounterId::JournalSegments);
                spans.insert(0, Span::raw(format!("{number:>4} ")));
                vec![words_in("segment", DIM), Column::Spans(spans)]
            }
            None => pair("segments", value(CounterId::JournalSegments).to_string(), Style::new()),
        },
        pair("disk free", bytes_text(free), if is_short { ALARM } else { Style::new() }),
        pair("snapshot", number(value(CounterId::SnapshotSequence)), Style::new()),
        pair("errors", errors.to_string(), if errors == 0 { DIM } else { ALARM }),
    ];
    pairs(frame, inner, rows);
}

/// Errors above, stalls below.
pub(super) fn trouble(frame: &mut Frame<'_>, area: Rect, reading: &Reading) {
    let [above, below] = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(area);
    errors(frame, above, reading);
    stalls(frame, below, reading);
}

/// Date and time, or on a small screen only the time.
fn when(at_ns: u64, area: Rect) -> String {
    let text = utc(at_ns);
    match text.split_once(' ') {
        Some((_, time)) if area.width < WIDTH_OF_DATES => time.to_owned(),
        Some(_) | None => text,
    }
}

/// Width of [`when`].
const fn when_width(area: Rect) -> Constraint {
    Constraint::Length(if area.width < WIDTH_OF_DATES { 9 } else { 20 })
}

/// From here on dates are shown.
const WIDTH_OF_DATES: u16 = 100;

fn errors(frame: &mut Frame<'_>, area: Rect, reading: &Reading) {
    let snapshot = &reading.snapshot;
    let title = match snapshot.errors_dropped {
        0 => format!("{} distinct errors", snapshot.errors.len()),
        dropped => format!("{} distinct errors, {dropped} dropped", snapshot.errors.len()),
    };
    let inner = part(frame, area, &title);
    if snapshot.errors.is_empty() {
        frame.render_widget(Paragraph::new(Line::styled("none", GOOD)), inner);
        return;
    }
    let mut newest: Vec<_> = snapshot.errors.iter().collect();
    newest.sort_by_key(|row| std::cmp::Reverse(row.last_ns));
    let rows = newest.into_iter().map(|row| {
        let count = match row.similar_count {
            0 => short(row.count),
            similar => format!("{}+{}", short(row.count), short(similar)),
        };
        vec![
            words_in(when(row.last_ns, inner), DIM),
            figure_in(count, ALARM),
            figure(row.code.to_string()),
            words(row.text.clone()),
        ]
    });
    let widths =
        [when_width(inner), Constraint::Length(11), Constraint::Length(6), Constraint::Fill(1)];
    let names = ["last", "count", "code", "text"];
    let head = vec![words(names[0]), figure(names[1]), figure(names[2]), words(names[3])];
    grid(frame, inner, Some(head), rows, &widths);
}

fn stalls(frame: &mut Frame<'_>, area: Rect, reading: &Reading) {
    let snapshot = &reading.snapshot;
    let longest = snapshot.counter(CounterId::CycleMax);
    let title =
        format!("{} stalls, longest turn {}", grouped(snapshot.stall_count), duration(longest));
    let inner = part(frame, area, &title);
    if snapshot.stalls.is_empty() {
        frame.render_widget(Paragraph::new(Line::styled("none", GOOD)), inner);
        return;
    }
    let rows = snapshot.stalls.iter().rev().map(|row| {
        vec![
            words_in(when(row.at_ns, inner), DIM),
            figure_in(duration(row.duration_ns), CARE),
            figure(grouped(row.sequence)),
            words(row.stage.map_or("?", HopId::name)),
            figure(short(row.batch_count)),
            figure(format!("{}/{}", row.minor_faults, row.major_faults)),
            figure(row.switches_involuntary.to_string()),
            words_in(row.cause.name(), STRONG),
        ]
    });
    let widths = [
        when_width(inner),
        Constraint::Length(8),
        Constraint::Length(14),
        Constraint::Length(8),
        Constraint::Length(5),
        Constraint::Length(6),
        Constraint::Length(4),
        Constraint::Fill(1),
    ];
    let head = vec![
        words("ended"),
        figure("took"),
        figure("sequence"),
        words("stage"),
        figure("batch"),
        figure("faults"),
        figure("lost"),
        words("cause"),
    ];
    grid(frame, inner, Some(head), rows, &widths);
}
