//! Tests of what clients send and hear.
