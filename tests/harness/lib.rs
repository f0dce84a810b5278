//! Harness for tests against the real binary.
