//! The door of the admin listener: a tower layer before all services that counts, bounds and authenticates calls.
//!
//! Which role a call needs is one closed table by path; a call that is not in it is refused, so that a new one cannot be
//! forgotten. The layer puts the [`Caller`] into the request; services take it from there with [`caller`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use http::{Request as HttpRequest, Response as HttpResponse};
use tidegate_model::Role;
use tokio::sync::Semaphore;
use tonic::{Request, Status};
use tower::{Layer, Service};

use crate::caller::Caller;
use crate::context::Context;
use crate::metrics::Metrics;
use crate::refusal::{Door, Unauthenticated};

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nobody has to say who they are.
    Nothing,
    /// This role.
    Role(Role),
}

const READ: Needs = Needs::Role(Role::Read);
const OPERATE: Needs = Needs::Role(Role::Operate);
const ADMIN: Needs = Needs::Role(Role::Admin);

/// Services and their calls, with what each needs. A test compares it with the descriptors.
const SERVICES: &[(&str, &[(&str, Needs)])] = &[
    (
        "tidegate.admin.v1.ApplyService",
        &[
            ("Apply", OPERATE),
            ("Batch", OPERATE),
            ("GetObject", READ),
            ("ListObjects", READ),
            ("DeleteObject", OPERATE),
            ("GetHistory", READ),
            ("Export", READ),
        ],
    ),
    ("tidegate.admin.v1.AuditService", &[("ListAudit", READ), ("TailAudit", READ)]),
    (
        "tidegate.admin.v1.BundleService",
        &[
            ("PutBundle", OPERATE),
            ("GetBundle", READ),
            ("ListBundles", READ),
            ("DeleteBundle", OPERATE),
            ("PutAttestation", OPERATE),
            ("ListAttestations", READ),
        ],
    ),
    (
        "tidegate.admin.v1.ClusterService",
        &[
            ("Init", ADMIN),
            ("Join", ADMIN),
            ("AddLearner", ADMIN),
            ("Promote", ADMIN),
            ("Remove", ADMIN),
            ("TransferLeader", ADMIN),
            ("GetStatus", READ),
            ("GetSettings", READ),
            ("UpdateSettings", ADMIN),
            ("PutToken", ADMIN),
            ("RevokeToken", ADMIN),
            ("ListTokens", ADMIN),
            ("Verify", READ),
            ("Backup", ADMIN),
        ],
    ),
    (
        "tidegate.admin.v1.CohortService",
        &[("PutCohort", OPERATE), ("GetCohort", READ), ("ListCohorts", READ), ("DeleteCohort", OPERATE)],
    ),
    (
        "tidegate.admin.v1.DeviceService",
        &[
            ("PutDevice", OPERATE),
            ("GetDevice", READ),
            ("ListDevices", READ),
            ("DeleteDevice", OPERATE),
            ("CheckForUpdate", READ),
            ("RecordInstallEvent", OPERATE),
        ],
    ),
    (
        "tidegate.admin.v1.ExclusionService",
        &[("PutExclusion", OPERATE), ("GetExclusion", READ), ("ListExclusions", READ), ("DeleteExclusion", OPERATE)],
    ),
    ("tidegate.admin.v1.HoldService", &[("PutHold", OPERATE), ("GetHold", READ), ("ListHolds", READ), ("DeleteHold", OPERATE)]),
    (
        "tidegate.admin.v1.OverrideService",
        &[("PutOverride", OPERATE), ("GetOverride", READ), ("ListOverrides", READ), ("DeleteOverride", OPERATE)],
    ),
    (
        "tidegate.admin.v1.ProductService",
        &[("PutProduct", OPERATE), ("GetProduct", READ), ("ListProducts", READ), ("DeleteProduct", OPERATE)],
    ),
    (
        "tidegate.admin.v1.ReleaseService",
        &[("PutReleaseConfig", OPERATE), ("GetRelease", READ), ("ListReleases", READ), ("DeleteRelease", OPERATE)],
    ),
    (
        "tidegate.admin.v1.RolloutService",
        &[
            ("TransitionRolloutState", OPERATE),
            ("PutRolloutPolicy", OPERATE),
            ("GetRolloutPolicy", READ),
            ("ListRolloutPolicies", READ),
            ("DeleteRolloutPolicy", OPERATE),
            ("GetRolloutStatus", READ),
            ("CheckFleet", READ),
        ],
    ),
    ("tidegate.admin.v1.WatchService", &[("Watch", READ)]),
    ("tidegate.edge.v1.SnapshotService", &[("FetchSnapshot", READ), ("Follow", READ)]),
    ("grpc.reflection.v1.ServerReflection", &[("ServerReflectionInfo", READ)]),
    ("grpc.reflection.v1alpha.ServerReflection", &[("ServerReflectionInfo", READ)]),
    // Load balancers ask without credentials, and learn nothing but "serving".
    ("grpc.health.v1.Health", &[("Check", Needs::Nothing), ("Watch", Needs::Nothing), ("List", Needs::Nothing)]),
];

