//! What the pipeline does as a whole.
