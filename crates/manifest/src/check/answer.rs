//! What a device hears, written as JSON.

use tidegate_model::{Artifact, Timestamp};

use crate::json;

/// The answer to a check, as plain borrowed data: whoever decided fills it in, [`CheckAnswer::to_json`] writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckAnswer<'a> {
    /// Whether there is an offer.
    pub eligible: bool,
    /// Reason code.
    pub reason: &'a str,
    /// Release offered; named by no negative answer but NEEDS_USER.
    pub target_release: Option<&'a str>,
    /// Bundle offered.
    pub target_bundle: Option<&'a str>,
    /// Version offered.
    pub version: Option<&'a str>,
    /// What to fetch.
    pub artifacts: &'a [Artifact],
    /// `normal` or `critical`; only with an offer.
    pub urgency: Option<&'a str>,
    /// `auto`, `ask` or `info`; only with an offer.
    pub install_mode: Option<&'a str>,
    /// `release`, `override` or `revert`; only with an offer.
    pub source: Option<&'a str>,
    /// Config version of the snapshot that answers.
    pub config_version: u64,
    /// Proven age of that snapshot in milliseconds; absent if nothing is proven.
    pub staleness_ms: Option<u64>,
    /// Name of the node that answers.
    pub node: &'a str,
    /// When to ask again, in seconds, with jitter.
    pub retry_after_s: u64,
    /// When there may be an offer, if that is known.
    pub next_eligible_at: Option<Timestamp>,
    /// Until when an offer holds.
    pub expires_at: Option<Timestamp>,
    /// Echo of the request's.
    pub nonce: Option<&'a str>,
    /// True if the answer is for another instant than now.
    pub hypothetical: bool,
    /// Every candidate and step, if the request asked for it.
    pub trace: &'a [TraceLine<'a>],
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine<'a> {
    /// Step of the decision, such as `position` or `candidate`.
    pub step: &'a str,
    /// The release that it is about.
    pub release: Option<&'a str>,
    /// Code of what came out.
    pub code: &'a str,
    /// For humans.
    pub detail: Option<&'a str>,
}

impl CheckAnswer<'_> {
    /// The whole answer as one JSON object, all fields present, `hypothetical` only when true.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(1024);
        self.write_json(&mut out);
        out
    }

    /// Appends the whole answer to `out`.
    pub fn write_json(&self, out: &mut String) {
        self.write_decision(out);
        json::field(out, "staleness_ms");
        json::optional(out, self.staleness_ms, json::number);
        json::field(out, "node");
        json::text(out, self.node);
        json::field(out, "retry_after_s");
        json::number(out, self.retry_after_s);
        json::field(out, "nonce");
        json::optional(out, self.nonce, json::text);
        if self.hypothetical {
            json::field(out, "hypothetical");
            out.push_str("true");
        }
        json::field(out, "trace");
        json::list(out, self.trace, |out, line| {
            json::open(out, "step");
            json::text(out, line.step);
            json::field(out, "release");
            json::optional(out, line.release, json::text);
            json::field(out, "code");
            json::text(out, line.code);
            json::field(out, "detail");
            json::optional(out, line.detail, json::text);
            out.push('}');
        });
        out.push('}');
    }

    /// Appends the fields that are the decision, without the closing brace: what an entity tag covers. The same decision
    /// gives the same bytes on every node.
    pub fn write_decision(&self, out: &mut String) {
        json::open(out, "eligible");
        out.push_str(if self.eligible { "true" } else { "false" });
        json::field(out, "reason");
        json::text(out, self.reason);
        let texts = [
            ("target_release", self.target_release),
            ("target_bundle", self.target_bundle),
            ("version", self.version),
            ("urgency", self.urgency),
            ("install_mode", self.install_mode),
            ("source", self.source),
        ];
        for (i, (name, value)) in texts.into_iter().enumerate() {
            if i == 3 {
                json::field(out, "artifacts");
                json::list(out, self.artifacts, artifact);
            }
            json::field(out, name);
            json::optional(out, value, json::text);
        }
        json::field(out, "config_version");
        json::number(out, self.config_version);
        json::field(out, "next_eligible_at");
        json::optional(out, self.next_eligible_at, json::instant);
        json::field(out, "expires_at");
        json::optional(out, self.expires_at, json::instant);
    }
}

fn artifact(out: &mut String, artifact: &Artifact) {
    json::open(out, "name");
    json::text(out, &artifact.name);
    json::field(out, "size");
    json::number(out, artifact.size);
    json::field(out, "sha256");
    json::text(out, &artifact.sha256);
    if let Some(base) = &artifact.base_sha256 {
        json::field(out, "base_sha256");
        json::text(out, base);
    }
    json::field(out, "url");
    json::optional(out, artifact.url.as_deref(), json::text);
    out.push('}');
}
