//! Columns on the screen that never show half a number.
//!
//! A number that lost its first digits looks like a smaller number. So a figure that does not fit
//! first loses its trailing zeros, and then it is not shown at all: `####`, as in a spreadsheet.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table};

/// What stands in a column.
#[derive(Clone, Debug)]
pub(super) enum Column {
    /// Words; cut at the right when they do not fit.
    Words(String, Style),
    /// A figure, at the right edge; never cut.
    Figure(String, Style),
    /// Anything else, cut at the right.
    Spans(Vec<Span<'static>>),
}

/// Plain words.
pub(super) fn words(text: impl Into<String>) -> Column {
    Column::Words(text.into(), Style::new())
}

/// Words with a style.
pub(super) fn words_in(text: impl Into<String>, style: Style) -> Column {
    Column::Words(text.into(), style)
}

/// A plain figure.
pub(super) fn figure(text: impl Into<String>) -> Column {
    Column::Figure(text.into(), Style::new())
}

/// A figure with a style.
pub(super) fn figure_in(text: impl Into<String>, style: Style) -> Column {
    Column::Figure(text.into(), style)
}

/// Draws rows under an optional head.
pub(super) fn grid(
    frame: &mut Frame<'_>,
    area: Rect,
    head: Option<Vec<Column>>,
    rows: impl Iterator<Item = Vec<Column>>,
    widths: &[Constraint],
) {
    let columns = Layout::horizontal(widths).spacing(1).split(area);
    let row = |cells: Vec<Column>| {
        Row::new(
            cells.into_iter().zip(columns.iter()).map(|(cell, column)| fit(cell, column.width)),
        )
    };
    // The same widths again, now as they turned out, so that the table cannot see it otherwise.
    let lengths = columns.iter().map(|column| Constraint::Length(column.width));
    let height = usize::from(area.height);
    let mut table = Table::new(rows.take(height).map(row), lengths).column_spacing(1);
    if let Some(head) = head {
        table = table.header(row(head).style(super::DIM));
    }
    frame.render_widget(table, area);
}

fn fit(column: Column, width: u16) -> Cell<'static> {
    match column {
        Column::Words(text, style) => Cell::from(text).style(style),
        Column::Spans(spans) => Cell::from(Line::from(spans)),
        Column::Figure(text, style) => {
            let text = fit_figure(text, usize::from(width));
            Cell::from(Line::from(text).alignment(Alignment::Right)).style(style)
        }
    }
}

/// The figure, or the figure without trailing zeros, or no figure.
pub(super) fn fit_figure(text: String, width: usize) -> String {
    if text.chars().count() <= width {
        return text;
    }
    let is_decimal = text.contains('.') && text.ends_with(|last: char| last.is_ascii_digit());
    if is_decimal {
        let shorter = text.trim_end_matches('0').trim_end_matches('.');
        if shorter.chars().count() <= width {
            return shorter.to_owned();
        }
    }
    "#".repeat(width)
}
