//! The runbook runs as it is written: every command of every page, in order, in a folder that holds the configurations of
//! a small cluster which runs and has two releases. `console` says how pages are written.
//!
//! `start-node N` and `stop-node N` stand for whatever starts and stops the service on the machine of node N, `start-edge NAME`
//! and `stop-edge NAME` for the same of an edge. Addresses of loopback in the pages are replaced by free ones.

use std::path::Path;

use tidegate_harness::{binary, ports};

use crate::ONE_AT_A_TIME;
use crate::console::{self, Step};
use tidegate_harness::fleet;

const RUNBOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/runbook");
/// Nodes 1 to 3 are the cluster; the others are spare machines.
const NODES: u16 = 4;
const VOTERS: u16 = 3;
/// Machines for edges, whose listeners are at 7411 and 7511 and up.
const EDGES: u16 = 2;

const START: &str =
    "#!/bin/sh\nnohup tidegate serve --config node-$1.toml >> node-$1.log 2>&1 < /dev/null &\necho $! > node-$1.pid\n";
const STOP: &str = "#!/bin/sh\npid=$(cat node-$1.pid) && rm node-$1.pid && kill $pid\n\
                    while grep -qs '^State:.[^Z]' /proc/$pid/status; do sleep 0.05; done\n";
const START_EDGE: &str = "#!/bin/sh\nname=$1 && shift\n\
                          nohup tidegate edge --name $name --data-dir data-$name \"$@\" >> node-$name.log 2>&1 < /dev/null &\n\
                          echo $! > node-$name.pid\n";

/// A folder with configurations and scripts. Whatever was started in it ends with it.
struct Site {
    folder: tempfile::TempDir,
    /// What a page says and what is meant: addresses.
    addresses: Vec<(String, String)>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::TempDir::new().expect("there is a temporary folder");
        let mut addresses = Vec::new();
        for node in 1..=NODES {
            for base in [7_400, 7_500, 7_600] {
                addresses.push((format!("127.0.0.1:{}", base + node), ports::free_address().to_string()));
            }
        }
        for edge in 1..=EDGES {
            for base in [7_410, 7_510] {
                addresses.push((format!("127.0.0.1:{}", base + edge), ports::free_address().to_string()));
            }
        }
        let site = Self { folder, addresses };
        let bootstrap: Vec<String> = (1..=VOTERS).map(|node| format!("\"127.0.0.1:{}\"", 7_600 + node)).collect();
        for node in 1..=NODES {
            let first = format!("cluster.bootstrap = [{}]\n", bootstrap.join(", "));
            let bootstrap = if node <= VOTERS { first.as_str() } else { "" };
            let text = format!(
                "node.id = {node}\nnode.data_dir = \"data-{node}\"\ncluster.epoch = 1\n{bootstrap}\
                 listen.device = \"127.0.0.1:{}\"\nlisten.admin = \"127.0.0.1:{}\"\nlisten.peer = \"127.0.0.1:{}\"\n",
                7_400 + node,
                7_500 + node,
                7_600 + node
            );
            site.write(&format!("node-{node}.toml"), &site.meant(&text));
        }
        std::fs::create_dir(site.folder.path().join("bin")).expect("the test's folder can be written");
        let scripts =
            [("bin/start-node", START), ("bin/stop-node", STOP), ("bin/start-edge", START_EDGE), ("bin/stop-edge", STOP)];
        for (name, script) in scripts {
            site.write(name, script);
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(site.folder.path().join(name), mode).expect("the file is ours");
        }
        site.write("fleet.yaml", fleet::MANIFEST);
        site
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("the test's folder can be written");
    }

    /// The text with real addresses.
    fn meant(&self, text: &str) -> String {
        self.addresses.iter().fold(text.to_owned(), |text, (said, meant)| text.replace(said.as_str(), meant))
    }

    fn variables(&self) -> [(&'static str, String); 1] {
        let endpoints: Vec<String> = (1..=NODES).map(|node| format!("http://127.0.0.1:{}", 7_500 + node)).collect();
        [("TIDEGATE_ENDPOINT", self.meant(&endpoints.join(",")))]
    }

    async fn run(&self, page: &str, step: Step) {
        let output = step.output.iter().map(|line| self.meant(line)).collect();
        let step = Step { command: self.meant(&step.command), output, ..step };
        console::run(page, &step, self.folder.path(), &self.variables(), may_repeat).await;
    }

    /// Runs commands that no page says.
    async fn prepare(&self, commands: &[&str]) {
        for command in commands {
            let step = Step { line: 0, command: (*command).to_owned(), output: vec!["...".to_owned()] };
            self.run("preparation", step).await;
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let edges = (1..=EDGES).map(|edge| format!("eu-{edge}"));
        for node in (1..=NODES).map(|node| node.to_string()).chain(edges) {
            let pid = std::fs::read_to_string(self.folder.path().join(format!("node-{node}.pid"))).unwrap_or_default();
            if let Some(pid) = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw) {
                // It may have ended by itself.
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
            if std::thread::panicking() {
                let text = std::fs::read_to_string(self.folder.path().join(format!("node-{node}.log"))).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(15).collect();
                eprintln!("--- end of the log of node {node} ---");
                tail.into_iter().rev().for_each(|line| eprintln!("{line}"));
            }
        }
    }
}

/// True for a command that only looks, or that has the same effect when it is repeated.
fn may_repeat(command: &str) -> bool {
    let verbs = [
        "check",
        "get",
        "audit",
        "cluster status",
        "cluster verify",
        "cluster join",
        "cluster remove",
        "cluster settings",
        "cluster transfer",
    ];
    let verbs = verbs.iter().map(|verb| format!("tidegate {verb}"));
    verbs.chain(["tidegate --output yaml cluster status".to_owned()]).any(|verb| command.starts_with(&verb))
        || command.starts_with("tidegate apply -f fleet.yaml")
        || command.starts_with("curl -s")
}

async fn follow(name: &str) {
    let _one = ONE_AT_A_TIME.lock().await;
    let text = std::fs::read_to_string(Path::new(RUNBOOK).join(name)).expect("the page is part of the repository");
    let steps = console::steps(&text);
    assert!(steps.len() > 1, "{name} has commands");
    let site = Site::new();
    assert!(binary::path().exists());
    site.prepare(&["start-node 1", "start-node 2", "start-node 3"]).await;
    site.prepare(&["tidegate apply -f fleet.yaml", "tidegate rollout publish r1"]).await;
    for step in steps {
        site.run(&format!("docs/runbook/{name}"), step).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_lost() {
    follow("node-lost.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quorum_lost() {
    follow("quorum-lost.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restore() {
    follow("restore.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_full() {
    follow("disk-full.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_wrong() {
    follow("clock-wrong.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn divergence_alarm() {
    follow("divergence-alarm.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn add_region() {
    follow("add-region.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrade() {
    follow("upgrade.md").await;
}

#[test]
fn every_page_is_in_the_index_and_has_a_test() {
    let index = std::fs::read_to_string(Path::new(RUNBOOK).join("README.md")).expect("there is an index");
    let this = include_str!("runbook.rs");
    for entry in std::fs::read_dir(RUNBOOK).expect("there are pages") {
        let name = entry.expect("the folder can be read").file_name().to_string_lossy().into_owned();
        if name != "README.md" {
            assert!(index.contains(&format!("({name})")), "{name} is not in the index");
            assert!(this.contains(&format!("follow(\"{name}\")")), "{name} has no test");
        }
    }
}
