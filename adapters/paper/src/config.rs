//! Settings of the paper venue, and the permit without which it cannot be made.

use engine::event::Mode;

/// Settings of the paper venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaperConfig {
    /// Seed of everything random: latency jitter and rejects by chance.
    pub seed: u64,
    /// Time from the gateway to the venue's matching, ns.
    pub latency_out_ns: u64,
    /// Time from the venue's matching to us, ns.
    pub latency_in_ns: u64,
    /// Most that either way may take longer, ns; each message draws its own, none overtakes another.
    pub latency_jitter_ns: u64,
    /// Most orders that work at once.
    pub orders_max: usize,
    /// New orders refused by chance, per million.
    pub reject_per_million: u32,
    /// Longest silence of an instrument after which an order still trades or rests, ns.
    pub quiet_ns_max: u64,
    /// How far a market order may walk from the best price, parts per million of that price.
    pub protection_ppm: u32,
    /// Depth events kept per instrument while a snapshot is awaited.
    pub depth_buffer_count_max: usize,
    /// `source` of the reports.
    pub source: u16,
}

impl Default for PaperConfig {
    fn default() -> PaperConfig {
        PaperConfig {
            seed: 7,
            latency_out_ns: 500_000,
            latency_in_ns: 500_000,
            latency_jitter_ns: 200_000,
            orders_max: 4096,
            reject_per_million: 0,
            quiet_ns_max: 5_000_000_000,
            protection_ppm: 10_000,
            depth_buffer_count_max: 32_768,
            source: 0,
        }
    }
}

/// Why there is no paper venue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaperError {
    /// In live mode real orders go out; an invented fill would be a lie about real money.
    #[error("the paper venue cannot be made in live mode")]
    LiveMode,
    /// A setting is outside its range.
    #[error("paper venue: {field} is {value}, must be {must}")]
    Setting {
        /// Name of the setting.
        field: &'static str,
        /// What it is.
        value: u64,
        /// What it must be.
        must: &'static str,
    },
}

/// Longest latency and silence, ns: a day. Keeps every sum of times far from the end of `u64`.
const SPAN_NS_MAX: u64 = 86_400_000_000_000;
/// Most working orders. Arbitrary; the queue of one price is searched in sequence.
const ORDERS_MAX: usize = 1 << 20;

impl PaperConfig {
    pub(crate) fn check(&self) -> Result<(), PaperError> {
        for (field, value) in [
            ("latency_out_ns", self.latency_out_ns),
            ("latency_in_ns", self.latency_in_ns),
            ("latency_jitter_ns", self.latency_jitter_ns),
            ("quiet_ns_max", self.quiet_ns_max),
        ] {
            if SPAN_NS_MAX < value {
                return Err(PaperError::Setting { field, value, must: "at most a day" });
            }
        }
        if self.orders_max == 0 || ORDERS_MAX < self.orders_max {
            let value = u64::try_from(self.orders_max).unwrap_or(u64::MAX);
            let must = "1 to 1,048,576";
            return Err(PaperError::Setting { field: "orders_max", value, must });
        }
        for (field, value) in [
            ("reject_per_million", self.reject_per_million),
            ("protection_ppm", self.protection_ppm),
        ] {
            if 1_000_000 < value {
                let value = u64::from(value);
                return Err(PaperError::Setting { field, value, must: "at most 1,000,000" });
            }
        }
        Ok(())
    }
}

/// Proof that the session is not live. Only [`PaperPermit::for_mode`] makes one, and a paper venue
/// cannot be made without.
///
/// ```compile_fail
/// let permit = paper::PaperPermit { mode: engine::event::Mode::Live };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaperPermit {
    mode: Mode,
}

impl PaperPermit {
    /// A permit for every mode but live.
    pub const fn for_mode(mode: Mode) -> Result<PaperPermit, PaperError> {
        match mode {
            Mode::Backtest | Mode::Paper | Mode::DryRun => Ok(PaperPermit { mode }),
            Mode::Live => Err(PaperError::LiveMode),
        }
    }

    /// The mode that it was made for; never live.
    pub const fn mode(&self) -> Mode {
        self.mode
    }
}
