//! Nodes of real files and sockets within one test process, and calls to them.
#![allow(clippy::unwrap_used, dead_code, reason = "tests; not every test uses every call")]

#[path = "../../../../tests/harness/ports.rs"]
mod ports;

use std::path::Path;
use std::time::Duration;

use tidegate_platform::Platform;
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::device::v1 as device;
use tidegate_proto::types::v1 as types;
use tidegate_server::{Config, Fragment, Node};
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

pub const DEADLINE: Duration = Duration::from_secs(60);

/// A port that nobody had a moment ago, and that no outgoing connection takes before the node listens.
pub fn free_port() -> u16 {
    ports::free_address().port()
}

/// Settings of a node in `folder`, all listeners on loopback, with more settings as (key, value).
pub fn config(node: u64, folder: &Path, peer_port: u16, more: &[(&str, &str)]) -> Config {
    let mut fragment = Fragment::default();
    let data_dir = folder.display().to_string();
    let (node, peer) = (node.to_string(), format!("127.0.0.1:{peer_port}"));
    let own = [
        ("node.id", node.as_str()),
        ("node.data_dir", &data_dir),
        ("listen.device", "127.0.0.1:0"),
        ("listen.admin", "127.0.0.1:0"),
        ("listen.peer", &peer),
        ("limits.drain", "2s"),
    ];
    for (key, value) in own.iter().chain(more) {
        fragment.set_flag(key, *value).unwrap();
    }
    Config::load([fragment]).unwrap().0
}

pub async fn start(config: Config) -> Node {
    Node::start(config, Platform::system()).await.unwrap()
}

/// Waits until `done`, or fails with what was waited for.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen within {DEADLINE:?}");
        looks.tick().await;
    }
}

pub async fn ready(node: &Node) {
    until("readiness", || node.context().is_ready()).await;
}

pub async fn channel(address: std::net::SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// Clients of one node's services.
#[derive(Clone)]
pub struct Calls {
    pub channel: Channel,
    pub device: Channel,
}

impl Calls {
    pub async fn to(node: &Node) -> Self {
        Self { channel: channel(node.admin_addr()).await, device: channel(node.device_addr()).await }
    }

    pub async fn apply(
        &self,
        specs: Vec<types::document::Spec>,
        request_id: &str,
    ) -> Result<admin::ApplyResponse, tonic::Status> {
        let documents = specs.into_iter().map(|spec| types::Document { expected_version: None, spec: Some(spec) }).collect();
        let request = admin::ApplyRequest { documents, request_id: request_id.to_owned(), dry_run: false };
        let mut client = admin::apply_service_client::ApplyServiceClient::new(self.channel.clone());
        client.apply(request).await.map(tonic::Response::into_inner)
    }

    pub async fn transition(
        &self,
        release: &str,
        verb: types::transition::Verb,
    ) -> Result<admin::TransitionRolloutStateResponse, tonic::Status> {
        let transition = types::Transition { release: release.to_owned(), verb: Some(verb), ..types::Transition::default() };
        let request = admin::TransitionRolloutStateRequest { transition: Some(transition), request_id: String::new() };
        let mut client = admin::rollout_service_client::RolloutServiceClient::new(self.channel.clone());
        client.transition_rollout_state(request).await.map(tonic::Response::into_inner)
    }

    pub async fn publish(&self, release: &str) {
        self.transition(release, types::transition::Verb::Publish(types::Publish::default())).await.unwrap();
    }

    /// What the device listener answers.
    pub async fn check(&self, release: &str) -> device::CheckResponse {
        let request = device::CheckRequest {
            product: "os".to_owned(),
            device: Some("d1".to_owned()),
            release: Some(release.to_owned()),
            ..device::CheckRequest::default()
        };
        let mut client = device::device_service_client::DeviceServiceClient::new(self.device.clone());
        client.check(request).await.unwrap().into_inner()
    }

    pub async fn status(&self) -> admin::GetStatusResponse {
        self.cluster().get_status(admin::GetStatusRequest {}).await.unwrap().into_inner()
    }

    pub fn cluster(&self) -> admin::cluster_service_client::ClusterServiceClient<Channel> {
        admin::cluster_service_client::ClusterServiceClient::new(self.channel.clone())
    }

    pub fn objects(&self) -> admin::apply_service_client::ApplyServiceClient<Channel> {
        admin::apply_service_client::ApplyServiceClient::new(self.channel.clone())
    }
}

/// A product with a cohort and a chain of adopted and draft releases: r0 is adopted, the rest are drafts.
pub fn product(releases: u32) -> Vec<types::document::Spec> {
    let mut specs = vec![
        types::document::Spec::Product(types::Product {
            id: "os".into(),
            version_scheme: types::VersionScheme::Semver.into(),
            allow_unregistered: true,
            default_cohort: Some("stable".into()),
            ..types::Product::default()
        }),
        types::document::Spec::Cohort(types::Cohort { id: "stable".into(), product: "os".into(), ..types::Cohort::default() }),
    ];
    for number in 0..releases {
        specs.extend(release(number));
    }
    specs
}

/// Bundle and release number `number`.
pub fn release(number: u32) -> Vec<types::document::Spec> {
    let version = Some(format!("1.{number}.0"));
    vec![
        types::document::Spec::Bundle(types::Bundle {
            id: format!("b{number}"),
            product: "os".into(),
            version: version.clone(),
            ..types::Bundle::default()
        }),
        types::document::Spec::Release(types::ReleaseSpec {
            id: format!("r{number}"),
            product: "os".into(),
            cohort: "stable".into(),
            bundle: format!("b{number}"),
            version,
            adopt: number == 0,
            ..types::ReleaseSpec::default()
        }),
    ]
}
