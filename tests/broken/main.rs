//! A node that is broken on purpose: its freshness never expires. Tests start it in place of the product, to prove that
//! their oracle would notice. Takes one argument: the configuration file. Stops with its standard input.

use std::io::Read as _;

use anyhow::Context as _;
use tidegate_consensus::freshness::Sabotage;
use tidegate_platform::Platform;
use tidegate_server::{Config, Fragment, Node, logging};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).context("the configuration file is missing")?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let file = Fragment::from_toml(&path, &text).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let (config, _) = Config::load([file])?;
    logging::start(&config);
    let node = Node::start_sabotaged(config, Platform::system(), Sabotage::NeverExpires).await?;
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::io::stdin().lock().read_to_end(&mut Vec::new()).ok();
        ended.send(()).ok();
    });
    end.await.ok();
    node.shutdown().await;
    Ok(())
}
