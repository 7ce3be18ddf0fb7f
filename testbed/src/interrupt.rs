//! Ctrl-C as an orderly end: the owner of a mesh drops it, instead of dying with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::server::runtime;

/// From now on SIGINT and SIGTERM do not end this process but set the flag that this gives.
pub fn catch() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let runtime = runtime()?;
    let _entered = runtime.enter();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind).context("catching Ctrl-C")?;
        let flag = Arc::clone(&flag);
        runtime.spawn(async move {
            while signals.recv().await.is_some() {
                flag.store(true, Ordering::Relaxed);
            }
        });
    }
    Ok(flag)
}
