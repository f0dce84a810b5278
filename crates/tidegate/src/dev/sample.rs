//! The sample: a phone product with two channels, a stop-over and a staged rollout in progress.
#![allow(clippy::print_stdout, reason = "this command talks to the person at the terminal")]

use tidegate_client::{Client, Consistency, Run};
use tidegate_manifest::Source;
use tidegate_model::{ObjectKind, ReleaseId, Transition, Verb};

use super::program;
use crate::exit::Outcome;

const MANIFESTS: &str = include_str!("../../sample/phone.yaml");
const RELEASE: &str = "stable-2.1.0";

/// Loads the sample into an empty cluster. False if the cluster has other data.
pub async fn load(client: &Client) -> Outcome<bool> {
    let products = client.list(ObjectKind::Product, None, Consistency::Linearizable).await?.value;
    if !products.is_empty() {
        return Ok(products.iter().any(|product| product.reference().id() == "phone-os"));
    }
    let source = Source { name: "sample/phone.yaml".to_owned(), text: MANIFESTS.to_owned() };
    let documents: Vec<_> = tidegate_manifest::parse(&[source])?.into_iter().map(|located| located.value).collect();
    client.apply(&documents, &client.request_id(), Run::Commit).await?;
    // Published, and past its first stage: the second one admits a tenth of the fleet.
    for verb in [Verb::Publish { supersede: false, insert_unphased: false }, Verb::Advance { domain: None }] {
        let transition = Transition {
            release: ReleaseId::new(RELEASE).map_err(|error| anyhow::anyhow!("{error}"))?,
            expected_version: None,
            reason: Some("sample".to_owned()),
            verb,
        };
        client.transition(&transition, &client.request_id()).await?;
    }
    Ok(true)
}

/// Prints three commands that work as they stand.
pub fn suggest(has_sample: bool, device: &str, endpoint: Option<&str>) -> anyhow::Result<()> {
    let program = match endpoint {
        Some(endpoint) => format!("{} --endpoint {endpoint}", program()),
        None => program(),
    };
    println!("\nTry (in another terminal, in this folder):");
    if has_sample {
        println!("  # a phone on 1.0.0 asks for an update: it has to pass through 1.5.0");
        println!(
            "  curl -s http://{device}/v1/check -d '{{\"product\":\"phone-os\",\"device\":\"dev-0007\",\"release\":\"stable-1.0.0\",\"attributes\":{{\"model\":\"akita\"}}}}'"
        );
        println!("  # what does a phone on 2.0.0 hear of the rollout in progress, and why?");
        println!("  {program} check --product phone-os --device dev-0007 --release stable-2.0.0 --attr model=akita --explain");
        println!("  # stop the rollout, everywhere, now");
        println!("  {program} rollout pause {RELEASE} --reason \"looks bad\"");
    } else {
        println!("  curl -s http://{device}/v1/snapshot");
        println!("  {program} cluster status");
        println!("  {program} get product");
    }
    println!("\nCtrl-C stops the cluster; its data stays.");
    Ok(())
}
