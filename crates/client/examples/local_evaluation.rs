//! Decides update checks in this process, from a snapshot fetched once: no call per check, the same answers as a node's.
//!
//! ```sh
//! cargo run -p tidegate-client --example local_evaluation -- http://127.0.0.1:7501 phone-os dev-0001 1.0.0
//! ```
//!
//! A snapshot holds the salts of all rollouts: whoever has it can compute in advance which devices a share will admit.
//! Fetch it into services that you run, never into devices.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use tidegate_client::eligibility::Request;
use tidegate_client::{Client, Options};
use tidegate_model::ProductId;
use tidegate_platform::Platform;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, product, device, version] = arguments.as_slice() else {
        return Err("usage: local_evaluation ENDPOINT PRODUCT DEVICE VERSION".into());
    };

    let platform = Platform::system();
    let client = Client::new(Options::new(&[endpoint])?, &platform, platform.network.clone());
    let local = client.snapshot(&[ProductId::new(product)?]).await?;

    // Decide first, then read the clock: a stop in between makes the answer older, never falsely fresh.
    let now = local.decision_time(platform.clock.wall_ms(), platform.clock.boot());
    let request = Request { product, device: Some(device.as_str()), version: Some(version.as_str()), ..Request::default() };
    let decision = local.decide(&request, now);
    let staleness = local.staleness(platform.clock.boot());

    let target = decision.target.and_then(|target| target.release).map_or("nothing", |release| release.as_str());
    println!("{device} on {version} hears {}: {target}", decision.reason);
    println!("config version {}, at most {staleness:?} old", decision.config_version);
    Ok(())
}
