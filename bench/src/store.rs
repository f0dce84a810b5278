//! Replicated state side by side with etcd: compare-and-set writes, linearizable reads and local reads.
//!
//! Both are three processes on loopback with their data on one disk and their own defaults, which are the same promise: a
//! write is durable on a majority before its answer. Every client has a connection of its own to the leader.

use std::sync::Arc;

use anyhow::Context as _;
use tidegate_client::{Client, Consistency, Run};
use tidegate_harness::cluster::Cluster;
use tidegate_harness::fleet;
use tidegate_harness::load::device_document;
use tidegate_model::{Document, ObjectRef, Spec};

use crate::peers::etcd::{Etcd, Member};
use crate::processors::Processors;
use crate::slices::{Compared, Plan, Slice, closed_loop, in_turn};

/// Clients at once, and the ratio of writes that is to be reached.
const WRITES: [(usize, f64); 4] = [(1, 1.2), (16, 1.5), (64, 1.5), (256, 1.5)];
/// Clients of the reads.
const READERS: usize = 16;
const LINEARIZABLE_BAR: f64 = 1.5;
const LOCAL_BAR: f64 = 3.0;
/// Size of a value in etcd: what a device record of ours has.
const VALUE_BYTES: usize = 96;

/// One client of ours, with the record that it writes.
#[derive(Clone)]
struct Ours {
    client: Client,
    document: Document,
    version: u64,
}

/// One client of etcd, with the key that it writes.
#[derive(Clone)]
struct Theirs {
    member: Member,
    key: Vec<u8>,
    version: i64,
}

impl Ours {
    /// Changes the record if it has the version that this client gave it.
    async fn write(mut self) -> anyhow::Result<Self> {
        if let Spec::Device(device) = &mut self.document.spec {
            device.attributes.insert("channel".to_owned(), format!("{:0>32}", self.version));
        }
        self.document.expected_version = Some(self.version);
        let documents = std::slice::from_ref(&self.document);
        let written = self.client.apply(documents, &self.client.request_id(), Run::Commit).await?;
        self.version = written.objects.first().context("a write tells its version")?.version;
        Ok(self)
    }

    async fn read(self, consistency: Consistency) -> anyhow::Result<Self> {
        self.client.get(&reference(&self.document)?, consistency).await?;
        Ok(self)
    }
}

impl Theirs {
    async fn write(mut self) -> anyhow::Result<Self> {
        self.member.put_if(&self.key, self.version, &[b'v'; VALUE_BYTES]).await?;
        self.version += 1;
        Ok(self)
    }

    async fn read(mut self, local: bool) -> anyhow::Result<Self> {
        anyhow::ensure!(self.member.get(&self.key, local).await? == 1, "the key is there");
        Ok(self)
    }
}

fn reference(document: &Document) -> anyhow::Result<ObjectRef> {
    match &document.spec {
        Spec::Device(device) => Ok(ObjectRef::Device(device.product.clone(), device.key.clone())),
        _ => anyhow::bail!("a device's document"),
    }
}

/// Both clusters, and clients of both.
struct Sides {
    ours: Vec<Ours>,
    theirs: Vec<Theirs>,
}

/// Writes at 1 to 256 clients, on a quiet machine, an awake one and a noisy one, and reads of both kinds; and what the machine
/// does not allow.
pub async fn compare(plan: Plan, cluster: &Cluster, etcd: &Etcd) -> anyhow::Result<(Vec<Compared>, Vec<String>)> {
    let mut sides = Sides::connect(cluster, etcd, WRITES.iter().map(|(clients, _)| *clients).max().unwrap_or(1)).await?;
    let (mut compared, mut missing) = (Vec::new(), Vec::new());
    for processors in Processors::ALL {
        let _held = match processors.hold() {
            Ok(held) => held,
            Err(error) => {
                missing.push(format!("writes, {}: {error:#}", processors.name()));
                continue;
            }
        };
        for (clients, bar) in WRITES {
            let what = format!("compare-and-set writes, {clients} clients, {}", processors.name());
            compared.push(sides.writes(what, plan, clients, bar).await?);
        }
    }
    for (consistency, local, bar) in [(Consistency::Linearizable, false, LINEARIZABLE_BAR), (Consistency::Local, true, LOCAL_BAR)]
    {
        compared.push(sides.reads(plan, consistency, local, bar).await?);
    }
    Ok((compared, missing))
}

impl Sides {
    async fn connect(cluster: &Cluster, etcd: &Etcd, clients: usize) -> anyhow::Result<Self> {
        let leader = cluster.leader().await;
        let theirs_at = etcd.leader().await?;
        let mut sides = Self { ours: Vec::new(), theirs: Vec::new() };
        for number in 0..clients {
            let name = format!("bench-{number}");
            let document = device_document(&name).pop().context("one document")?;
            let client = fleet::client(cluster, &[leader], std::time::Duration::from_secs(10));
            sides.ours.push(Ours { client, document, version: 0 }.write().await?);
            let member = Member::connect(&theirs_at).await?;
            sides.theirs.push(Theirs { member, key: name.into_bytes(), version: 0 }.write().await?);
        }
        Ok(sides)
    }

    async fn writes(&mut self, what: String, plan: Plan, clients: usize, bar: f64) -> anyhow::Result<Compared> {
        let ours = Arc::new(tokio::sync::Mutex::new(self.ours[..clients].to_vec()));
        let theirs = Arc::new(tokio::sync::Mutex::new(self.theirs[..clients].to_vec()));
        let pairs = in_turn(plan, || turn(&ours, plan, Ours::write), || turn(&theirs, plan, Theirs::write)).await?;
        self.ours.splice(..clients, ours.lock().await.drain(..));
        self.theirs.splice(..clients, theirs.lock().await.drain(..));
        Ok(Compared { what, peer: "etcd".to_owned(), pairs, bar: Some(bar) })
    }

    async fn reads(&mut self, plan: Plan, consistency: Consistency, local: bool, bar: f64) -> anyhow::Result<Compared> {
        let ours = Arc::new(tokio::sync::Mutex::new(self.ours[..READERS].to_vec()));
        let theirs = Arc::new(tokio::sync::Mutex::new(self.theirs[..READERS].to_vec()));
        let pairs = in_turn(
            plan,
            || turn(&ours, plan, move |client: Ours| client.read(consistency)),
            || turn(&theirs, plan, move |client: Theirs| client.read(local)),
        )
        .await?;
        let kind = if local { "local" } else { "linearizable" };
        Ok(Compared { what: format!("{kind} reads, {READERS} clients"), peer: "etcd".to_owned(), pairs, bar: Some(bar) })
    }
}

/// One slice with these clients, which are back afterwards.
async fn turn<C, F>(
    clients: &Arc<tokio::sync::Mutex<Vec<C>>>,
    plan: Plan,
    one: impl Fn(C) -> F + Clone + Send + 'static,
) -> anyhow::Result<Slice>
where
    C: Send + 'static,
    F: Future<Output = anyhow::Result<C>> + Send,
{
    let mut clients = clients.lock().await;
    let (slice, back) = closed_loop(std::mem::take(&mut *clients), plan.slice, one).await?;
    *clients = back;
    Ok(slice)
}
