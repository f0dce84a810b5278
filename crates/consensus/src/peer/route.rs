//! Who calls whom: every peer call names cluster, epoch, group, sender and target, and is refused on a mismatch.
//!
//! The store's uuid is part of both ends. A voter whose disk was wiped comes back with a new one: its calls do not match
//! the membership, and calls meant for its old store do not match it. That keeps it from voting with an empty log.

use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_platform::PeerIdentity;
use tidegate_proto::peer::v1 as wire;

use crate::codec::{CodecError, uuid, uuid_bytes};
use crate::roster::Roster;
use crate::status::Member;

/// What this node is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) cluster_id: u128,
    pub(crate) epoch: u64,
    pub(crate) group: u32,
    /// Id, store and addresses under which the others know this node.
    pub(crate) me: Member,
}

/// Why a call was refused. Nothing of it was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("call carries no route")]
    NoRoute,
    #[error(transparent)]
    Malformed(#[from] CodecError),
    #[error("call is for cluster {theirs:032x}, this node belongs to {ours:032x}")]
    Cluster { theirs: u128, ours: u128 },
    #[error("call is of epoch {theirs}, this node is in epoch {ours}")]
    Epoch { theirs: u64, ours: u64 },
    #[error("call is for group {theirs}, this node serves {ours}")]
    Group { theirs: u32, ours: u32 },
    #[error("call is for node {theirs}, this is node {ours}")]
    Target { theirs: u64, ours: u64 },
    #[error("call is for store {theirs:032x} of node {node}, it has store {ours:032x}")]
    TargetStore { node: u64, theirs: u128, ours: u128 },
    #[error("node {node} calls from store {theirs:032x}, the membership has {recorded:032x}")]
    SenderStore { node: u64, theirs: u128, recorded: u128 },
    #[error("node {node} is no member")]
    Stranger { node: u64 },
    #[error("the certificate of node {node} names {names:?}, must name {wanted}")]
    Certificate { node: u64, names: Vec<String>, wanted: String },
}

/// How much a call presumes about its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Replication and elections: a node that lags may not have heard of its new leader, so strangers are let in; the
    /// ballot decides.
    Consensus,
    /// Everything else needs a member.
    Members,
}

impl Identity {
    pub(crate) fn route_to(&self, target: &Member) -> wire::Route {
        wire::Route {
            cluster_id: uuid_bytes(self.cluster_id),
            epoch: self.epoch,
            group: self.group,
            sender: self.me.id,
            sender_store: uuid_bytes(self.me.store_uuid),
            target: target.id,
            target_store: uuid_bytes(target.store_uuid),
        }
    }

    /// The route of the one call that does not know its target.
    pub(crate) fn route_to_unknown(&self) -> wire::Route {
        let nobody = Member::default();
        wire::Route { target: 0, target_store: bytes::Bytes::new(), ..self.route_to(&nobody) }
    }

    fn check_cluster(&self, route: &wire::Route) -> Result<(), Refused> {
        let theirs = uuid(&route.cluster_id, "route.cluster_id")?;
        if theirs != self.cluster_id {
            return Err(Refused::Cluster { theirs, ours: self.cluster_id });
        }
        if route.epoch != self.epoch {
            return Err(Refused::Epoch { theirs: route.epoch, ours: self.epoch });
        }
        if route.group != self.group {
            return Err(Refused::Group { theirs: route.group, ours: self.group });
        }
        Ok(())
    }

    fn check_target(&self, route: &wire::Route) -> Result<(), Refused> {
        if route.target != self.me.id {
            return Err(Refused::Target { theirs: route.target, ours: self.me.id });
        }
        let theirs = uuid(&route.target_store, "route.target_store")?;
        if theirs != self.me.store_uuid {
            return Err(Refused::TargetStore { node: self.me.id, theirs, ours: self.me.store_uuid });
        }
        Ok(())
    }
}

/// Checks incoming calls. Shared by all connections.
pub(crate) struct Gate {
    identity: Identity,
    roster: Roster,
    refused: AtomicU64,
}

impl Gate {
    pub(crate) fn new(identity: Identity, roster: Roster) -> Self {
        Self { identity, roster, refused: AtomicU64::new(0) }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether this node knows any membership.
    pub(crate) fn knows_members(&self) -> bool {
        !self.roster.load().is_empty()
    }

    pub(crate) fn refused_count(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Lets a call in and returns its sender, or says why not.
    pub(crate) fn admit(
        &self,
        route: Option<&wire::Route>,
        certificate: Option<&PeerIdentity>,
        trust: Trust,
    ) -> Result<u64, Refused> {
        self.judge(route, certificate, trust).inspect_err(|refused| self.count(refused))
    }

    /// Lets an Identify call in: it names no target, and a node that is to join is no member yet.
    pub(crate) fn admit_identify(&self, route: Option<&wire::Route>) -> Result<(), Refused> {
        let check = || self.identity.check_cluster(route.ok_or(Refused::NoRoute)?);
        check().inspect_err(|refused| self.count(refused))
    }

    fn count(&self, refused: &Refused) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%refused, "peer call refused");
    }

