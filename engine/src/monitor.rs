//! Stage monitor: what the account is worth, how it moves, and when a person should look. It never says no.

pub mod metric;

pub use metric::{METRIC_COUNT, Metric, MetricUnit, RiskMode};
