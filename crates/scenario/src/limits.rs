//! Every bound of a rollout test, and what happens at it.

/// Most bytes of one file. A larger one is refused as a whole.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most steps of one file. More: an error at the first step too many.
pub const STEPS_MAX: usize = 10_000;
/// Most devices of one fleet. More: an error at the step.
pub const FLEET_MAX: u64 = 1_000_000;
/// Most events of one step, series counted out. More: an error at the step.
pub const EVENTS_MAX: u64 = 1_000_000;
/// Longest event id, code or message of an event, in bytes. A longer one makes the event malformed.
pub const EVENT_TEXT_BYTES_MAX: usize = 4_096;
/// Most entries that the controller may write at one instant. Reaching it fails the step: the controller does not come to
/// rest.
pub const ENTRIES_PER_INSTANT_MAX: usize = 100_000;
/// Most instants at which the controller may act before one step. Reaching it fails the step: the step lies too far ahead.
pub const INSTANTS_PER_STEP_MAX: usize = 100_000;
/// Most steps of the controller that a report keeps for one step of the test; further ones are only counted.
pub const ACTS_KEPT_MAX: usize = 100;
/// Most devices that a failing fleet names as examples; further ones are only counted.
pub const EXAMPLES_MAX: usize = 5;
