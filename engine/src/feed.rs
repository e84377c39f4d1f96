//! Stage 1, feed.
