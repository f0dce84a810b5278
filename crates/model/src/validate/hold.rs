//! Field rules of holds.

use super::Broken;
use crate::command::HoldSpec;
use crate::hold::{HoldKind, HoldScope, Window};
use crate::invalid::Invalid;
use crate::limits;

impl HoldSpec {
    /// All field rules that this hold breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        if let HoldScope::Selector(selector) = &self.scope {
            broken.part("scope.selector", selector.validate());
        }
        if let (Some(_), Some(bundle)) = (&self.release, &self.bundle) {
            broken.rule(false, "bundle", bundle.as_str(), "must not be combined with release");
        }
        broken.instant("from", self.from);
        broken.instant("until", self.until);
        if let (Some(from), Some(until)) = (self.from, self.until) {
            broken.rule(from < until, "until", until.to_string(), "must come after from");
        }
        let is_window = self.kind == HoldKind::Window;
        match &self.window {
            Some(window) if is_window => broken.part("window", window.validate()),
            Some(window) => broken.rule(false, "window", &window.cron, "must only be given for a hold of kind window"),
            None => broken.rule(!is_window, "window", "", "must be given for a hold of kind window"),
        }
        let may_pierce = !self.critical_pierces || self.kind == HoldKind::OptOut;
        broken.rule(may_pierce, "critical_pierces", "true", "must only be given for a hold of kind opt_out");
        broken.text("reason", &self.reason);
        broken.into_vec()
    }
}

impl Window {
    /// All field rules that this window breaks. That the cron expression and the time zone can be read is judged where
    /// they are read.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        let fields = self.cron.split_ascii_whitespace().count();
        let fits = fields == 5 && self.cron.len() <= limits::ATTRIBUTE_BYTES_MAX;
        broken.rule(fits, "cron", &self.cron, "must have five fields: minute, hour, day, month, weekday");
        broken.some_span("duration", self.duration);
        if let Some(timezone) = &self.timezone {
            broken.name("timezone", timezone);
        }
        broken.into_vec()
    }
}
