//! An edge as a real process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::http::Device;
use crate::ports::free_address;
use crate::{binary, wait};

/// Draws of an upstream: with three to choose from, one is missed so often once in ten million times.
const ATTACH_MAX: usize = 40;

/// One edge; it ends with this value.
pub struct Edge {
    /// What its answers call it.
    pub name: String,
    /// Device listener.
    pub device: String,
    /// Admin listener.
    pub admin: String,
    upstream: String,
    products: Vec<String>,
    more: Vec<String>,
    folder: PathBuf,
    child: Option<Child>,
}

impl Edge {
    /// Starts an edge of these upstreams (`URL[,URL...]`), with its data in a folder of its own below `folder`.
    pub fn start(folder: &Path, name: &str, upstream: &str, products: &[&str]) -> Self {
        Self::start_with(folder, name, upstream, products, &[])
    }

    /// The same, with further arguments.
    pub fn start_with(folder: &Path, name: &str, upstream: &str, products: &[&str], more: &[&str]) -> Self {
        let mut edge = Self {
            name: name.to_owned(),
            device: free_address().to_string(),
            admin: free_address().to_string(),
            upstream: upstream.to_owned(),
            products: products.iter().map(|&product| product.to_owned()).collect(),
            more: more.iter().map(|&argument| argument.to_owned()).collect(),
            folder: folder.join(name),
            child: None,
        };
        std::fs::create_dir_all(&edge.folder).expect("the test's folder can be written");
        edge.run();
        edge
    }

    /// Starts it (again) with what it has on the disk.
    pub fn run(&mut self) {
        assert!(self.child.is_none(), "edge {} runs already", self.name);
        let log = File::options().create(true).append(true).open(self.log()).expect("the test's folder can be written");
        let mut command = Command::new(binary::path());
        command.args(["edge", "--stop-with-stdin", "--name", &self.name, "--upstream", &self.upstream]);
        command
            .args(["--listen-device", &self.device, "--listen-admin", &self.admin, "--data-dir"])
            .arg(self.folder.join("data"));
        if !self.products.is_empty() {
            command.args(["--product", &self.products.join(",")]);
        }
        command.args(&self.more);
        let errors = log.try_clone().expect("a file handle can be shared");
        let child = command.stdin(Stdio::piped()).stdout(log).stderr(errors).spawn().expect("the binary starts");
        self.child = Some(child);
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// Asks it to stop and waits for the end; returns its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        drop(child.stdin.take());
        child.wait().ok()?.code()
    }

    /// Process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Chooses the upstreams of the next start.
    pub fn set_upstream(&mut self, upstream: &str) {
        upstream.clone_into(&mut self.upstream);
    }

    /// Admin endpoint, as an edge below takes it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Starts it anew until the upstream that it draws is this one (`host:port`), and waits until it follows it.
    pub async fn attach(&mut self, upstream: &str) {
        for _ in 0..ATTACH_MAX {
            self.kill();
            let before = self.logged().len();
            self.run();
            let drawn = wait::until(&format!("{} follows an upstream", self.name), Duration::from_secs(30), || async {
                let log = self.logged();
                let line = log[before..].lines().find(|line| line.contains("following upstream"))?;
                Some(line.contains(upstream) && !line.contains("not following"))
            })
            .await;
            if drawn {
                return;
            }
        }
        panic!("{} never drew {upstream}", self.name);
    }

    /// What it has logged so far.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Its log file.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log.txt")
    }

    /// Waits until a check hears this reason; returns the answer.
    pub async fn hears(&self, request: &serde_json::Value, reason: &str, patience: Duration) -> serde_json::Value {
        let device = tokio::sync::Mutex::new(Device::new(&self.device));
        wait::until(&format!("{} answers {reason}", self.name), patience, || async {
            let answer = device.lock().await.check(request, Duration::from_secs(1)).await.ok()?;
            (answer.body["reason"] == reason).then_some(answer.body)
        })
        .await
    }

    /// Waits until it accepts connections, whatever it answers; returns the status of `/readyz`.
    pub async fn readiness(&self) -> u16 {
        let device = tokio::sync::Mutex::new(Device::new(&self.device));
        wait::until(&format!("{} listens", self.name), Duration::from_secs(30), || async {
            device.lock().await.get("/readyz", Duration::from_secs(1)).await.ok().map(|answer| answer.status.as_u16())
        })
        .await
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let text = std::fs::read_to_string(self.log()).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(25).collect();
            eprintln!("--- end of the log of {} ---", self.name);
            tail.into_iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}
