//! What the `SIGNAL` records of these strategies mean: one code, one name, three values.

/// The market maker sent or changed a quote.
pub const QUOTE: u16 = 1;
/// The market maker pulled its quotes, or may quote again (reason 0).
pub const PULL: u16 = 2;
/// The market maker's guard counted a toxic event.
pub const TOXIC: u16 = 3;
/// The momentum taker enters.
pub const ENTER: u16 = 16;
/// The momentum taker exits.
pub const EXIT: u16 = 17;

/// What one code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// Code in the record.
    pub code: u16,
    /// Name as printed by tools.
    pub name: &'static str,
    /// Names of the values in `price`, `quantity` and `id` of the record.
    pub values: [&'static str; 3],
}

/// Every code.
pub const MEANINGS: [Meaning; 5] = [
    Meaning {
        code: QUOTE,
        name: "quote",
        values: ["reservation_price", "half_spread_ticks_2p20", "variance_2p20"],
    },
    Meaning { code: PULL, name: "pull", values: ["reason", "reason_before", "position"] },
    Meaning { code: TOXIC, name: "toxic", values: ["cause", "price", "score_2p20"] },
    Meaning {
        code: ENTER,
        name: "enter",
        values: ["signal_ticks_2p20", "imbalance_percent", "mid_twice"],
    },
    Meaning { code: EXIT, name: "exit", values: ["signal_ticks_2p20", "reason", "mid_twice"] },
];

/// What `code` means; `None` for codes of others.
pub fn describe(code: u16) -> Option<&'static Meaning> {
    MEANINGS.iter().find(|meaning| meaning.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_meaning_and_stands_in_the_handbook() {
        let book = include_str!("../../docs/STRATEGIES.md");
        for meaning in &MEANINGS {
            assert_eq!(describe(meaning.code), Some(meaning));
            assert!(book.contains(&format!("| {} | `{}` |", meaning.code, meaning.name)));
            for value in meaning.values {
                assert!(book.contains(&format!("`{value}`")), "{value}");
            }
        }
        assert_eq!(describe(0), None);
    }
}
