//! Unleash Edge in its offline mode: the nearest thing that people run for gradual rollouts (`cargo install unleash-edge`).

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tempfile::TempDir;
use tidegate_harness::ports::free_address;
use tidegate_harness::wait;

/// Where it was installed: `UNLEASH_EDGE` names the program, else it is looked for in the path.
pub fn program() -> Option<PathBuf> {
    let named = std::env::var_os("UNLEASH_EDGE").map(PathBuf::from).filter(|path| path.exists());
    let folders = std::env::var_os("PATH").unwrap_or_default();
    named.or_else(|| std::env::split_paths(&folders).map(|folder| folder.join("unleash-edge")).find(|path| path.exists()))
}

/// What requests must show.
pub const TOKEN: &str = "*:development.0000000000000000000000000000000000000000000000000000000000";

/// A running server; it ends with this value.
pub struct Unleash {
    child: Child,
    /// Where it listens.
    pub address: String,
    _folder: TempDir,
}

impl Unleash {
    /// Starts one with a handful of features, each a gradual rollout.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let feature = |number: u32| {
            let parameters = json!({"rollout": "50", "stickiness": "userId", "groupId": format!("app-{number}")});
            json!({
                "name": format!("app-{number}"), "type": "release", "enabled": true, "project": "default",
                "strategies": [{"name": "flexibleRollout", "constraints": [], "parameters": parameters}],
            })
        };
        let features = json!({"version": 2, "features": (0..5).map(feature).collect::<Vec<_>>()});
        let file = folder.path().join("features.json");
        std::fs::write(&file, features.to_string())?;
        let address = free_address();
        let child = Command::new(program().context("unleash-edge is not installed")?)
            .args(["--interface", "127.0.0.1", "--port", &address.port().to_string()])
            .arg("offline")
            .arg("--bootstrap-file")
            .arg(&file)
            .args(["--client-tokens", TOKEN, "--frontend-tokens", TOKEN])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("unleash-edge cannot be started")?;
        let unleash = Self { child, address: address.to_string(), _folder: folder };
        let listens = || async { tokio::net::TcpStream::connect(&unleash.address).await.ok().map(|_| ()) };
        wait::within(Duration::from_secs(20), listens).await.context("unleash-edge does not listen within 20 s")?;
        Ok(unleash)
    }
}

impl Drop for Unleash {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
