//! Behaviour of compile and decide together: properties over plausible catalogs, and the golden scenarios.

mod allocation;
mod bounds;
mod golden_graph;
mod golden_holds;
mod golden_phased;
mod membership;
mod patching;
mod piercing;
mod properties_exposure;
mod properties_holds;
mod properties_resolution;
mod reasons;
mod twin;
