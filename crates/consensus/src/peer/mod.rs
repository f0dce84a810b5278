//! The transport between nodes: gRPC over HTTP/2 on the connections of `platform::Network`.
//!
//! HTTP/2 is driven directly rather than by a channel of tonic's, so that every task starts through the spawner, no
//! answer carries the wall clock in a `date` header, and it is known whether a call ever left. `link` is one connection to
//! one peer; `network` and `append` are what openraft calls; `server` and `api` answer; `route` keeps strangers out.

pub(crate) mod api;
pub(crate) mod append;
pub(crate) mod install;
pub(crate) mod link;
pub(crate) mod network;
pub(crate) mod route;
pub(crate) mod server;
