//! Names of the numbers that `quarantine` events carry.

/// Name of a refusal, as printed and as kept beside the refused line. Never renamed.
pub const fn refusal_name(code: u16) -> &'static str {
    match code {
        1 => "frame-too-long",
        2 => "broken-json",
        3 => "not-an-object",
        4 => "unknown-kind",
        5 => "field-missing",
        6 => "field-type",
        7 => "field-twice",
        8 => "unknown-symbol",
        9 => "no-instrument",
        10 => "not-a-number",
        11 => "off-scale",
        12 => "number-too-large",
        13 => "field-range",
        14 => "too-many-levels",
        32 => "no-time",
        33 => "no-frame",
        34 => "line-too-long",
        35 => "cut-off",
        48 => "crossed-quote",
        49 => "price-band",
        50 => "event-time-ahead",
        51 => "event-time-back",
        52 => "half-quote",
        53 => "crossed-snapshot",
        54 => "not-text",
        55 => "unexpected-kind",
        56 => "subscription-refused",
        57 => "id-jump",
        _ => "unknown",
    }
}
