//! pulls
