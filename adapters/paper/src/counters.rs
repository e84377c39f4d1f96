//! What the paper venue has done so far.

/// What happened so far, for reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaperCounters {
    /// Orders accepted.
    pub orders: u64,
    /// Orders refused.
    pub rejects: u64,
    /// Orders cancelled on request.
    pub cancels: u64,
    /// Executions.
    pub fills: u64,
    /// Executions of resting orders.
    pub maker_fills: u64,
    /// Requests that came while too many were on their way.
    pub overflows: u64,
}
