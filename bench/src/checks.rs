//! Update checks over the network, side by side with servers that decide nothing or something else.
//!
//! In one run and in turn: a node, a bare hyper server that answers a fixed body of the same size (the ceiling), nginx with
//! a static file, and Unleash Edge evaluating one gradual rollout. All of them share the processors with the load.

use std::sync::Arc;

use anyhow::Context as _;
use tidegate_harness::cluster::Cluster;
use tidegate_harness::fleet;
use tidegate_proto::device::v1 as device;
use tidegate_proto::device::v1::device_service_client::DeviceServiceClient;
use tonic::transport::{Channel, Endpoint};

use crate::http1::{self, Connection};
use crate::peers::hyper::Bare;
use crate::peers::nginx::{self, Nginx};
use crate::peers::unleash::{self, Unleash};
use crate::slices::{Compared, Plan, Slice, closed_loop, in_turn};

const CONNECTIONS: [usize; 3] = [1, 64, 512];
const DEVICES: usize = 64;
const CEILING_BAR: f64 = 0.85;
const UNLEASH_BAR: f64 = 3.0;

type Requests = Arc<[Vec<u8>]>;

/// One server under HTTP/1.1 load.
struct Target {
    address: String,
    requests: Requests,
}

/// All comparisons that the machine allows, and what was skipped.
pub async fn compare(plan: Plan, cluster: &Cluster) -> anyhow::Result<(Vec<Compared>, Vec<String>)> {
    let mut skipped = Vec::new();
    let checks = (0..DEVICES).map(|number| http1::post("/v1/check", &fleet::request(&format!("dev-{number}")).to_string()));
    let ours = Target { address: cluster.nodes[0].addresses.device.clone(), requests: checks.collect() };
    let first = Connection::open(&ours.address, Arc::clone(&ours.requests), 0).await?.exchange().await?;
    let length = first.body().len();
    let bare = Bare::start(length)?;
    let ceiling = Target { address: bare.address.clone(), requests: Arc::clone(&ours.requests) };
    let mut compared = http1_rows(plan, &ours, &ceiling, "bare hyper", Some(CEILING_BAR)).await?;
    compared.extend(grpc_rows(plan, &ours.address).await?);
    if nginx::is_installed() {
        let nginx = Nginx::start(length).await?;
        let requests = [http1::get("/answer.json", "")].into_iter().collect();
        let target = Target { address: nginx.address.clone(), requests };
        // For orientation, without a bar: half the slices tell enough.
        let plan = Plan { pairs: plan.pairs.div_ceil(2), ..plan };
        compared.extend(http1_rows(plan, &ours, &target, "nginx, a static file", None).await?);
    } else {
        skipped.push("nginx is not installed (Debian: nginx-light)".to_owned());
    }
    if unleash::program().is_some() {
        match unleash_rows(plan, &ours).await {
            Ok(rows) => compared.extend(rows),
            // Its options change from one major version to the next.
            Err(error) => skipped.push(format!("Unleash Edge does not do what 20.1 does: {error:#}")),
        }
    } else {
        skipped.push("Unleash Edge is not installed (cargo install unleash-edge, or UNLEASH_EDGE=program)".to_owned());
    }
    Ok((compared, skipped))
}

/// Beside Unleash Edge, which evaluates one gradual rollout for the device of each request.
async fn unleash_rows(plan: Plan, ours: &Target) -> anyhow::Result<Vec<Compared>> {
    let unleash = Unleash::start().await?;
    let one = |number| {
        let path = format!("/api/frontend/features/app-1?userId=dev-{number}");
        http1::get(&path, &format!("authorization: {}\r\n", unleash::TOKEN))
    };
    let target = Target { address: unleash.address.clone(), requests: (0..DEVICES).map(one).collect() };
    let answered = Connection::open(&target.address, Arc::clone(&target.requests), 0).await?.exchange().await?;
    let told = String::from_utf8_lossy(answered.body());
    anyhow::ensure!(told.contains("\"name\":\"app-1\""), "the toggle is not evaluated: {told}");
    http1_rows(plan, ours, &target, "Unleash Edge, one toggle", Some(UNLEASH_BAR)).await
}

async fn http1_rows(plan: Plan, ours: &Target, theirs: &Target, peer: &str, bar: Option<f64>) -> anyhow::Result<Vec<Compared>> {
    let mut rows = Vec::new();
    for count in CONNECTIONS {
        let pairs = in_turn(plan, || load(ours, count, plan), || load(theirs, count, plan)).await?;
        rows.push(Compared { what: format!("checks, HTTP/1.1, {count} connections"), peer: peer.to_owned(), pairs, bar });
    }
    Ok(rows)
}

async fn load(target: &Target, count: usize, plan: Plan) -> anyhow::Result<Slice> {
    let mut connections = Vec::new();
    for first in 0..count {
        connections.push(Connection::open(&target.address, Arc::clone(&target.requests), first).await?);
    }
    Ok(closed_loop(connections, plan.slice, Connection::exchange).await?.0)
}

/// One gRPC client with a connection of its own.
#[derive(Clone)]
struct Caller {
    client: DeviceServiceClient<Channel>,
    next: usize,
}

impl Caller {
    async fn call(mut self) -> anyhow::Result<Self> {
        self.next += 1;
        let check = device::CheckRequest {
            product: "app".to_owned(),
            device: Some(format!("dev-{}", self.next % DEVICES)),
            release: Some(fleet::OLD.to_owned()),
            ..device::CheckRequest::default()
        };
        self.client.check(check).await?;
        Ok(self)
    }
}

async fn grpc_rows(plan: Plan, ours: &str) -> anyhow::Result<Vec<Compared>> {
    let mut probe = callers(ours, 1).await?.pop().context("one caller")?;
    let check = device::CheckRequest {
        product: "app".to_owned(),
        device: Some("dev-1".to_owned()),
        release: Some(fleet::OLD.to_owned()),
        ..device::CheckRequest::default()
    };
    let answer = probe.client.check(check).await?.into_inner();
    let bare = Bare::start(prost::Message::encoded_len(&answer))?;
    let mut rows = Vec::new();
    for count in CONNECTIONS {
        let pairs = in_turn(plan, || call(ours, count, plan), || call(&bare.address, count, plan)).await?;
        let what = format!("checks, gRPC, {count} connections");
        rows.push(Compared { what, peer: "bare hyper".to_owned(), pairs, bar: Some(CEILING_BAR) });
    }
    Ok(rows)
}

async fn callers(address: &str, count: usize) -> anyhow::Result<Vec<Caller>> {
    let mut callers = Vec::new();
    for next in 0..count {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await?;
        callers.push(Caller { client: DeviceServiceClient::new(channel), next });
    }
    Ok(callers)
}

async fn call(address: &str, count: usize, plan: Plan) -> anyhow::Result<Slice> {
    Ok(closed_loop(callers(address, count).await?, plan.slice, Caller::call).await?.0)
}
