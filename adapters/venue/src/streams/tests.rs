//! Subscriptions, their answers, and the frames that follow.
