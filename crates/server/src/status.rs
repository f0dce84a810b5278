//! From a [`Refusal`] to a gRPC status: the one place in the project that knows which code goes with which.
//!
//! The details hold `google.rpc.ErrorInfo` (reason: our code), `google.rpc.BadRequest` where fields are named, and
//! `tidegate.admin.v1.Refusal` with everything that a program may want to act on.

use prost::Message;
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::types::v1::FieldViolation;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::refusal::{Door, Refusal};

/// `domain` of our error infos.
const DOMAIN: &str = "tidegate";

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let (grpc, message, details) = match refusal {
            Refusal::Rejected(rejection) => {
                let details = admin::Refusal {
                    code: rejection.code.clone(),
                    object: rejection.object.clone(),
                    current_version: rejection.current_version,
                    fields: rejection.fields.clone(),
                    ..admin::Refusal::default()
                };
                (grpc_code(&rejection.code), rejection.message.clone(), details)
            }
            Refusal::Door(door) => (door_code(&door), door.to_string(), door_details(door)),
        };
        with_details(grpc, &message, &details)
    }
}

impl From<Door> for Status {
    fn from(door: Door) -> Self {
        Refusal::Door(door).into()
    }
}

/// The gRPC code of the state machine's codes.
#[must_use]
pub fn grpc_code(code: &str) -> Code {
    match code {
        "NOT_FOUND" => Code::NotFound,
        "ALREADY_EXISTS" => Code::AlreadyExists,
        "CONFLICT" => Code::Aborted,
        "INVALID_OBJECT" => Code::InvalidArgument,
        "FORBIDDEN" => Code::PermissionDenied,
        "REQUEST_TABLE_FULL" => Code::ResourceExhausted,
        // Every other code says that the state does not allow it now: lifecycle, guards, graph, request ids.
        _ => Code::FailedPrecondition,
    }
}

fn door_code(door: &Door) -> Code {
    match door {
        Door::Unauthenticated(_) => Code::Unauthenticated,
        Door::Forbidden { .. } => Code::PermissionDenied,
        Door::Invalid(_) | Door::TooLarge { .. } => Code::InvalidArgument,
        Door::NotFound(..) | Door::UnknownProduct(_) => Code::NotFound,
        Door::UnknownOutcome { .. } | Door::UnknownChange => Code::Unknown,
        Door::Busy | Door::DiskLow => Code::ResourceExhausted,
        Door::NoLeader | Door::ClockSkewed { .. } | Door::Rebuilding | Door::NotReady | Door::NotConfirmed => Code::Unavailable,
        Door::Compacted { .. } => Code::OutOfRange,
        Door::Journal => Code::Internal,
        Door::Membership { .. } | Door::ClusterTooOld { .. } | Door::MemberTooOld { .. } => Code::FailedPrecondition,
        Door::Discover(tidegate_consensus::DiscoverError::Unreachable { .. }) => Code::Unavailable,
        Door::Discover(tidegate_consensus::DiscoverError::OtherCluster { .. }) => Code::FailedPrecondition,
        Door::Relayed { grpc, .. } => Code::from(*grpc),
    }
}

fn door_details(door: Door) -> admin::Refusal {
    let mut details = admin::Refusal { code: door.code().to_owned(), ..admin::Refusal::default() };
    match door {
        Door::Invalid(fields) => details.fields = fields,
        Door::NotFound(_, object) => details.object = object.map(|object| *object),
        Door::UnknownOutcome { request_id } => details.request_id = request_id,
        Door::Compacted { floor, .. } => details.floor = Some(floor),
        Door::Unauthenticated(_)
        | Door::Forbidden { .. }
        | Door::UnknownProduct(_)
        | Door::NoLeader
        | Door::UnknownChange
        | Door::Busy
        | Door::DiskLow
        | Door::ClockSkewed { .. }
        | Door::TooLarge { .. }
        | Door::ClusterTooOld { .. }
        | Door::MemberTooOld { .. }
        | Door::NotConfirmed
        | Door::Rebuilding
        | Door::Journal
        | Door::NotReady
        | Door::Membership { .. }
        | Door::Discover(_)
        | Door::Relayed { .. } => {}
    }
    details
}

