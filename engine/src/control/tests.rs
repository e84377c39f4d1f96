//! Tests of the control stage.
