//! `cluster`: membership, settings, tokens, comparison of nodes. Backups and new epochs have files of their own.

use sha2::{Digest as _, Sha256};
use tidegate_client::admin::v1 as admin;
use tidegate_client::{Client, Consistency};
use tidegate_manifest::print::Value;
use tidegate_model::{Digest, Principal, Role, SettingsChange};
use tidegate_platform::{OsRandom, Random as _};

use super::{backup, new_epoch};
use crate::cli::{Cluster, Output, Token};
use crate::exit::{Failure, Outcome};
use crate::output::{map, note, number, print, print_documents, signed, text};

/// Runs a cluster command.
pub async fn cluster(client: &Client, output: Output, command: &Cluster) -> Outcome {
    match command {
        Cluster::Init { peers } => {
            let answer = client.cluster_init(peers).await?;
            print_members(output, &answer.members);
        }
        Cluster::Join { peer } => {
            let answer = client.cluster_join(peer).await?;
            print_members(output, answer.member.as_slice());
        }
        Cluster::AddLearner { peer } => {
            let answer = client.cluster_add_learner(peer).await?;
            print_members(output, answer.member.as_slice());
        }
        Cluster::Promote { node } => {
            client.cluster_promote(*node).await?;
            note(format!("node {node} votes"));
        }
        Cluster::Remove { node } => {
            client.cluster_remove(*node).await?;
            note(format!("node {node} is no member any more; its id is never used again"));
        }
        Cluster::TransferLeader { to } => {
            let leader = client.cluster_transfer_leader(*to).await?;
            note(format!("node {leader} leads"));
        }
        Cluster::Status => status(client, output).await?,
        Cluster::Settings { changes } => settings(client, output, changes).await?,
        Cluster::Verify => verify(client, output).await?,
        Cluster::Token(command) => token(client, output, command).await?,
        Cluster::Backup { file, .. } => backup::backup(client, output, file).await?,
        Cluster::Restore(arguments) => new_epoch::restore(output, arguments)?,
        Cluster::Recover(arguments) => new_epoch::recover(output, arguments)?,
    }
    Ok(())
}

async fn status(client: &Client, output: Output) -> Outcome {
    let status = client.cluster_status().await?;
    if output == Output::Table {
        print_members(output, &status.members);
        note(format!(
            "node {} answers: leader {}, term {}, applied {}, config version {}, staleness {}",
            status.node,
            status.leader.map_or("unknown".to_owned(), |id| id.to_string()),
            status.term,
            status.applied_index,
            status.config_version,
            status.staleness_ms.map_or("unknown".to_owned(), |ms| format!("{ms} ms")),
        ));
        alarms(&status).iter().for_each(|alarm| note(format!("ALARM: {alarm}")));
        return Ok(());
    }
    let value = map([
        ("node", number(Some(status.node))),
        ("cluster_id", text(&status.cluster_id)),
        ("epoch", number(Some(status.epoch))),
        ("term", number(Some(status.term))),
        ("leader", number(status.leader)),
        ("role", text(role_name(status.role()))),
        ("last_index", number(Some(status.last_index))),
        ("committed_index", number(Some(status.committed_index))),
        ("applied_index", number(Some(status.applied_index))),
        ("snapshot_index", number(Some(status.snapshot_index))),
        ("config_version", number(Some(status.config_version))),
        ("digest", text(&status.digest)),
        ("staleness_ms", number(status.staleness_ms)),
        ("ready", Value::Bool(status.ready)),
        ("disk_low", Value::Bool(status.is_disk_low)),
        ("clock_ahead_ms", signed(status.clock_ahead_ms)),
        ("build", text(&status.build)),
        ("alarms", Value::List(alarms(&status).into_iter().map(Value::text).collect())),
        ("members", Value::List(status.members.iter().map(member).collect())),
    ]);
    print(output, &value, &[]);
    Ok(())
}

/// What somebody must look at, in words; the pages of the runbook say what to do.
fn alarms(status: &admin::GetStatusResponse) -> Vec<String> {
    let node = status.node;
    let diverged =
        status.has_diverged.then(|| format!("node {node} has diverged and serves nothing: docs/runbook/divergence-alarm.md"));
    let poison = Some(&status.poison).filter(|reason| !reason.is_empty()).map(|reason| format!("node {node} stops: {reason}"));
    let disk = status
        .is_disk_low
        .then(|| format!("node {node} is nearly out of disk, only emergency writes are taken: docs/runbook/disk-full.md"));
    let clock = status
        .clock_ahead_ms
        .map(|ms| format!("the clock of node {node} is {ms} ms ahead of the others: docs/runbook/clock-wrong.md"));
    [diverged, poison, disk, clock].into_iter().flatten().collect()
}

fn role_name(role: admin::NodeRole) -> &'static str {
    match role {
        admin::NodeRole::Unspecified => "",
        admin::NodeRole::Leader => "leader",
        admin::NodeRole::Follower => "follower",
        admin::NodeRole::Candidate => "candidate",
        admin::NodeRole::Learner => "learner",
        admin::NodeRole::Stopped => "stopped",
    }
}

