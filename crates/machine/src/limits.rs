//! Every bound of the replicated state, and what happens at it.

use tidegate_model::Span;

/// Requests whose answers are remembered. At the bound, writes are refused with `REQUEST_TABLE_FULL` until the oldest
/// answers are [`REQUEST_AGE`] old; nothing is forgotten early, because a forgotten answer turns a retry into a second
/// effect.
pub const REQUESTS_MAX: usize = 1_000_000;
/// Further answers that are kept for requests that only stop things (pause, withdraw, disable, discard): an emergency
/// stop must not fail because the table is full. Beyond this, they are refused too.
pub const REQUESTS_RESERVE: usize = 10_000;
/// How long, in log time, an answer is remembered at least.
pub const REQUEST_AGE: Span = Span::from_days(1);
/// Most old answers that one entry forgets; the rest waits for later entries, so that no entry takes long.
pub const REQUESTS_FORGOTTEN_PER_ENTRY: usize = 16;

/// How far the config version jumps with each new epoch: an old cluster would have to write so often after a backup before
/// a config version could mean two things.
pub const VERSION_LEAP: u64 = 1 << 32;
/// The largest config version with which an epoch may begin, far below 2^53, which every JSON reader holds exactly. An
/// epoch number that would lead beyond it is refused.
pub const CONFIG_VERSION_MAX: u64 = 1 << 52;

/// Object names in the change table. Beyond it the oldest config versions are dropped and the floor rises: whoever
/// follows from below hears `Compacted` and starts again from a full copy.
pub const CHANGES_MAX: usize = 100_000;

/// Most documents of one apply; more is `INVALID_OBJECT`.
pub const DOCUMENTS_MAX: usize = 10_000;
/// Most commands of one batch; more is `INVALID_OBJECT`.
pub const BATCH_MAX: usize = 256;
/// Broken rules that one refusal names. The rest is only counted.
pub const FIELD_ERRORS_MAX: usize = 100;
/// Warnings of one outcome; further ones are dropped.
pub const WARNINGS_MAX: usize = 100;
/// API tokens; one more is `INVALID_OBJECT`.
pub const TOKENS_MAX: usize = 10_000;
/// Most devices that have consented to one release; one more is `INVALID_OBJECT`.
pub const CONSENTS_MAX: usize = 100_000;
/// Most people who approve one stage; one more is `INVALID_OBJECT`.
pub const APPROVALS_MAX: usize = tidegate_model::limits::APPROVALS_MAX;
/// Largest number of versions of one object that the history may be told to keep.
pub const HISTORY_VERSIONS_MAX: u32 = 100_000;
/// Largest number of records that the audit may be told to keep.
pub const AUDIT_RECORDS_MAX: u64 = 100_000_000;
