//! The nodes of a development cluster: one child process each, so that one can be killed and started again.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// Ports of the nodes; node n listens on base + n.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    offset: u16,
}

impl Ports {
    /// The default ports, shifted by `offset`.
    pub fn new(offset: u16) -> Self {
        Self { offset }
    }

    /// Where node `n` listens for devices.
    pub fn device(self, n: u16) -> String {
        format!("127.0.0.1:{}", 7_400 + self.offset + n)
    }

    /// Where node `n` listens for operators.
    pub fn admin(self, n: u16) -> String {
        format!("127.0.0.1:{}", 7_500 + self.offset + n)
    }

    /// Where node `n` listens for its peers.
    pub fn peer(self, n: u16) -> String {
        format!("127.0.0.1:{}", 7_600 + self.offset + n)
    }
}

/// One node and its process.
pub struct Node {
    /// Its id, from 1.
    pub id: u16,
    /// Its configuration file.
    pub config: PathBuf,
    /// Its log file.
    pub log: PathBuf,
    /// Process id.
    pub pid: u32,
    child: Child,
    is_reported: bool,
}

impl Node {
    /// Writes the node's configuration and starts it with the program that runs now. The node stops when this process
    /// ends, however it ends: it watches its standard input.
    pub fn start(dir: &Path, id: u16, count: u16, ports: Ports) -> anyhow::Result<Self> {
        let home = dir.join(format!("node-{id}"));
        fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
        let config = home.join("node.toml");
        write_config(&config, &home, id, count, ports)?;
        let log = home.join("log.txt");
        let output =
            File::options().create(true).append(true).open(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(std::env::current_exe().context("cannot find this program's own file")?)
            .args(["serve", "--stop-with-stdin", "--config"])
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().context("cannot share the log file")?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a node")?;
        let pid = child.id().context("the node ended at once")?;
        Ok(Self { id, config, log, pid, child, is_reported: false })
    }

    /// The exit status, if the node has ended.
    pub fn has_ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The exit status, once, if the node has ended since the last call.
    pub fn newly_ended(&mut self) -> Option<std::process::ExitStatus> {
        if self.is_reported {
            return None;
        }
        let status = self.has_ended();
        self.is_reported = status.is_some();
        status
    }

    /// Closes the node's standard input, which asks it to stop in order, and waits; kills it after ten seconds.
    pub async fn stop(mut self) {
        drop(self.child.stdin.take());
        if timeout(Duration::from_secs(12), self.child.wait()).await.is_err() {
            // The node had its time; nothing acknowledged is lost by killing it.
            self.child.kill().await.ok();
        }
    }
}

fn write_config(path: &Path, home: &Path, id: u16, count: u16, ports: Ports) -> anyhow::Result<()> {
    let home = fs::canonicalize(home).with_context(|| format!("cannot resolve {}", home.display()))?;
    let peers: Vec<String> = (1..=count).map(|n| format!("{:?}", ports.peer(n))).collect();
    let text = format!(
        "# Written by `tidegate dev`.\nnode.id = {id}\nnode.data_dir = {data:?}\ncluster.name = \"dev\"\n\
         cluster.bootstrap = [{peers}]\nlisten.device = \"{device}\"\nlisten.admin = \"{admin}\"\nlisten.peer = \"{peer}\"\n",
        data = home.join("data"),
        peers = peers.join(", "),
        device = ports.device(id),
        admin = ports.admin(id),
        peer = ports.peer(id),
    );
    let mut file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// Status code of `GET path`, if something answers there.
pub async fn http_status(address: &str, path: &str) -> Option<u16> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.ok()?;
        std::str::from_utf8(&head[9..12]).ok()?.parse().ok()
    };
    timeout(Duration::from_secs(1), ask).await.ok().flatten()
}

/// Waits until `path` of every node answers 200; fails if a node ends or the time is over.
pub async fn wait_for(nodes: &mut [Node], ports: Ports, path: &str, patience: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    let mut rounds = tokio::time::interval(Duration::from_millis(50));
    for node in nodes {
        while http_status(&ports.device(node.id), path).await != Some(200) {
            if let Some(status) = node.has_ended() {
                bail!("node {} ended with {status}; its log is {}", node.id, node.log.display());
            }
            if Instant::now() > deadline {
                bail!(
                    "node {} does not answer {path} after {} s; its log is {}",
                    node.id,
                    patience.as_secs(),
                    node.log.display()
                );
            }
            rounds.tick().await;
        }
    }
    Ok(())
}
