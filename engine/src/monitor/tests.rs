//! Tests of the monitor.
