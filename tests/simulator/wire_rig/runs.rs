//! Runs of random faults against a gambler: the seed makes the plan.
