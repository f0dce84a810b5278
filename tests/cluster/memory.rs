//! The allocator of a node keeps its memory: the process has begun its program anew with that setting, and is the same process.

use tidegate_harness::cluster::Cluster;

use crate::ONE_AT_A_TIME;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_keeps_its_memory_under_the_process_id_that_it_was_started_with() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start_direct(1, "").await;
    let pid = cluster.nodes[0].pid().expect("the node runs");
    let words = |file: &str| -> Vec<String> {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).expect("Linux tells what a process was begun with");
        bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    };
    let environment = words("environ");
    let settings: Vec<&String> = environment.iter().filter(|word| word.starts_with("MIMALLOC_")).collect();
    assert_eq!(settings, ["MIMALLOC_PURGE_DELAY=-1"]);
    assert_eq!(words("cmdline").get(1).map(String::as_str), Some("serve"));
}
