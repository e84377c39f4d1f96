//! Stage 4, OMS.
