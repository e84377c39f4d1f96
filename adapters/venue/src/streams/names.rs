//! Names of streams, and the targets that open connections of market data.

use std::borrow::Cow;

/// What a stream tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Each trade.
    Trade,
    /// Each trade, as an aggregate.
    AggTrade,
    /// Each change of the best prices.
    BookTicker,
    /// Changed levels since the last frame.
    Depth {
        /// Each 100 ms instead of each second.
        fast: bool,
    },
    /// The best levels.
    Partial {
        /// 5, 10 or 20.
        level_count: usize,
        /// Each 100 ms instead of each second.
        fast: bool,
    },
    /// The last day, short.
    MiniTicker,
    /// The last day.
    Ticker,
    /// The present bar of a minute.
    Kline,
    /// The mean price.
    AvgPrice,
}

impl Kind {
    /// Kinds with a name of their own for each symbol.
    pub(crate) const ALL: [Kind; 15] = [
        Kind::Trade,
        Kind::AggTrade,
        Kind::BookTicker,
        Kind::Depth { fast: true },
        Kind::Depth { fast: false },
        Kind::Partial { level_count: 5, fast: true },
        Kind::Partial { level_count: 10, fast: true },
        Kind::Partial { level_count: 20, fast: true },
        Kind::Partial { level_count: 5, fast: false },
        Kind::Partial { level_count: 10, fast: false },
        Kind::Partial { level_count: 20, fast: false },
        Kind::MiniTicker,
        Kind::Ticker,
        Kind::Kline,
        Kind::AvgPrice,
    ];

    /// The name after the `@`.
    pub(crate) fn name(self) -> String {
        let pace = |fast: bool| if fast { "@100ms" } else { "" };
        match self {
            Kind::Trade => "trade".to_string(),
            Kind::AggTrade => "aggTrade".to_string(),
            Kind::BookTicker => "bookTicker".to_string(),
            Kind::Depth { fast } => format!("depth{}", pace(fast)),
            Kind::Partial { level_count, fast } => format!("depth{level_count}{}", pace(fast)),
            Kind::MiniTicker => "miniTicker".to_string(),
            Kind::Ticker => "ticker".to_string(),
            Kind::Kline => "kline_1m".to_string(),
            Kind::AvgPrice => "avgPrice".to_string(),
        }
    }
}

/// What a connection asks for when it opens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// Frames come in the wrapper that names their stream.
    pub(crate) combined: bool,
    /// Streams from the start.
    pub(crate) streams: Vec<String>,
    /// Times in microseconds.
    pub(crate) microseconds: bool,
}

/// The target of a connection of market data; `None` where there is no such path.
pub(crate) fn parse_target(target: &str) -> Option<Target> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.trim_end_matches('/');
    let mut parsed = Target::default();
    if path == "/stream" {
        parsed.combined = true;
    } else if let Some(rest) = path.strip_prefix("/ws/") {
        parsed.streams.extend(names(rest));
    } else if path != "/ws" {
        return None;
    }
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("streams", list)) if parsed.combined => parsed.streams.extend(names(list)),
            Some(("timeUnit", unit)) => {
                parsed.microseconds = unit.eq_ignore_ascii_case("microsecond");
            }
            Some(_) | None => {}
        }
    }
    Some(parsed)
}

fn names(list: &str) -> Vec<String> {
    let list = unescaped(list);
    list.split('/').filter(|name| !name.is_empty()).map(str::to_string).collect()
}

/// `%40` and its like as their bytes; what is not well formed stays as it is.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}
