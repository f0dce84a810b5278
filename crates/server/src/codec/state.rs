//! The whole state as snapshot records, and back.
//!
//! Order: one meta record, settings, tokens, objects, answers, changes. A record that is too long for a snapshot file
//! travels in parts. Reading checks what the machine checks, and that the catalog has the digest that it had.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;
use tidegate_consensus::{Frozen, InstallError};
use tidegate_machine::{AuditHead, Genesis, Parts, Remembered, RequestRecord, Settings, State, Token};
use tidegate_model::{Catalog, CatalogChange, Digest, Object, ObjectRef, Principal, RequestId, Role, Timestamp};
use tidegate_proto::storage::v1 as storage;
use tidegate_proto::storage::v1::state_record::Kind;
use tidegate_proto::types::v1 as types;
use tidegate_proto::{RecordReader, write_record};

use super::result::{result_in, result_out};

/// Layout of the records that this build writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// A state frozen at one log index; shares everything with the living one.
pub struct FrozenState {
    state: State,
    cluster_id: u128,
}

impl FrozenState {
    /// Freezes `state`.
    #[must_use]
    pub fn new(state: State, cluster_id: u128) -> Self {
        Self { state, cluster_id }
    }
}

impl Frozen for FrozenState {
    fn write(&self, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let parts = self.state.parts();
        let mut write = |kind: Kind| write_record(&storage::StateRecord { kind: Some(kind) }, &mut *sink);
        write(Kind::Meta(meta_out(&parts, self.cluster_id)))?;
        write(Kind::Settings(settings_out(&parts.settings)))?;
        for (name, token) in &parts.tokens {
            write(Kind::Token(token_out(name, token)))?;
        }
        for object in parts.catalog.objects() {
            write(Kind::Object((&object).into()))?;
        }
        for answer in &parts.requests {
            write(Kind::Request(request_out(answer)))?;
        }
        for (config_version, names) in &parts.changes {
            let objects = names.iter().map(Into::into).collect();
            write(Kind::Change(storage::ChangeRecord { config_version: *config_version, objects }))?;
        }
        Ok(())
    }
}

/// Reads a state that [`FrozenState`] wrote, of the cluster `cluster_id`.
///
/// # Errors
/// The first record that cannot be read, or that the records do not form a state.
pub fn read_state(records: &mut dyn Iterator<Item = io::Result<Vec<u8>>>, cluster_id: u128) -> Result<State, InstallError> {
    let mut reader = Reader { cluster_id, parts: None, digest: None, has_settings: false };
    let mut pieces = RecordReader::new();
    for (number, piece) in (0_u64..).zip(records) {
        let piece = piece.map_err(InstallError::Read)?;
        let broken = |reason: String| InstallError::Record { number, reason };
        if let Some(kind) = pieces.read(&piece).map_err(|error| broken(error.to_string()))? {
            reader.keep(kind).map_err(broken)?;
        }
    }
    pieces.finish().map_err(|error| InstallError::State { reason: error.to_string() })?;
    reader.finish().map_err(|reason| InstallError::State { reason })
}

struct Reader {
    cluster_id: u128,
    parts: Option<Parts>,
    digest: Option<Digest>,
    has_settings: bool,
}

