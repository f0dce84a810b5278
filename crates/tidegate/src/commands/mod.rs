//! What each command does: it turns flags into calls of the client, and answers into values to print.

pub mod apply;
pub mod audit;
pub mod backup;
pub mod check;
pub mod cluster;
pub mod compare;
pub mod edge;
pub mod import;
pub mod new_epoch;
pub mod objects;
pub mod rollout;
pub mod serve;
pub mod test;
