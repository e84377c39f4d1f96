//! Raw segments.
