//! One node as a real process, with its configuration file and its log.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{binary, wait};

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
    /// The product with a wall clock that [`Process::set_clock`] sets, and a disk that [`Process::set_disk_stalled`] stops.
    Commanded,
    /// A build of cluster version 1, to which deletion is unknown.
    Earlier,
    /// A build of cluster version 2, which brought deletion.
    Later,
}

impl Build {
    /// The program with the words before and after the configuration file.
    fn command(self, config: &Path) -> Command {
        let more: &[&str] = match self {
            Self::Product => {
                let mut command = Command::new(binary::path());
                command.args(["serve", "--stop-with-stdin", "--config"]).arg(config);
                return command;
            }
            Self::NeverExpires => &["--sabotage", "never-expires"],
            Self::Commanded => &[],
            Self::Earlier => &["--supports", "1"],
            Self::Later => &["--supports", "2"],
        };
        let mut command = Command::new(binary::altered());
        command.arg(config).args(more);
        command
    }
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
    /// Writes the configuration; starts nothing. `extra` are further lines of the file; one of them may name another cluster.
    pub fn new(folder: &Path, id: u64, addresses: Addresses, bootstrap: &[String], extra: &str, build: Build) -> Self {
        let folder = folder.join(format!("node-{id}"));
        std::fs::create_dir_all(&folder).expect("the test's folder can be written");
        let list: Vec<String> = bootstrap.iter().map(|address| format!("{address:?}")).collect();
        let name = if extra.contains("cluster.name") { "" } else { "cluster.name = \"test\"\n" };
        let text = format!(
            "node.id = {id}\nnode.data_dir = {data:?}\n{name}cluster.bootstrap = [{list}]\n\
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
        let child = self
            .build
            .command(&self.folder.join("node.toml"))
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

    /// Chooses the program of the next start.
    pub fn set_build(&mut self, build: Build) {
        self.build = build;
    }

    /// Sets the wall clock of a [`Build::Commanded`] node, in milliseconds ahead of the machine's.
    pub fn set_clock(&mut self, ahead_ms: i64) {
        self.command(&format!("clock {ahead_ms}"));
    }

    /// Stops the disk of a [`Build::Commanded`] node: whatever changes a file hangs. Or lets it go on.
    pub fn set_disk_stalled(&mut self, is_stalled: bool) {
        self.command(if is_stalled { "disk stall" } else { "disk go" });
    }

    fn command(&mut self, line: &str) {
        assert_eq!(self.build, Build::Commanded, "only this build takes commands");
        let stdin = self.child.as_mut().and_then(|child| child.stdin.as_mut()).expect("the node runs");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("the node listens");
    }

    /// Limits the size of every file that this running node writes, as `ulimit -f` does; no limit for `None`.
    pub fn limit_file_size(&self, bytes: Option<u64>) {
        use rustix::process::{Resource, Rlimit, prlimit};
        // The hard limit stays, or an ordinary user could not take it back.
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(self.raw_pid()), Resource::Fsize, limit).expect("the process is ours");
    }

    /// Waits for its end and returns its exit code; `None` after a signal.
    pub async fn ended(&mut self, patience: Duration) -> Option<i32> {
        let child = self.child.as_mut().expect("a node that runs can end");
        let mut look = || child.try_wait().expect("the process is ours");
        let status = wait::until(&format!("node {} has ended", self.id), patience, || std::future::ready(look())).await;
        self.child = None;
        status.code()
    }

    /// Sends a signal such as `STOP` or `CONT`.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.raw_pid(), signal).expect("the process is ours");
    }

    fn raw_pid(&self) -> rustix::process::Pid {
        let pid = self.pid().expect("the node runs");
        rustix::process::Pid::from_raw(i32::try_from(pid).expect("process ids are small")).expect("not zero")
    }

    /// Whether every thread of it is stopped: a moment after the signal one may still finish what it is at.
    pub fn is_stopped(&self) -> bool {
        let pid = self.pid().expect("a stopped node is there");
        let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    }

    /// Where it keeps its data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What it has logged so far.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
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
