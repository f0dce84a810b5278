//! A small product for tests: two releases, everybody on the first is offered the second.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::wait;
use tidegate_client::{Client, Options};
use tidegate_platform::{Platform, TcpNetwork};

/// Release that devices of the fleet run.
pub const OLD: &str = "r0";
/// Release that they are offered.
pub const NEW: &str = "r1";

/// The product, its cohort and both releases.
pub const MANIFEST: &str = "
kind: product
id: app
default_cohort: stable
allow_unregistered: true
version_scheme: semver
---
{kind: cohort, id: stable, product: app}
---
{kind: bundle, id: b0, product: app, version: 1.0.0}
---
{kind: bundle, id: b1, product: app, version: 1.1.0}
---
{kind: release, id: r0, product: app, cohort: stable, bundle: b0, version: 1.0.0, adopt: completed}
---
{kind: release, id: r1, product: app, cohort: stable, bundle: b1, version: 1.1.0, previous: [r0]}
";

/// Applies the product and publishes its second release.
pub async fn load(cluster: &Cluster) {
    cluster.apply(MANIFEST).await;
    cluster.run(&["rollout", "publish", NEW]).await;
}

/// Waits until all nodes have the same digest. A node that still holds a connection to one that was away needs a moment to
/// ask it again.
pub async fn agree(cluster: &Cluster) {
    wait::until("all nodes agree", Duration::from_secs(60), || async {
        (cluster.try_run(&["cluster", "verify"]).await.0 == Some(0)).then_some(())
    })
    .await;
}

/// What a device of the fleet asks.
pub fn request(device: &str) -> serde_json::Value {
    crate::cluster::check_request("app", device, OLD)
}

/// A client of these nodes.
pub fn client(cluster: &Cluster, nodes: &[usize], deadline: Duration) -> Client {
    let endpoints: Vec<String> = nodes.iter().map(|index| format!("http://{}", cluster.nodes[*index].addresses.admin)).collect();
    let mut options = Options::new(&endpoints).expect("addresses of the harness are endpoints");
    options.deadline = deadline;
    Client::new(options, &Platform::system(), Arc::new(TcpNetwork))
}
