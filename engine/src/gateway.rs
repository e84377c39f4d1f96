//! Stage 5, gateway.