impl Reader {
    fn keep(&mut self, kind: Kind) -> Result<(), String> {
        if let Kind::Meta(meta) = kind {
            if self.parts.is_some() {
                return Err("a second meta record".to_owned());
            }
            self.digest = Some(Digest(array("catalog_digest", &meta.catalog_digest)?));
            self.parts = Some(meta_in(&meta, self.cluster_id)?);
            return Ok(());
        }
        let parts = self.parts.as_mut().ok_or("no meta record came before it")?;
        match kind {
            Kind::Meta(_) | Kind::Part(_) => {
                unreachable!("a meta record is handled above, and the reader never gives out a part")
            }
            Kind::Settings(settings) => {
                parts.settings = settings_in(&settings);
                self.has_settings = true;
            }
            Kind::Token(token) => {
                let (name, token) = token_in(&token)?;
                parts.tokens.insert(name, token);
            }
            Kind::Object(object) => {
                let object = Object::try_from(object).map_err(|error| error.to_string())?;
                if parts.catalog.apply(&CatalogChange::Put(object)).is_some() {
                    return Err("an object that came before".to_owned());
                }
            }
            Kind::Request(request) => parts.requests.push(Arc::new(request_in(request)?)),
            Kind::Change(change) => {
                let names = change.objects.into_iter().map(ObjectRef::try_from).collect::<Result<Vec<_>, _>>();
                parts.changes.push((change.config_version, names.map_err(|error| error.to_string())?));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<State, String> {
        let parts = self.parts.ok_or("there is no meta record")?;
        if !self.has_settings {
            return Err("there are no settings".to_owned());
        }
        let (found, expected) = (parts.catalog.digest(), self.digest.ok_or("there is no digest")?);
        if found != expected {
            return Err(format!("the objects have digest {found}, must have {expected}"));
        }
        State::from_parts(parts).map_err(|error| error.to_string())
    }
}

fn meta_out(parts: &Parts, cluster_id: u128) -> storage::StateMeta {
    storage::StateMeta {
        format: FORMAT,
        min_reader: FORMAT,
        cluster_id: Bytes::copy_from_slice(&cluster_id.to_be_bytes()),
        epoch: parts.genesis.epoch,
        version_base: parts.genesis.version_base,
        applied_index: parts.applied_index,
        config_version: parts.config_version,
        log_time_ms: parts.log_time.as_millis(),
        auth_epoch: parts.auth_epoch,
        audit_count: parts.audit.count,
        change_floor: parts.changes_floor,
        catalog_digest: Bytes::copy_from_slice(&parts.catalog.digest().0),
        audit_head: Bytes::copy_from_slice(&parts.audit.head.0),
        bare_signatures: parts.genesis.bare_signatures,
    }
}

fn meta_in(meta: &storage::StateMeta, cluster_id: u128) -> Result<Parts, String> {
    if meta.format == 0 || meta.min_reader > FORMAT {
        return Err(format!(
            "state of format {} asks for a reader of {}, this build reads {FORMAT}",
            meta.format, meta.min_reader
        ));
    }
    if u128::from_be_bytes(array("cluster_id", &meta.cluster_id)?) != cluster_id {
        return Err("state of another cluster".to_owned());
    }
    Ok(Parts {
        genesis: Genesis { version_base: meta.version_base, epoch: meta.epoch, bare_signatures: meta.bare_signatures },
        applied_index: meta.applied_index,
        config_version: meta.config_version,
        log_time: Timestamp::from_millis(meta.log_time_ms),
        settings: Settings::initial(),
        auth_epoch: meta.auth_epoch,
        tokens: OrdMap::new(),
        audit: AuditHead { count: meta.audit_count, head: Digest(array("audit_head", &meta.audit_head)?) },
        catalog: Catalog::default(),
        requests: Vec::new(),
        changes_floor: meta.change_floor,
        changes: Vec::new(),
    })
}

/// Cluster-wide settings as records and answers carry them.
#[must_use]
pub(crate) fn settings_out(settings: &Settings) -> storage::Settings {
    storage::Settings {
        version: settings.version,
        history_versions_max: settings.history_versions_max,
        audit_records_max: settings.audit_records_max,
        cluster_version: settings.cluster_version,
    }
}

fn settings_in(settings: &storage::Settings) -> Settings {
    Settings {
        version: settings.version,
        history_versions_max: settings.history_versions_max,
        audit_records_max: settings.audit_records_max,
        cluster_version: settings.cluster_version,
    }
}

/// A role as messages carry it.
#[must_use]
pub(crate) fn role_out(role: Role) -> types::Role {
    match role {
        Role::Read => types::Role::Read,
        Role::Operate => types::Role::Operate,
        Role::Admin => types::Role::Admin,
    }
}

fn token_out(name: &Principal, token: &Token) -> storage::Token {
    storage::Token {
        name: name.to_string(),
        sha256: Bytes::copy_from_slice(&token.hash.0),
        role: role_out(token.role).into(),
        version: token.version,
        auth_epoch: token.auth_epoch,
    }
}

fn token_in(token: &storage::Token) -> Result<(Principal, Token), String> {
    let name = Principal::new(&token.name).map_err(|error| error.to_string())?;
    let role = tidegate_proto::convert::role(token.role).map_err(|error| error.to_string())?;
    let hash = Digest(array("sha256", &token.sha256)?);
    Ok((name, Token { hash, role, auth_epoch: token.auth_epoch, version: token.version }))
}

fn request_out((key, record): &Remembered) -> storage::RequestRecord {
    storage::RequestRecord {
        principal: key.0.to_string(),
        request_id: key.1.to_string(),
        command_digest: Bytes::copy_from_slice(&record.digest.0),
        at_ms: record.at.as_millis(),
        index: record.index,
        result: Some(result_out(&record.result)),
    }
}

fn request_in(request: storage::RequestRecord) -> Result<Remembered, String> {
    let principal = Principal::new(&request.principal).map_err(|error| error.to_string())?;
    let request_id = RequestId::new(&request.request_id).map_err(|error| error.to_string())?;
    let record = RequestRecord {
        digest: Digest(array("command_digest", &request.command_digest)?),
        index: request.index,
        at: Timestamp::from_millis(request.at_ms),
        result: result_in(request.result.ok_or("result is missing")?)?,
    };
    Ok(((principal, request_id), record))
}

fn array<const N: usize>(field: &str, bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("{field} of {} bytes must have {N}", bytes.len()))
}
