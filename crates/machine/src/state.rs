//! The replicated state.

use imbl::OrdMap;
use tidegate_model::{Catalog, Digest, Principal, ReleaseId, Role, Timestamp};

use crate::audit::AuditHead;
use crate::changes::ChangeTable;
use crate::exclusions::{self, Holder};
use crate::index::Index;
use crate::requests::RequestTable;
use crate::settings::{CONTROLLER, Settings, Token};

/// What a cluster is born with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// Added to log indexes to make config versions, so that a restored cluster goes on above the one it was copied from.
    pub version_base: u64,
    /// Which life of the cluster this is: +1 with each restore.
    pub epoch: u64,
    /// Whether a signature without text counts as a good one of its key. Only rollout tests say yes.
    pub bare_signatures: bool,
}

/// Everything that is replicated. A clone costs nothing and is a frozen view.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) catalog: Catalog,
    pub(crate) index: Index,
    pub(crate) genesis: Genesis,
    pub(crate) applied_index: u64,
    pub(crate) config_version: u64,
    pub(crate) log_time: Timestamp,
    pub(crate) settings: Settings,
    pub(crate) auth_epoch: u64,
    pub(crate) tokens: OrdMap<Principal, Token>,
    pub(crate) requests: RequestTable,
    pub(crate) changes: ChangeTable,
    pub(crate) audit: AuditHead,
}

impl State {
    /// The state before the first entry.
    #[must_use]
    pub fn new(genesis: Genesis) -> Self {
        Self {
            catalog: Catalog::default(),
            index: Index::default(),
            genesis,
            applied_index: 0,
            config_version: genesis.version_base,
            log_time: Timestamp::from_millis(0),
            settings: Settings::initial(),
            auth_epoch: 0,
            tokens: OrdMap::new(),
            requests: RequestTable::default(),
            changes: ChangeTable::starting_at(genesis.version_base),
            audit: AuditHead::empty(),
        }
    }

    /// All stored objects.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Version base plus the index of the last entry that changed the catalog.
    #[must_use]
    pub fn config_version(&self) -> u64 {
        self.config_version
    }

    /// What the cluster was born with.
    #[must_use]
    pub fn genesis(&self) -> Genesis {
        self.genesis
    }

    /// Which life of the cluster this is.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.genesis.epoch
    }

    /// Log index of the last entry that was applied or skipped.
    #[must_use]
    pub fn applied_index(&self) -> u64 {
        self.applied_index
    }

    /// The time that the log tells: it never goes back.
    #[must_use]
    pub fn log_time(&self) -> Timestamp {
        self.log_time
    }

    /// Cluster-wide settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// API tokens by name.
    #[must_use]
    pub fn tokens(&self) -> &OrdMap<Principal, Token> {
        &self.tokens
    }

    /// Generation of the credentials: +1 each time that a token is created, replaced or revoked. Whoever lets a caller in
    /// puts the generation at which it looked into the entry.
    #[must_use]
    pub fn auth_epoch(&self) -> u64 {
        self.auth_epoch
    }

    /// The role of a principal: that of its token; operator for the controller; administrator for everybody while there
    /// is no token; else none.
    #[must_use]
    pub fn role_of(&self, principal: &Principal) -> Option<Role> {
        if self.tokens.is_empty() {
            return Some(Role::Admin);
        }
        if principal.as_str() == CONTROLLER {
            return Some(Role::Operate);
        }
        self.tokens.get(principal).map(|token| token.role)
    }

    /// The token with this secret, by the secret's hash. Compares all of them in constant time each.
    #[must_use]
    pub fn token_by_hash(&self, hash: &Digest) -> Option<(&Principal, &Token)> {
        let differs = |token: &Token| token.hash.0.iter().zip(hash.0).fold(0, |all, (a, b)| all | (a ^ b)) != 0;
        self.tokens.iter().find(|(_, token)| !differs(token))
    }

    /// Answers that are remembered.
    #[must_use]
    pub fn requests(&self) -> &RequestTable {
        &self.requests
    }

    /// The same state for those who read objects: it tells how many answers are remembered and holds none of them, so
    /// that remembering the next one need not copy what this view shares. No entry may be applied to it in earnest.
    #[must_use]
    pub fn without_answers(&self) -> Self {
        // Field by field: a clone of everything would share the table, if only for a moment.
        Self {
            catalog: self.catalog.clone(),
            index: self.index.clone(),
            tokens: self.tokens.clone(),
            requests: self.requests.counted(),
            changes: self.changes.clone(),
            ..*self
        }
    }

    /// The whole state again, from such a view and the answers of the same moment.
    #[must_use]
    pub fn with_answers(self, requests: RequestTable) -> Self {
        Self { requests, ..self }
    }

    /// Who keeps a cell of the release's current stage closed by an exclusion; `None` if it may open, or if there is no
    /// such release or stage.
    #[must_use]
    pub fn exclusion_holder(&self, release: &ReleaseId, domain: &str) -> Option<Holder> {
        let release = self.catalog.releases().get(release)?;
        exclusions::blocker(self, &release.body, domain)
    }

    /// Which objects changed at which config version.
    #[must_use]
    pub fn changes(&self) -> &ChangeTable {
        &self.changes
    }

    /// Number of audit records so far, and the head of their chain.
    #[must_use]
    pub fn audit(&self) -> AuditHead {
        self.audit
    }

    /// Digest of the whole state: equal on nodes that applied the same log, however they came to it. The chain of audit
    /// records stands for everything that is not in the catalog, because it covers every entry and its result.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut out = self.catalog.digest().0.to_vec();
        out.extend(self.audit.head.0);
        for number in [
            self.audit.count,
            self.genesis.version_base,
            self.genesis.epoch,
            u64::from(self.genesis.bare_signatures),
            self.applied_index,
            self.config_version,
            self.auth_epoch,
            self.settings.version,
            self.tokens.len() as u64,
            self.requests.len() as u64,
            self.changes.floor(),
            self.changes.len() as u64,
        ] {
            out.extend(number.to_be_bytes());
        }
        out.extend(self.log_time.as_millis().to_be_bytes());
        Digest::of("state", &out)
    }
}
