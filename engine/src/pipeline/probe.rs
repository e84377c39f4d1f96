//! Measuring points of the pipeline. Measurement is never an input: replay runs without a probe.

/// Where time goes inside the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// Feed stage.
    Feed,
    /// Strategy stage.
    Strategy,
    /// Risk stage.
    Risk,
    /// OMS and ledger.
    Oms,
    /// Gateway stage.
    Gateway,
    /// Copying the cascade to the journal.
    Journal,
}

impl Hop {
    /// Every hop in the order of the flow.
    pub const ALL: [Hop; 6] =
        [Hop::Feed, Hop::Strategy, Hop::Risk, Hop::Oms, Hop::Gateway, Hop::Journal];
}

/// Gets told when the pipeline passes a measuring point. Calls come in the order `begin`, `mark`
/// (several times, also in several rounds), `released` when outbound events left, `end`.
pub trait Probe {
    /// The cascade of inbound event `sequence` begins.
    fn begin(&mut self, sequence: u64);
    /// The time since the last call was spent in `hop`.
    fn mark(&mut self, hop: Hop);
    /// At least one outbound event left; the oldest of them was caused by an event received at `time_ns`.
    fn released(&mut self, time_ns: u64);
    /// The cascade of an event received at `time_ns` is done.
    fn end(&mut self, sequence: u64, time_ns: u64);
}

/// Measures nothing, costs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProbe;

impl Probe for NoProbe {
    #[inline]
    fn begin(&mut self, _sequence: u64) {}
    #[inline]
    fn mark(&mut self, _hop: Hop) {}
    #[inline]
    fn released(&mut self, _time_ns: u64) {}
    #[inline]
    fn end(&mut self, _sequence: u64, _time_ns: u64) {}
}