fn with_details(grpc: Code, message: &str, refusal: &admin::Refusal) -> Status {
    let info = pb::ErrorInfo { reason: refusal.code.clone(), domain: DOMAIN.to_owned(), ..pb::ErrorInfo::default() };
    let mut details = vec![any("google.rpc.ErrorInfo", &info)];
    if !refusal.fields.is_empty() {
        let field_violations = refusal.fields.iter().map(bad_field).collect();
        details.push(any("google.rpc.BadRequest", &pb::BadRequest { field_violations }));
    }
    details.push(any("tidegate.admin.v1.Refusal", refusal));
    let status = pb::Status { code: grpc as i32, message: message.to_owned(), details };
    Status::with_details(grpc, message, status.encode_to_vec().into())
}

fn any(name: &str, message: &impl Message) -> prost_types::Any {
    prost_types::Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec() }
}

fn bad_field(violation: &FieldViolation) -> pb::bad_request::FieldViolation {
    pb::bad_request::FieldViolation {
        field: violation.field.clone(),
        description: format!("{:?} {}", violation.value, violation.rule),
        ..pb::bad_request::FieldViolation::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tidegate_consensus::{AskError, AskRefused, ChangeError, NotDelivered, ProposeError, ReadError};
    use tidegate_machine::Code as MachineCode;
    use tidegate_model::Role;
    use tidegate_proto::types::v1::Rejection;

    use super::*;
    use crate::refusal::Unauthenticated;

    /// What a program finds in a status.
    fn read(status: &Status) -> (Code, admin::Refusal, String) {
        let decoded = pb::Status::decode(status.details()).unwrap();
        assert_eq!(decoded.code, status.code() as i32);
        assert_eq!(decoded.message, status.message());
        let find = |name: &str| decoded.details.iter().find(|any| any.type_url.ends_with(name));
        let refusal = admin::Refusal::decode(&find("tidegate.admin.v1.Refusal").unwrap().value[..]).unwrap();
        let info = pb::ErrorInfo::decode(&find("google.rpc.ErrorInfo").unwrap().value[..]).unwrap();
        assert_eq!(info.reason, refusal.code);
        assert_eq!(find("google.rpc.BadRequest").is_some(), !refusal.fields.is_empty());
        (status.code(), refusal, info.domain)
    }

    #[test]
    fn every_code_of_the_machine_has_its_status() {
        use Code::{Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted};
        for code in MachineCode::ALL {
            let expected = match code {
                MachineCode::Forbidden => PermissionDenied,
                MachineCode::RequestTableFull => ResourceExhausted,
                MachineCode::NotFound => NotFound,
                MachineCode::AlreadyExists => AlreadyExists,
                MachineCode::Conflict => Aborted,
                MachineCode::InvalidObject => InvalidArgument,
                MachineCode::RequestIdReused
                | MachineCode::Immutable
                | MachineCode::IllegalTransition
                | MachineCode::NotAvailable
                | MachineCode::Recalled
                | MachineCode::Unsigned
                | MachineCode::NotAttested
                | MachineCode::GraphInvalid
                | MachineCode::InsertNotConfirmed
                | MachineCode::LatestConstrained
                | MachineCode::GateNotAcknowledged
                | MachineCode::NotEverybody
                | MachineCode::ReleaseLinked
                | MachineCode::InUse
                | MachineCode::IdenticalLatest
                | MachineCode::VersionUsed => FailedPrecondition,
            };
            let rejection = Rejection { code: code.as_str().to_owned(), current_version: Some(7), ..Rejection::default() };
            let (grpc, refusal, domain) = read(&Refusal::Rejected(Box::new(rejection)).into());
            assert_eq!(grpc, expected, "{}", code.as_str());
            assert_eq!((refusal.code.as_str(), refusal.current_version), (code.as_str(), Some(7)));
            assert_eq!(domain, "tidegate");
        }
    }

    #[test]
    fn each_bad_field_has_an_entry() {
        let fields = vec![
            FieldViolation { field: "id".into(), value: "-".into(), rule: "must be an id".into(), ..Default::default() },
            FieldViolation { document: Some(1), field: "stages[0].name".into(), ..Default::default() },
        ];
        let rejection = Rejection { code: "INVALID_OBJECT".into(), fields: fields.clone(), ..Rejection::default() };
        let status: Status = Refusal::Rejected(Box::new(rejection)).into();
        let (_, refusal, _) = read(&status);
        assert_eq!(refusal.fields, fields);
        let decoded = pb::Status::decode(status.details()).unwrap();
        let bad = decoded.details.iter().find(|any| any.type_url.ends_with("BadRequest")).unwrap();
        let bad = pb::BadRequest::decode(&bad.value[..]).unwrap();
        assert_eq!(bad.field_violations.len(), 2);
        assert_eq!(bad.field_violations[1].field, "stages[0].name");
    }

    #[test]
    fn what_consensus_says_keeps_definite_apart_from_unknown() {
        let cases: Vec<(Refusal, Code, &str)> = vec![
            (Refusal::of_proposal(&ProposeError::NotLeader { leader: None }, "q"), Code::Unavailable, "NO_LEADER"),
            (Refusal::of_proposal(&ProposeError::UnknownOutcome, "q"), Code::Unknown, "UNKNOWN_OUTCOME"),
            (Refusal::of_proposal(&ProposeError::TooLarge { bytes: 2, max: 1 }, "q"), Code::InvalidArgument, "TOO_LARGE"),
            (Refusal::of_proposal(&ProposeError::Busy { in_flight: 1, max: 1 }, "q"), Code::ResourceExhausted, "BUSY"),
            (Refusal::of_proposal(&ProposeError::DiskLow, "q"), Code::ResourceExhausted, "DISK_LOW"),
            (
                Refusal::of_proposal(&ProposeError::ClockSkewed { ahead_ms: 3_000, max_ms: 2_000 }, "q"),
                Code::Unavailable,
                "CLOCK_SKEWED",
            ),
            (Refusal::of_proposal(&ProposeError::Stopped, "q"), Code::Unavailable, "NOT_READY"),
            (Refusal::of_ask(&AskError::NotDelivered { reason: NotDelivered::NoLeader }, "q"), Code::Unavailable, "NO_LEADER"),
            (Refusal::of_ask(&AskError::Unknown { node: 2 }, "q"), Code::Unknown, "UNKNOWN_OUTCOME"),
            (Refusal::of_ask(&AskError::Refused { node: 2, refused: AskRefused::Busy }, "q"), Code::ResourceExhausted, "BUSY"),
            (ReadError::NotConfirmed.into(), Code::Unavailable, "NOT_CONFIRMED"),
            (ChangeError::MajorityAtRisk { healthy: 1, needed: 2 }.into(), Code::FailedPrecondition, "MAJORITY_AT_RISK"),
            (ChangeError::UnknownOutcome.into(), Code::Unknown, "UNKNOWN_OUTCOME"),
            (Door::Unauthenticated(Unauthenticated::Missing).into(), Code::Unauthenticated, "UNAUTHENTICATED"),
            (
                Door::Forbidden { principal: "bob".into(), has: Role::Read, needs: Role::Admin }.into(),
                Code::PermissionDenied,
                "FORBIDDEN",
            ),
            (Door::Compacted { from: 3, floor: 9 }.into(), Code::OutOfRange, "COMPACTED"),
            (Door::field("page_token", "x", "must come from an answer").into(), Code::InvalidArgument, "INVALID_REQUEST"),
        ];
        for (refusal, grpc, code) in cases {
            let (got, details, _) = read(&refusal.clone().into());
            assert_eq!((got, details.code.as_str()), (grpc, code), "{refusal:?}");
            if matches!(refusal, Refusal::Door(Door::UnknownOutcome { .. })) {
                assert_eq!(details.request_id, "q");
            }
            if code == "COMPACTED" {
                assert_eq!(details.floor, Some(9));
            }
        }
    }
}
