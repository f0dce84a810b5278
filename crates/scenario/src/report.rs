//! What came of a test, for whoever prints it.

use std::fmt;

use tidegate_model::Timestamp;

/// What came of one file.
#[derive(Clone, Debug)]
pub struct Report {
    /// The test's own name.
    pub name: String,
    /// The file.
    pub source_name: String,
    /// The steps that ran, the failing one included.
    pub steps: Vec<StepReport>,
    /// The step that failed; none after it ran.
    pub failure: Option<Failure>,
}

/// What happened in one step.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// From 1; 0 is the apply of the file's `objects`.
    pub number: usize,
    /// Line in the file.
    pub line: usize,
    /// The virtual time at which it ran.
    pub at: Timestamp,
    /// What was done or asked.
    pub title: String,
    /// What came of it.
    pub came: String,
    /// What the controller did on the way there, one line each.
    pub acts_before: Vec<String>,
    /// What it did because of the step.
    pub acts_after: Vec<String>,
}

/// A step that did not come out as expected.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The file.
    pub source_name: String,
    /// From 1; 0 is the apply of the file's `objects`.
    pub step: usize,
    /// Line in the file.
    pub line: usize,
    /// What was done or asked.
    pub title: String,
    /// What was expected.
    pub expected: String,
    /// What came instead.
    pub came: String,
    /// What led to the answer, one line each; empty if the step has no answer.
    pub trace: Vec<String>,
}

impl Report {
    /// True if every step came out as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}: step {}: {}", self.source_name, self.line, self.step, self.title)?;
        writeln!(f, "  expected: {}", self.expected)?;
        write!(f, "  came:     {}", self.came)?;
        if !self.trace.is_empty() {
            write!(f, "\n  trace:")?;
            for line in &self.trace {
                write!(f, "\n    {line}")?;
            }
        }
        Ok(())
    }
}

/// Why a step failed, before it is known which one it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wrong {
    pub expected: String,
    pub came: String,
    pub trace: Vec<String>,
}

impl Wrong {
    pub(crate) fn new(expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self { expected: expected.into(), came: came.into(), trace: Vec::new() }
    }
}
