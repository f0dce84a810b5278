//! Each row: some sources, and what comes of them.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const MINIMAL: &str = "node.id = 1\nnode.data_dir = \"data\"\n";

fn load(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
    let file = Fragment::from_toml("node.toml", file).map_err(|problems| ConfigError { problems }.to_string())?;
    let env = Fragment::from_env(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let mut flag_values = Fragment::default();
    for (key, value) in flags {
        flag_values.set_flag(key, *value).map_err(|problem| problem.to_string())?;
    }
    Config::load([file, env, flag_values]).map(|(config, _)| config).map_err(|error| error.to_string())
}

fn refused(file: &str, message: &str) {
    assert_eq!(load(file, &[], &[]).unwrap_err(), message);
}

#[test]
fn identity_and_folder_are_all_that_has_to_be_said() {
    let config = load(MINIMAL, &[], &[]).unwrap();
    assert_eq!(config.listen.device.to_string(), "127.0.0.1:7401");
    assert_eq!(config.listen.admin.to_string(), "127.0.0.1:7501");
    assert_eq!(config.peer_addr(), "127.0.0.1:7601");
    assert_eq!(config.timing, tidegate_consensus::Timing::production());
    assert_eq!(config.retention, tidegate_consensus::Retention::production());
    assert_eq!(config.log_format, LogFormat::Text);
    refused("", "node.id: has to be set\nnode.data_dir: has to be set");
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = format!("{MINIMAL}[freshness]\nmax_staleness = \"6s\"\n[raft]\nheartbeat = \"90ms\"\n[log]\nlevel = \"warn\"\n");
    let env = [("TIDEGATE_FRESHNESS_MAX_STALENESS", "7s"), ("TIDEGATE_RAFT_HEARTBEAT", "80ms"), ("TIDEGATE_ENDPOINT", "x")];
    let config = load(&file, &env, &[("raft.heartbeat", "70ms")]).unwrap();
    assert_eq!(config.max_staleness.as_secs(), 7);
    assert_eq!(config.timing.heartbeat.as_millis(), 70);
    assert_eq!(config.log_level, "warn");
    assert_eq!(config.timing.election_min.as_millis(), 500);
}

#[test]
fn every_error_names_source_field_value_and_rule() {
    refused(&format!("{MINIMAL}nod.id = 2\n"), "node.toml:3: nod.id: no such setting; did you mean node.id?");
    refused(
        &format!("{MINIMAL}[lsten]\nadmin = \"x\"\n"),
        "node.toml:4: lsten.admin: no such setting; did you mean listen.admin?",
    );
    refused(&format!("{MINIMAL}[lsten]\n"), "node.toml:3: lsten: no such setting");
    refused(
        &format!("{MINIMAL}[listen]\nadmn = \"x\"\n"),
        "node.toml:4: listen.admn: no such setting; did you mean listen.admin?",
    );
    refused(
        &format!("{MINIMAL}[listen]\nadmin = \"localhost\"\n"),
        "node.toml:4: listen.admin = \"localhost\": must be ADDRESS:PORT with a numeric address, such as 127.0.0.1:7401",
    );
    refused(
        &format!("{MINIMAL}[freshness]\nmax_staleness = \"4s\"\n"),
        "node.toml:4: freshness.max_staleness = \"4s\": max_staleness 4s must be > 4 x election_max 1s",
    );
    refused(&format!("{MINIMAL}log.format = \"xml\"\n"), "node.toml:3: log.format = \"xml\": must be one of text, json");
    refused(&format!("{MINIMAL}insecure = 1.5\n"), "node.toml:3: insecure: must be a value, not float");
    assert_eq!(
        load(MINIMAL, &[("TIDEGATE_NODE_ID", "zero")], &[]).unwrap_err(),
        "TIDEGATE_NODE_ID: node.id = \"zero\": must be a whole number from 1 to 18446744073709551615"
    );
    assert_eq!(
        load(MINIMAL, &[], &[("storage.segment_bytes", "7")]).unwrap_err(),
        "--storage-segment-bytes: storage.segment_bytes = \"7\": must be a whole number from 1048576 to 1073741824"
    );
    assert!(load("node.id = \n", &[], &[]).unwrap_err().starts_with("node.toml:1: file: "));
}

#[test]
fn plain_text_stays_on_loopback_unless_asked_for() {
    let open = format!("{MINIMAL}listen.device = \"192.0.2.1:7401\"\n");
    refused(
        &open,
        "node.toml:3: listen.device = \"192.0.2.1:7401\": 192.0.2.1:7401 is not loopback: it needs TLS, or `insecure = true`",
    );
    assert!(load(&format!("{open}insecure = true\n"), &[], &[]).unwrap().insecure);
    let config = load(&format!("{open}tls.device.cert = \"c.pem\"\ntls.device.key = \"k.pem\"\n"), &[], &[]).unwrap();
    assert!(config.tls.device.is_some_and(|files| !files.is_client_required));
}

#[test]
fn certificates_come_with_keys_and_peers_with_authorities() {
    refused(
        &format!("{MINIMAL}tls.admin.cert = \"c.pem\"\n"),
        "node.toml:3: tls.admin.cert = \"c.pem\": needs tls.admin.key beside it",
    );
    refused(
        &format!("{MINIMAL}tls.peer.cert = \"c.pem\"\ntls.peer.key = \"k.pem\"\n"),
        "tls.peer.ca: has to be set: client certificates are required",
    );
    refused(
        &format!("{MINIMAL}tls.admin.client_ca = \"ca.pem\"\n"),
        "node.toml:3: tls.admin.client_ca = \"ca.pem\": needs tls.admin.cert and tls.admin.key",
    );
}

#[test]
fn addresses_must_be_reachable_and_distinct() {
    refused(
        &format!("{MINIMAL}insecure = true\nlisten.peer = \"0.0.0.0:7601\"\n"),
        "advertise.peer: has to be set when listening on 0.0.0.0:7601, which others cannot connect to",
    );
    refused(
        &format!("{MINIMAL}listen.peer = \"127.0.0.1:0\"\n"),
        "advertise.peer: has to be set when listening on 127.0.0.1:0, whose port the system chooses",
    );
    refused(
        &format!("{MINIMAL}listen.admin = \"127.0.0.1:7401\"\n"),
        "node.toml:3: listen.admin = \"127.0.0.1:7401\": 127.0.0.1:7401 must differ from listen.device 127.0.0.1:7401",
    );
    refused(
        "node.id = 100\nnode.data_dir = \"d\"\nlisten = {device = \"127.0.0.1:1\", admin = \"127.0.0.1:2\"}",
        "listen.peer: has to be set for node ids above 99",
    );
    refused(
        &format!("{MINIMAL}cluster.bootstrap = [\"127.0.0.1:9\"]\n"),
        "node.toml:3: cluster.bootstrap = \"127.0.0.1:9\": must name this node's own peer address 127.0.0.1:7601",
    );
    let env = [("TIDEGATE_CLUSTER_BOOTSTRAP", "127.0.0.1:7601, 127.0.0.1:7602,127.0.0.1:7603")];
    assert_eq!(load(MINIMAL, &env, &[]).unwrap().bootstrap.len(), 3);
}

#[test]
fn what_is_printed_reads_back_the_same() {
    let file = format!("{MINIMAL}log.level = \"info,tidegate_server=debug\"\ncluster.bootstrap = [\"127.0.0.1:7601\"]\n");
    let (config, merged) = Config::load([Fragment::from_toml("a.toml", &file).unwrap()]).unwrap();
    let printed = print_merged(&merged);
    let (again, _) = Config::load([Fragment::from_toml("b.toml", &printed).unwrap()]).unwrap();
    assert_eq!(config, again);
    assert!(printed.contains("node.id = 1  # a.toml:1"), "{printed}");
}

#[test]
fn the_table_has_no_ambiguous_names() {
    let mut flags: Vec<String> = SETTINGS.iter().map(Setting::flag).collect();
    flags.sort();
    flags.dedup();
    assert_eq!(flags.len(), SETTINGS.len());
    assert_eq!(Setting::find("tls.peer.ca").unwrap().env(), "TIDEGATE_TLS_PEER_CA");
    assert!(reference().contains("`--freshness-max-staleness`"));
}
