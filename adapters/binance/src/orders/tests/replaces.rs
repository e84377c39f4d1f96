//! replaces
