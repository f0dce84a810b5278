//! How long something takes to become ready, looked at every few milliseconds.

use std::time::{Duration, Instant};

use anyhow::bail;
use tidegate_harness::http::Device;

/// Pause between two looks: what a time of start-up may be too long by.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Waits until the listener at this address answers `/readyz` with 200.
pub async fn at(address: &str, patience: Duration) -> anyhow::Result<()> {
    let mut device = Device::new(address);
    until(patience, async || device.get("/readyz", Duration::from_millis(500)).await.is_ok_and(|answer| answer.status == 200))
        .await
}

/// Waits until it holds.
pub async fn until(patience: Duration, mut holds: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    while !holds().await {
        if began.elapsed() > patience {
            bail!("not within {patience:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