fn member(member: &admin::Member) -> Value {
    let kind = match member.kind() {
        admin::MemberKind::Unspecified => "",
        admin::MemberKind::Voter => "voter",
        admin::MemberKind::Learner => "learner",
    };
    map([
        ("id", number(Some(member.id))),
        ("kind", text(kind)),
        ("device", text(&member.device_addr)),
        ("admin", text(&member.admin_addr)),
        ("peer", text(&member.peer_addr)),
        ("matched_index", number(member.matched_index)),
        ("lag", number(member.lag)),
        ("heard_ago_ms", number(member.heard_ago_ms)),
        ("wall_offset_ms", signed(member.wall_offset_ms)),
        ("supported_version", number(member.supported_version.map(u64::from))),
    ])
}

fn print_members(output: Output, members: &[admin::Member]) {
    let columns = [
        ("node", "id"),
        ("kind", "kind"),
        ("device", "device"),
        ("admin", "admin"),
        ("peer", "peer"),
        ("lag", "lag"),
        ("heard ms ago", "heard_ago_ms"),
        ("clock offset ms", "wall_offset_ms"),
    ];
    print_documents(output, members.iter().map(member).collect(), &columns);
}

async fn settings(client: &Client, output: Output, changes: &[String]) -> Outcome {
    if !changes.is_empty() {
        let answer = client.cluster_update_settings(&settings_change(changes)?, &client.request_id()).await?;
        note(format!("settings are at version {} from config version {} on", answer.version, answer.config_version));
    }
    let settings = client.cluster_settings(Consistency::Linearizable).await?.settings.unwrap_or_default();
    let value = map([
        ("history_versions_max", number(Some(u64::from(settings.history_versions_max)))),
        ("audit_records_max", number(Some(settings.audit_records_max))),
        ("cluster_version", number(Some(u64::from(settings.cluster_version)))),
        ("version", number(Some(settings.version))),
    ]);
    let columns = [
        ("history versions", "history_versions_max"),
        ("audit records", "audit_records_max"),
        ("cluster version", "cluster_version"),
        ("rev", "version"),
    ];
    print(output, &value, &columns);
    Ok(())
}

fn settings_change(pairs: &[String]) -> Outcome<SettingsChange> {
    let mut change = SettingsChange::default();
    for pair in pairs {
        let bad = |rule: &str| Failure::usage(format!("settings: {pair:?} {rule}"));
        let (key, value) = pair.split_once('=').ok_or_else(|| bad("must be KEY=VALUE"))?;
        let value: u64 = value.parse().map_err(|_| bad("must have a whole number"))?;
        let small = || u32::try_from(value).map_err(|_| bad("must be below 2^32"));
        match key {
            "history_versions_max" => change.history_versions_max = Some(small()?),
            "audit_records_max" => change.audit_records_max = Some(value),
            "cluster_version" => change.cluster_version = Some(small()?),
            "expected_version" => change.expected_version = Some(value),
            _ => return Err(bad("must name history_versions_max, audit_records_max, cluster_version or expected_version")),
        }
    }
    Ok(change)
}

async fn verify(client: &Client, output: Output) -> Outcome {
    let answer = client.cluster_verify().await?;
    let nodes = answer
        .nodes
        .iter()
        .map(|node| {
            map([
                ("node", number(Some(node.node))),
                ("config_version", number(Some(node.config_version))),
                ("digest", text(&node.digest)),
                ("error", text(&node.error)),
            ])
        })
        .collect();
    let columns = [("node", "node"), ("config version", "config_version"), ("digest", "digest"), ("error", "error")];
    print_documents(output, nodes, &columns);
    if answer.agree { Ok(()) } else { Err(Failure::Refused("DIVERGED: nodes differ, or could not be compared".to_owned())) }
}

#[allow(clippy::print_stdout, reason = "the secret is the data of `token create`")]
async fn token(client: &Client, output: Output, command: &Token) -> Outcome {
    let principal = |name: &str| Principal::new(name).map_err(|error| Failure::usage(error.at("name")));
    match command {
        Token::Create { name, role } => {
            let role = match role.as_str() {
                "read" => Role::Read,
                "operate" => Role::Operate,
                "admin" => Role::Admin,
                other => return Err(Failure::usage(format!("role: {other:?} must be read, operate or admin"))),
            };
            let secret = draw_secret();
            client
                .put_token(&principal(name)?, role, &Digest(Sha256::digest(secret.as_bytes()).into()), &client.request_id())
                .await?;
            note("keep it in a file and name that with --token-file; it is not shown again");
            println!("{secret}");
        }
        Token::Revoke { name } => {
            client.revoke_token(&principal(name)?, &client.request_id()).await?;
            note(format!("token {name} is of no use any more"));
        }
        Token::List => {
            let tokens = client.tokens().await?.tokens;
            let values = tokens
                .iter()
                .map(|token| {
                    let role = format!("{:?}", token.role()).to_lowercase();
                    map([("name", text(&token.name)), ("role", text(role)), ("version", number(Some(token.version)))])
                })
                .collect();
            print_documents(output, values, &[("name", "name"), ("role", "role"), ("rev", "version")]);
        }
    }
    Ok(())
}

/// 256 random bits behind a prefix that secret scanners can know.
fn draw_secret() -> String {
    let mut bytes = [0; 32];
    OsRandom.fill(&mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("tidegate_{hex}")
}
