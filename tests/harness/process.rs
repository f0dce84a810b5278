//! One node as a real process, with its configuration file and its log.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::binary;

/// Addresses of a node.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Device listener.
    pub device: String,
    /// Admin listener.
    pub admin: String,
    /// Peer listener, behind its proxy.
    pub peer: String,
    /// The proxy before it, as advertised.
    pub peer_proxy: String,
}

/// Which program a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// The product.
    Product,
    /// A deliberately broken one, whose freshness never expires.
    NeverExpires,
}

/// A node's process.
pub struct Process {
    /// Node id.
    pub id: u64,
    /// Where it can be reached.
    pub addresses: Addresses,
    folder: PathBuf,
    build: Build,
    child: Option<Child>,
}

impl Process {
    /// Writes the configuration; starts nothing. `extra` are further lines of the file.
    pub fn new(folder: &Path, id: u64, addresses: Addresses, bootstrap: &[String], extra: &str, build: Build) -> Self {
        let folder = folder.join(format!("node-{id}"));
        std::fs::create_dir_all(&folder).expect("the test's folder can be written");
        let list: Vec<String> = bootstrap.iter().map(|address| format!("{address:?}")).collect();
        let text = format!(
            "node.id = {id}\nnode.data_dir = {data:?}\ncluster.name = \"test\"\ncluster.bootstrap = [{list}]\n\
             listen.device = {device:?}\nlisten.admin = {admin:?}\nlisten.peer = {peer:?}\nadvertise.peer = {proxy:?}\n{extra}\n",
            data = folder.join("data"),
            list = list.join(", "),
            device = addresses.device,
            admin = addresses.admin,
            peer = addresses.peer,
            proxy = addresses.peer_proxy,
        );
        std::fs::write(folder.join("node.toml"), text).expect("the test's folder can be written");
        Self { id, addresses, folder, build, child: None }
    }

    /// Starts the process; its output goes to `log.txt` in its folder. Returns the process id.
    pub fn start(&mut self) -> u32 {
        assert!(self.child.is_none(), "node {} runs already", self.id);
        let log = File::options().create(true).append(true).open(self.log()).expect("the test's folder can be written");
        let mut command = match self.build {
            Build::Product => {
                let mut command = Command::new(binary::path());
                command.args(["serve", "--stop-with-stdin", "--config"]);
                command
            }
            Build::NeverExpires => Command::new(binary::broken()),
        };
        let child = command
            .arg(self.folder.join("node.toml"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file handle can be shared"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let pid = child.id();
        self.child = Some(child);
        pid
    }

    /// Process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills it without warning (SIGKILL).
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

    /// Sends a signal such as `STOP` or `CONT`.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.pid().expect("a signal goes to a running node");
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("process ids are small")).expect("not zero");
        rustix::process::kill_process(pid, signal).expect("the process is ours");
    }

    /// Its log file.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log.txt")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let text = std::fs::read_to_string(self.log()).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(25).collect();
            eprintln!("--- end of the log of node {} ---", self.id);
            tail.into_iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}
