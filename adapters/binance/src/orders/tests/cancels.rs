//! cancels
