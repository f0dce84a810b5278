//! The whole state taken apart and put together again, for snapshots. How the parts are written is not known here.

use std::sync::Arc;

use imbl::OrdMap;
use thiserror::Error;
use tidegate_model::{Catalog, ObjectRef, Principal, Timestamp};

use crate::audit::AuditHead;
use crate::changes::ChangeTable;
use crate::index::{Index, cohort_of};
use crate::requests::{Remembered, RequestTable};
use crate::settings::{Settings, Token};
use crate::state::{Genesis, State};

/// Everything that must be written so that the state can be put together again. Catalog and answers are shared with the
/// state, so that taking it costs a pointer for each answer.
#[derive(Clone, Debug)]
pub struct Parts {
    /// See [`State`]; likewise for the other fields.
    pub genesis: Genesis,
    /// Log index of the last entry.
    pub applied_index: u64,
    /// Present config version.
    pub config_version: u64,
    /// Log time.
    pub log_time: Timestamp,
    /// Cluster-wide settings.
    pub settings: Settings,
    /// Generation of the credentials.
    pub auth_epoch: u64,
    /// API tokens.
    pub tokens: OrdMap<Principal, Token>,
    /// Audit count and chain head.
    pub audit: AuditHead,
    /// All objects. To make one, put the objects in the order in which [`Catalog::objects`] gives them.
    pub catalog: Catalog,
    /// Remembered answers, oldest first.
    pub requests: Vec<Arc<Remembered>>,
    /// The oldest config version from which changes can be followed.
    pub changes_floor: u64,
    /// The change table: config versions, ascending, with the objects that changed.
    pub changes: Vec<(u64, Vec<ObjectRef>)>,
}

/// Parts that do not make a state: the snapshot is damaged, or of another build with other rules.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadParts {
    /// The config version is not of this log.
    #[error("config version {config_version} must be {base} to {base} + applied index {applied_index}")]
    ConfigVersion {
        /// What was found.
        config_version: u64,
        /// Version base.
        base: u64,
        /// Applied index.
        applied_index: u64,
    },
    /// Two answers share a key or an index, or are not in order.
    #[error("the answer to request {request} of {principal} is out of order or occurs twice")]
    Request {
        /// Who asked.
        principal: Principal,
        /// Under which id.
        request: String,
    },
    /// The change table is not in order.
    #[error("changes of config version {config_version} are out of order: floor is {floor}, present is {present}")]
    Changes {
        /// The row.
        config_version: u64,
        /// The floor.
        floor: u64,
        /// The present config version.
        present: u64,
    },
    /// A token is newer than the generation of the credentials.
    #[error("token {name} is of generation {generation}, above {auth_epoch}")]
    Token {
        /// Its name.
        name: Principal,
        /// Its generation.
        generation: u64,
        /// The cluster's.
        auth_epoch: u64,
    },
    /// An object refers to one that is not there.
    #[error("{object} does not exist and {user} refers to it")]
    Dangling {
        /// What is missing.
        object: ObjectRef,
        /// Who refers to it.
        user: ObjectRef,
    },
    /// An edge of a release graph leads nowhere, to another cohort, or to a release that is not linked.
    #[error("the edge from release {from} to {to} is none: both must be linked in one cohort")]
    Edge {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// A cohort's graph has a cycle or more than one latest release.
    #[error("the releases of cohort {product}/{cohort} do not lead to one latest release")]
    Graph {
        /// Product.
        product: String,
        /// Cohort.
        cohort: String,
    },
}

impl State {
    /// Takes the state apart.
    #[must_use]
    pub fn parts(&self) -> Parts {
        Parts {
            genesis: self.genesis,
            applied_index: self.applied_index,
            config_version: self.config_version,
            log_time: self.log_time,
            settings: self.settings,
            auth_epoch: self.auth_epoch,
            tokens: self.tokens.clone(),
            audit: self.audit,
            catalog: self.catalog.clone(),
            requests: self.requests.iter().cloned().collect(),
            changes_floor: self.changes.floor(),
            changes: self.changes.iter().map(|(config_version, names)| (config_version, names.to_vec())).collect(),
        }
    }