/// The table as a map from path to needs.
#[must_use]
pub fn table() -> BTreeMap<String, Needs> {
    let rows = SERVICES.iter().flat_map(|(service, calls)| calls.iter().map(move |(call, needs)| (service, call, needs)));
    rows.map(|(service, call, needs)| (format!("/{service}/{call}"), *needs)).collect()
}

/// The caller of a request that came through the door.
///
/// # Errors
/// It did not come through the door.
pub fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Door::Unauthenticated(Unauthenticated::Missing).into())
}

struct Shared {
    context: Arc<Context>,
    table: BTreeMap<String, Needs>,
    slots: Arc<Semaphore>,
    metrics: Metrics,
}

/// Puts the door before a service.
#[derive(Clone)]
pub struct DoorLayer(Arc<Shared>);

impl DoorLayer {
    /// A door of this node.
    #[must_use]
    pub fn new(context: Arc<Context>, metrics: Metrics) -> Self {
        let slots = Arc::new(Semaphore::new(context.config.limits.admin_in_flight));
        Self(Arc::new(Shared { context, table: table(), slots, metrics }))
    }
}

impl<S> Layer<S> for DoorLayer {
    type Service = Doorman<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Doorman { shared: Arc::clone(&self.0), inner }
    }
}

/// The service behind the door.
#[derive(Clone)]
pub struct Doorman<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl Shared {
    /// Who calls, if they may.
    fn admit<B>(&self, request: &HttpRequest<B>) -> Result<Option<Caller>, Door> {
        let needs = match self.table.get(request.uri().path()) {
            Some(Needs::Nothing) => return Ok(None),
            Some(Needs::Role(role)) => *role,
            // Not a call of ours: the router says so, but only to those who may look.
            None => Role::Read,
        };
        let authorization = request.headers().get(http::header::AUTHORIZATION).map(|value| value.as_bytes());
        let caller = Caller::identify(&self.context.shelf.peek().state, authorization)?;
        caller.need(needs)?;
        Ok(Some(caller))
    }
}

impl<S, B> Service<HttpRequest<B>> for Doorman<S>
where
    S: Service<HttpRequest<B>, Response = HttpResponse<tonic::body::Body>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: HttpRequest<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let spare = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, spare);
        Box::pin(async move {
            let Ok(slot) = Arc::clone(&shared.slots).try_acquire_owned() else {
                shared.metrics.admin_refused("BUSY");
                return Ok(Status::from(Door::Busy).into_http());
            };
            match shared.admit(&request) {
                Ok(Some(caller)) => {
                    request.extensions_mut().insert(caller);
                }
                Ok(None) => {}
                Err(door) => {
                    shared.metrics.admin_refused(door_code(&door));
                    return Ok(Status::from(door).into_http());
                }
            }
            let began = Instant::now();
            let response = inner.call(request).await;
            shared.metrics.admin_answered(began.elapsed());
            drop(slot);
            response
        })
    }
}

