//! Tests against clusters of real processes.