    fn judge(&self, route: Option<&wire::Route>, certificate: Option<&PeerIdentity>, trust: Trust) -> Result<u64, Refused> {
        let route = route.ok_or(Refused::NoRoute)?;
        self.identity.check_cluster(route)?;
        self.identity.check_target(route)?;
        let theirs = uuid(&route.sender_store, "route.sender_store")?;
        let members = self.roster.load();
        match members.get(route.sender) {
            Some(entry) => {
                let recorded = entry.member.store_uuid;
                if recorded != theirs {
                    return Err(Refused::SenderStore { node: route.sender, theirs, recorded });
                }
                check_certificate(&entry.member, certificate)?;
            }
            None if trust == Trust::Members && !members.is_empty() => {
                return Err(Refused::Stranger { node: route.sender });
            }
            None => {}
        }
        Ok(route.sender)
    }
}

/// With mutual TLS, the certificate has to name the host that the membership records for the sender, or `node-<id>`.
fn check_certificate(member: &Member, certificate: Option<&PeerIdentity>) -> Result<(), Refused> {
    let Some(certificate) = certificate else { return Ok(()) };
    let host = host_of(&member.peer_addr);
    let by_id = format!("node-{}", member.id);
    if certificate.names.iter().any(|name| name.eq_ignore_ascii_case(host) || *name == by_id) {
        return Ok(());
    }
    Err(Refused::Certificate { node: member.id, names: certificate.names.clone(), wanted: format!("{host} or {by_id}") })
}

/// `host` of `host:port`, without the brackets of an IPv6 address.
fn host_of(authority: &str) -> &str {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::roster::{Entry, Members};
    use crate::status::MemberKind;

    fn member(id: u64, store_uuid: u128) -> Member {
        Member { id, store_uuid, peer_addr: format!("host{id}:7000"), ..Member::default() }
    }

    fn identity(id: u64, store_uuid: u128) -> Identity {
        Identity { cluster_id: 7, epoch: 1, group: 0, me: member(id, store_uuid) }
    }

    fn gate(members: &[Member]) -> Gate {
        let roster = Roster::default();
        let entries = members.iter().map(|m| Entry { member: m.clone(), kind: MemberKind::Voter });
        roster.store(Members::new(entries));
        Gate::new(identity(1, 11), roster)
    }

    fn check(gate: &Gate, route: &wire::Route, trust: Trust, message: &str) {
        assert_eq!(gate.admit(Some(route), None, trust).unwrap_err().to_string(), message);
    }

    #[test]
    fn members_are_admitted_by_id_and_store() {
        let gate = gate(&[member(1, 11), member(2, 22)]);
        let route = identity(2, 22).route_to(&member(1, 11));
        assert_eq!(gate.admit(Some(&route), None, Trust::Members), Ok(2));
        assert_eq!(gate.refused_count(), 0);
    }

    #[test]
    fn each_mismatch_is_refused_and_named() {
        let gate = gate(&[member(1, 11), member(2, 22)]);
        let good = identity(2, 22).route_to(&member(1, 11));
        let of = |change: fn(&mut wire::Route)| {
            let mut route = good.clone();
            change(&mut route);
            route
        };
        assert_eq!(gate.admit(None, None, Trust::Consensus), Err(Refused::NoRoute));
        check(&gate, &of(|r| r.epoch = 2), Trust::Consensus, "call is of epoch 2, this node is in epoch 1");
        check(&gate, &of(|r| r.group = 3), Trust::Consensus, "call is for group 3, this node serves 0");
        check(&gate, &of(|r| r.target = 3), Trust::Consensus, "call is for node 3, this is node 1");
        check(
            &gate,
            &of(|r| r.cluster_id = bytes::Bytes::from_static(b"short")),
            Trust::Consensus,
            "route.cluster_id of 5 bytes must be 16 bytes",
        );
        assert_eq!(gate.refused_count(), 5);
    }

    #[test]
    fn a_wiped_voter_is_refused_from_both_sides() {
        let gate = gate(&[member(1, 11), member(2, 22)]);
        let wiped = identity(2, 99).route_to(&member(1, 11));
        assert_eq!(
            gate.admit(Some(&wiped), None, Trust::Consensus),
            Err(Refused::SenderStore { node: 2, theirs: 99, recorded: 22 })
        );
        let to_old_store = identity(2, 22).route_to(&member(1, 10));
        assert_eq!(
            gate.admit(Some(&to_old_store), None, Trust::Consensus),
            Err(Refused::TargetStore { node: 1, theirs: 10, ours: 11 })
        );
    }

    #[test]
    fn strangers_may_lead_a_node_that_lags_but_not_ask_it() {
        let gate = gate(&[member(1, 11), member(2, 22)]);
        let stranger = identity(4, 44).route_to(&member(1, 11));
        assert_eq!(gate.admit(Some(&stranger), None, Trust::Consensus), Ok(4));
        assert_eq!(gate.admit(Some(&stranger), None, Trust::Members), Err(Refused::Stranger { node: 4 }));
    }

    #[test]
    fn a_certificate_has_to_name_the_recorded_host() {
        let gate = gate(&[member(1, 11), member(2, 22)]);
        let route = identity(2, 22).route_to(&member(1, 11));
        let with = |name: &str| PeerIdentity { names: vec![name.to_owned()] };
        for good in ["host2", "node-2", "HOST2"] {
            assert_eq!(gate.admit(Some(&route), Some(&with(good)), Trust::Members), Ok(2));
        }
        assert!(matches!(
            gate.admit(Some(&route), Some(&with("host3")), Trust::Members),
            Err(Refused::Certificate { node: 2, .. })
        ));
    }

    #[test]
    fn hosts_are_taken_from_authorities() {
        assert_eq!(host_of("a.example:7000"), "a.example");
        assert_eq!(host_of("[::1]:7000"), "::1");
        assert_eq!(host_of("a.example"), "a.example");
    }
}
