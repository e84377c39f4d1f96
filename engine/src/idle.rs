//! Idle policies.