    /// Puts a state together. Everything that [`crate::apply()`] relies on is checked again.
    ///
    /// # Errors
    /// [`BadParts`] naming the first thing that cannot be.
    pub fn from_parts(parts: Parts) -> Result<Self, BadParts> {
        let base = parts.genesis.version_base;
        let (config_version, applied_index) = (parts.config_version, parts.applied_index);
        if config_version < base || config_version > base.saturating_add(applied_index) {
            return Err(BadParts::ConfigVersion { config_version, base, applied_index });
        }
        let auth_epoch = parts.auth_epoch;
        if let Some((name, token)) = parts.tokens.iter().find(|(_, token)| token.auth_epoch > auth_epoch) {
            return Err(BadParts::Token { name: name.clone(), generation: token.auth_epoch, auth_epoch });
        }
        let index = index_of(&parts.catalog)?;
        check_graphs(&parts.catalog, &index)?;
        Ok(Self {
            requests: requests_of(parts.requests)?,
            changes: changes_of(parts.changes_floor, parts.changes, config_version)?,
            catalog: parts.catalog,
            index,
            genesis: parts.genesis,
            applied_index,
            config_version,
            log_time: parts.log_time,
            settings: parts.settings,
            auth_epoch,
            tokens: parts.tokens,
            audit: parts.audit,
        })
    }
}

fn requests_of(answers: Vec<Arc<Remembered>>) -> Result<RequestTable, BadParts> {
    let mut table = RequestTable::default();
    let mut previous = None;
    for answer in answers {
        let ((principal, request), record) = answer.as_ref();
        let (principal, request) = (principal.clone(), request.clone());
        let is_in_order = previous < Some(record.index);
        previous = Some(record.index);
        if !is_in_order || !table.remember(answer) {
            return Err(BadParts::Request { principal, request: request.to_string() });
        }
    }
    Ok(table)
}

fn changes_of(floor: u64, rows: Vec<(u64, Vec<ObjectRef>)>, present: u64) -> Result<ChangeTable, BadParts> {
    let mut table = ChangeTable::starting_at(floor);
    let mut previous = floor;
    for (config_version, names) in rows {
        if config_version <= previous || config_version > present {
            return Err(BadParts::Changes { config_version, floor, present });
        }
        previous = config_version;
        table.push(config_version, names);
    }
    Ok(table)
}

/// Builds the index, and checks that no reference leads nowhere.
fn index_of(catalog: &Catalog) -> Result<Index, BadParts> {
    let mut index = Index::default();
    for object in catalog.objects() {
        index.replace(None, Some(&object));
    }
    match index.dangling(|name| catalog.get(name).is_some()) {
        Some((object, user)) => Err(BadParts::Dangling { object, user }),
        None => Ok(index),
    }
}

/// Checks that the linked releases of every cohort are a tree towards one latest release.
fn check_graphs(catalog: &Catalog, index: &Index) -> Result<(), BadParts> {
    let mut reaches_an_end = std::collections::BTreeSet::new();
    for stored in catalog.releases().values() {
        let release = &stored.body;
        let cohort = cohort_of(release);
        let bad_graph = || BadParts::Graph { product: cohort.0.to_string(), cohort: cohort.1.to_string() };
        if let Some(to) = &release.next {
            let is_edge =
                release.linked && catalog.releases().get(to).is_some_and(|to| to.body.linked && cohort_of(&to.body) == cohort);
            if !is_edge {
                return Err(BadParts::Edge { from: release.id.to_string(), to: to.to_string() });
            }
        }
        if index.sinks(&cohort) > 1 {
            return Err(bad_graph());
        }
        let mut way = std::collections::BTreeSet::new();
        let mut current = Some(&release.id);
        while let Some(id) = current.filter(|id| !reaches_an_end.contains(*id)) {
            if !way.insert(id) {
                return Err(bad_graph());
            }
            current = catalog.releases().get(id).and_then(|release| release.body.next.as_ref());
        }
        reaches_an_end.append(&mut way);
    }
    Ok(())
}
