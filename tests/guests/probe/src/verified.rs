//! Verified bodies: read while their headers are held, so that nothing of a refused request goes on.

use crate::Probe;
use palisade_sdk::{Reply, Request};
use std::time::Duration;

const LIMIT: usize = 64 * 1024;

impl Probe {
    /// What a path `/verified/<step>/...` asks for, step by step: `body` refuses one with `evil` in it and tells the
    /// upstream its length, `call` waits for a callout, `short` and `late` read it under narrow limits, `wrap` puts it in
    /// angle brackets.
    pub(crate) async fn verified(&self, mut request: Request<Self>, path: &str) -> Result<(), Reply> {
        for step in path.split('?').next().unwrap_or_default().split('/').skip(2) {
            match step {
                "body" => {
                    let body = request.body(LIMIT, Duration::from_secs(15)).await?;
                    if String::from_utf8_lossy(&body).contains("evil") {
                        return Err(Reply::new(403, "probe_evil"));
                    }
                    request.set_header("x-probe-verified", body.len().to_string())?;
                }
                "call" => {
                    let call = request.handle().http_call(&self.config.callouts).header(":path", "/pause")?;
                    let _ = call.timeout(Duration::from_secs(10)).send().await;
                }
                "short" => drop(request.body(10, Duration::from_secs(15)).await?),
                "late" => drop(request.body(LIMIT, Duration::from_millis(300)).await?),
                _ => {
                    let mut body = request.rewrite_body()?;
                    if let Some(mut whole) = body.whole(LIMIT).await? {
                        let wrapped = [b"<", whole.bytes()?.as_slice(), b">"].concat();
                        whole.replace(&wrapped)?;
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
