//! Overrides, filed by whom they concern.

use std::sync::Arc;

use tidegate_model::{Override, OverrideTarget, Selector, Stored};

use crate::scope::{Scope, Scoped};

/// An override.
#[derive(Debug, PartialEq)]
pub(crate) struct OverrideView {
    pub(crate) stored: Arc<Stored<Override>>,
}

impl Scoped for OverrideView {
    fn id(&self) -> &str {
        self.stored.body.id.as_str()
    }

    fn scope(&self) -> Scope<'_> {
        match &self.stored.body.target {
            OverrideTarget::Devices(keys) => Scope::Devices(keys.iter().collect()),
            OverrideTarget::Selector(selector) => Scope::Selector(selector),
        }
    }

    fn selector(&self) -> Option<&Selector> {
        match &self.stored.body.target {
            OverrideTarget::Selector(selector) => Some(selector),
            OverrideTarget::Devices(_) => None,
        }
    }
}
