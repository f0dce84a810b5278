//! What a newcomer does first: `tidegate dev`, and the commands that it suggests.

use std::process::Stdio;
use std::time::Duration;

use tidegate_harness::binary;
use tidegate_harness::http::Device;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use tidegate_harness::report;

use crate::ONE_AT_A_TIME;

/// Far from the ports of a cluster that somebody has running, and below those that other tests draw.
pub const PORT_OFFSET: u16 = 3_000;

/// Starts a development cluster in `folder` and waits until it is ready; returns what it printed.
pub async fn start(folder: &std::path::Path) -> (Child, Vec<String>) {
    let mut child = Command::new(binary::path())
        .args(["dev", "--port-offset", &PORT_OFFSET.to_string()])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
    let mut printed = Vec::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.expect("its output is text") {
            let is_last = line.starts_with("Ctrl-C");
            printed.push(line);
            if is_last {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(90), reading).await.expect("the cluster is ready in time");
    // Whatever comes later is read and dropped, so that the cluster never blocks on its output.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, printed)
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_comes_up_and_its_suggestions_work_as_printed() {
    let _one = ONE_AT_A_TIME.lock().await;
    let folder = tempfile::TempDir::new().expect("there is a temporary folder");
    let (mut child, printed) = start(folder.path()).await;
    assert!(printed.iter().any(|line| line == "ready"), "{printed:#?}");

    let mut answers = Vec::new();
    for node in 1..=3 {
        let mut device = Device::new(format!("127.0.0.1:{}", 7_400 + PORT_OFFSET + node));
        let request = serde_json::json!({"product": "phone-os", "device": "dev-0007", "release": "stable-2.0.0",
            "attributes": {"model": "akita"}});
        let answer = device.check(&request, Duration::from_secs(5)).await.expect("every node answers");
        assert_eq!(answer.status, 200);
        answers.push((
            answer.body["target_release"].clone(),
            answer.body["config_version"].clone(),
            answer.body["reason"].clone(),
        ));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "nodes differ: {answers:?}");

    let commands: Vec<&String> = printed.iter().filter(|line| line.starts_with("  ") && !line.starts_with("  #")).collect();
    assert_eq!(commands.len(), 3, "{printed:#?}");
    for command in commands {
        if command.trim_start().starts_with("curl") && !has_curl().await {
            report::line(format!("skipped, there is no curl here: {command}"));
            continue;
        }
        let run = Command::new("sh").args(["-c", command]).current_dir(folder.path()).output().await.expect("a shell starts");
        let text = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{command}\n{text}");
        report::line(format!("$ {}\n{text}", command.trim_start()));
    }
    stop(&mut child).await;
}

async fn has_curl() -> bool {
    Command::new("curl").arg("--version").stdout(Stdio::null()).status().await.is_ok_and(|status| status.success())
}

/// Ends it as Ctrl-C does, and sees that no node outlives it.
pub async fn stop(child: &mut Child) {
    let pid = i32::try_from(child.id().expect("it runs")).expect("process ids are small");
    let pid = rustix::process::Pid::from_raw(pid).expect("not zero");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("the process is ours");
    let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.expect("it stops in time");
    assert!(status.expect("it was started").success());
    for node in 1..=3 {
        let address = format!("127.0.0.1:{}", 7_400 + PORT_OFFSET + node);
        assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "a node still listens at {address}");
    }
}
