//! The compiled form: the objects of one product as a decision wants them, parsed, checked once and filed.
//!
//! All parts are shared with the previous snapshot where nothing changed. They hold the model's objects themselves, so
//! that a decision can borrow from them; what is beside them is derived and could be derived again.

mod bundle;
mod graph;
mod hold;
mod overrides;
mod pages;
mod product;
mod release;
mod rule;

pub(crate) use bundle::BundleView;
pub(crate) use graph::{Graph, Node, Onward};
pub(crate) use hold::{HoldIndex, HoldView};
pub(crate) use overrides::OverrideView;
pub(crate) use product::{CohortView, ProductView};
pub(crate) use release::{FromVersion, Install, Reached, ReleaseView, UrgencyView};
pub(crate) use rule::RuleView;
