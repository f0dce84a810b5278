//! A cluster of real processes.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::http::Device;
use crate::link::Links;
use crate::ports::free_address;
use crate::process::{Addresses, Build, Process};
use crate::{binary, wait};

/// Nodes 1 to n and the links between them; everything ends with it.
pub struct Cluster {
    /// The nodes, in the order of their ids.
    pub nodes: Vec<Process>,
    /// The links between them.
    pub links: Links,
    /// Scratch space of the test.
    pub folder: TempDir,
}

/// Addresses of a node without any proxy.
fn draw_direct() -> Addresses {
    let peer = free_address().to_string();
    Addresses { device: free_address().to_string(), admin: free_address().to_string(), peer: peer.clone(), peer_proxy: peer }
}

/// Addresses of a node, with a proxy before its peer listener.
async fn draw_addresses(links: &Links, id: u64) -> Addresses {
    let peer = free_address();
    let proxy = links.open(id, peer).await;
    Addresses {
        device: free_address().to_string(),
        admin: free_address().to_string(),
        peer: peer.to_string(),
        peer_proxy: proxy.to_string(),
    }
}

impl Cluster {
    /// Starts `count` nodes that form a cluster, and waits until all are ready.
    pub async fn start(count: u64) -> Self {
        Self::start_with(count, "").await
    }

    /// The same, with further lines in every node's configuration.
    pub async fn start_with(count: u64, extra: &str) -> Self {
        Self::start_build(count, extra, Build::Product).await
    }

    /// The same, with nothing between the nodes: no link of it can be cut.
    pub async fn start_direct(count: u64, extra: &str) -> Self {
        let mut cluster =
            Self::with_addresses((1..=count).map(|_| draw_direct()).collect(), Links::default(), extra, Build::Product);
        cluster.launch().await;
        cluster
    }

    /// The same, of another program.
    pub async fn start_build(count: u64, extra: &str, build: Build) -> Self {
        let mut cluster = Self::prepare(count, extra, build).await;
        cluster.launch().await;
        cluster
    }

    /// Nodes that are configured to form a cluster, and not started.
    pub async fn prepare(count: u64, extra: &str, build: Build) -> Self {
        let links = Links::default();
        let mut addresses = Vec::new();
        for id in 1..=count {
            addresses.push(draw_addresses(&links, id).await);
        }
        Self::with_addresses(addresses, links, extra, build)
    }

    fn with_addresses(addresses: Vec<Addresses>, links: Links, extra: &str, build: Build) -> Self {
        let folder = TempDir::new().expect("there is a temporary folder");
        let bootstrap: Vec<String> = addresses.iter().map(|a| a.peer_proxy.clone()).collect();
        let nodes = (1..)
            .zip(addresses)
            .map(|(id, addresses)| Process::new(folder.path(), id, addresses, &bootstrap, extra, build))
            .collect();
        Self { nodes, links, folder }
    }

    /// Starts all nodes and waits until they are ready.
    pub async fn launch(&mut self) {
        for index in 0..self.nodes.len() {
            self.start_node(index);
        }
        self.wait_ready().await;
    }

    /// Starts one more node with an empty folder, which is in no cluster yet; returns its index.
    pub async fn add(&mut self, id: u64, extra: &str, build: Build) -> usize {
        let addresses = draw_addresses(&self.links, id).await;
        self.nodes.push(Process::new(self.folder.path(), id, addresses, &[], extra, build));
        let index = self.nodes.len() - 1;
        self.start_node(index);
        index
    }

    /// Starts (again) the node at this index.
    pub fn start_node(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let pid = node.start();
        self.links.set_pid(node.id, pid);
    }

    /// Waits until every running node answers `/readyz` with 200.
    pub async fn wait_ready(&self) {
        for node in self.nodes.iter().filter(|node| node.pid().is_some()) {
            self.wait_node_ready(node).await;
        }
    }

    /// Waits until this node is ready.
    pub async fn wait_node_ready(&self, node: &Process) {
        let device = tokio::sync::Mutex::new(Device::new(&node.addresses.device));
        wait::until(&format!("node {} is ready", node.id), Duration::from_secs(60), || async {
            let answer = device.lock().await.get("/readyz", Duration::from_millis(500)).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// Admin endpoints of all nodes, as the command line takes them.
    pub fn endpoints(&self) -> String {
        let urls: Vec<String> = self.nodes.iter().map(|node| format!("http://{}", node.addresses.admin)).collect();
        urls.join(",")
    }

    /// Runs the command line against this cluster; fails the test if it does not exit with 0. Returns standard output.
    pub async fn run(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.try_run(arguments).await;
        assert_eq!(code, Some(0), "tidegate {} failed:\n{out}{err}", arguments.join(" "));
        out
    }

    /// Runs the command line; returns exit code, standard output and standard error.
    pub async fn try_run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = tokio::process::Command::new(binary::path())
            .args(["--endpoint", &self.endpoints()])
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .output()
            .await
            .expect("the binary starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Applies a manifest text through the command line.
    pub async fn apply(&self, manifest: &str) -> String {
        let file = self.folder.path().join(format!("apply-{}.yaml", std::process::id()));
        std::fs::write(&file, manifest).expect("the test's folder can be written");
        self.run(&["apply", "-f", file.to_str().expect("temporary folders have plain names")]).await
    }

    /// Cluster status as JSON.
    pub async fn status(&self) -> serde_json::Value {
        let text = self.run(&["--output", "json", "cluster", "status"]).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("status is no JSON ({error}): {text}"))
    }

    /// Index of the node that leads, once one does.
    pub async fn leader(&self) -> usize {
        let id = wait::until("there is a leader", Duration::from_secs(15), || async {
            let (code, out, _) = self.try_run(&["--output", "json", "cluster", "status"]).await;
            if code != Some(0) {
                return None;
            }
            serde_json::from_str::<serde_json::Value>(&out).ok()?["leader"].as_u64()
        })
        .await;
        self.nodes.iter().position(|node| node.id == id).expect("the leader is one of the nodes")
    }

    /// A device's client of the node at this index.
    pub fn device(&self, index: usize) -> Device {
        Device::new(&self.nodes[index].addresses.device)
    }
}

/// A check request of a device of the sample fleets of the tests.
pub fn check_request(product: &str, device: &str, release: &str) -> serde_json::Value {
    json!({"product": product, "device": device, "release": release})
}