/// Codes of the door itself, as a closed list for the metric.
fn door_code(door: &Door) -> &'static str {
    match door {
        Door::Unauthenticated(_) => "UNAUTHENTICATED",
        Door::Forbidden { .. } => "FORBIDDEN",
        // `admit` refuses for no other reason.
        _ => "OTHER",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::convert::Infallible;

    use prost::Message;
    use sha2::{Digest as _, Sha256};
    use tidegate_eligibility::Snapshot;
    use tidegate_machine::{Genesis, State};
    use tidegate_model::{Command, Digest, Entry, Principal, RequestId, Seed, Timestamp, TokenChange};
    use tidegate_platform::{Platform, TokioSpawner};
    use tidegate_store::Journal;
    use tidegate_store::journal::JournalBounds;
    use tonic::Code;

    use super::*;
    use crate::config::{Config, Fragment};
    use crate::journal;
    use crate::published::Shelf;

    const ROLES: [(&str, Role); 3] = [("reader", Role::Read), ("operator", Role::Operate), ("root", Role::Admin)];

    /// A node whose cluster has a token per role (the secret is the name), or none.
    fn context(has_tokens: bool, more: &[(&str, &str)]) -> Arc<Context> {
        let mut state = State::new(Genesis { version_base: 0, epoch: 1, bare_signatures: false });
        // The administrator's first: from then on only an administrator may grant.
        let grants = ROLES.iter().rev().filter(|_| has_tokens);
        for (number, (name, role)) in (1_u64..).zip(grants) {
            let caller = if number == 1 { "anonymous" } else { "root" };
            let entry = Entry {
                proposed_at: Timestamp::from_secs(1_700_000_000),
                principal: Principal::new(caller).unwrap(),
                auth_epoch: state.auth_epoch(),
                request_id: RequestId::new(&format!("q{number}")).unwrap(),
                seed: Seed([1; 32]),
                command: Command::Token(TokenChange {
                    name: Principal::new(name).unwrap(),
                    grant: Some((Digest(Sha256::digest(name.as_bytes()).into()), *role)),
                }),
            };
            tidegate_machine::apply(&mut state, number, &entry).result.unwrap();
        }
        let mut fragment = Fragment::default();
        for (key, value) in [("node.id", "1"), ("node.data_dir", "unused")].iter().chain(more) {
            fragment.set_flag(key, *value).unwrap();
        }
        let (config, _) = Config::load([fragment]).unwrap();
        let (_, books) = journal::open(Journal::in_memory(JournalBounds::initial()), &TokioSpawner);
        let shelf = Arc::new(Shelf::new(state, Snapshot::empty()));
        Arc::new(Context::new(config, shelf, books, Arc::default(), Platform::system()))
    }

    fn layer(context: &Arc<Context>) -> DoorLayer {
        DoorLayer::new(Arc::clone(context), Metrics::register(&mut prometheus_client::registry::Registry::default()))
    }

    /// Calls `path` through the door; `Ok` is who was let in (`-` if nobody was asked).
    async fn call(door: &DoorLayer, path: &str, authorization: Option<&str>) -> Result<String, Code> {
        let behind = tower::service_fn(|request: HttpRequest<()>| async move {
            let who = request.extensions().get::<Caller>().map_or_else(|| "-".to_owned(), |c| c.principal.to_string());
            let response = HttpResponse::builder().header("who", who).body(tonic::body::Body::empty()).unwrap();
            Ok::<_, Infallible>(response)
        });
        let mut request = HttpRequest::builder().uri(path);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let response = door.layer(behind).call(request.body(()).unwrap()).await.unwrap();
        match response.headers().get("grpc-status") {
            Some(status) => Err(Code::from_bytes(status.as_bytes())),
            None => Ok(response.headers()["who"].to_str().unwrap().to_owned()),
        }
    }

    #[tokio::test]
    async fn every_role_may_exactly_what_the_table_says() {
        let door = layer(&context(true, &[]));
        for (path, needs) in table() {
            for (name, role) in ROLES {
                let answer = call(&door, &path, Some(&format!("Bearer {name}"))).await;
                let expected = match needs {
                    Needs::Nothing => Ok("-".to_owned()),
                    Needs::Role(least) if role >= least => Ok(name.to_owned()),
                    Needs::Role(_) => Err(Code::PermissionDenied),
                };
                assert_eq!(answer, expected, "{name} at {path}");
            }
            let nobody = call(&door, &path, None).await;
            let expected = if needs == Needs::Nothing { Ok("-".to_owned()) } else { Err(Code::Unauthenticated) };
            assert_eq!(nobody, expected, "nobody at {path}");
        }
    }

    #[tokio::test]
    async fn bad_credentials_are_no_credentials() {
        let door = layer(&context(true, &[]));
        let path = "/tidegate.admin.v1.ClusterService/GetStatus";
        let long = format!("Bearer {}", "x".repeat(5_000));
        for bad in ["", "Bearer", "Bearer ", "Basic reader", "reader", "Bearer Reader", "Bearer reader2", &long] {
            assert_eq!(call(&door, path, Some(bad)).await, Err(Code::Unauthenticated), "{bad:?}");
        }
        assert_eq!(call(&door, path, Some("bearer  reader ")).await, Ok("reader".to_owned()));
        assert_eq!(call(&door, "/no.Such/Call", None).await, Err(Code::Unauthenticated));
    }

    #[tokio::test]
    async fn without_tokens_everybody_is_an_administrator() {
        let door = layer(&context(false, &[]));
        for path in table().keys() {
            assert!(call(&door, path, None).await.is_ok(), "{path}");
        }
    }

    #[tokio::test]
    async fn calls_beyond_the_bound_are_refused_and_not_queued() {
        let context = context(false, &[("limits.admin_in_flight", "1")]);
        let door = layer(&context);
        let taken = Arc::clone(&door.0.slots).try_acquire_owned().unwrap();
        let path = "/tidegate.admin.v1.ClusterService/GetStatus";
        assert_eq!(call(&door, path, None).await, Err(Code::ResourceExhausted));
        drop(taken);
        assert!(call(&door, path, None).await.is_ok());
    }

    #[test]
    fn no_call_is_missing_from_the_table() {
        let descriptors = prost_types::FileDescriptorSet::decode(tidegate_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut paths = Vec::new();
        for file in &descriptors.file {
            if !["tidegate.admin.v1", "tidegate.edge.v1"].contains(&file.package()) {
                continue;
            }
            for service in &file.service {
                let calls = service.method.iter().map(|m| format!("/{}.{}/{}", file.package(), service.name(), m.name()));
                paths.extend(calls);
            }
        }
        let ours: Vec<String> = table().into_keys().filter(|path| path.starts_with("/tidegate.")).collect();
        paths.sort();
        assert_eq!(paths, ours);
    }
}
