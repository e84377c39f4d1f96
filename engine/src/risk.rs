//! Stage 3, risk.
