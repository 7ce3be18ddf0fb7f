//! Bodies and trailers: read, rewritten, held, in both directions.

use crate::Probe;
use palisade_sdk::{Reply, Request};

/// Counts the pieces and bytes of a request's body as they pass.
pub(crate) async fn read(request: Request<Probe>) -> Result<(), Reply> {
    let (mut pieces, mut bytes) = (0_u32, 0_usize);
    let mut body = request.into_body();
    while let Some(chunk) = body.chunk().await? {
        pieces = pieces.saturating_add(1);
        bytes = bytes.saturating_add(chunk.bytes()?.len());
    }
    let mut response = body.response().await;
    response.set_header("x-probe-pieces", pieces.to_string())?;
    response.set_header("x-probe-bytes", bytes.to_string())?;
    Ok(())
}

/// Makes a request's body longer, piece by piece: with `content-length` left in place this would be smuggling.
pub(crate) async fn rewrite(request: Request<Probe>) -> Result<(), Reply> {
    let mut body = request.rewrite_body()?;
    while let Some(mut chunk) = body.chunk().await? {
        let doubled = chunk.bytes()?.repeat(2);
        chunk.replace(&doubled)?;
    }
    Ok(())
}

/// Replaces a request's body as a whole, by its length and its content in reverse.
pub(crate) async fn whole(request: Request<Probe>) -> Result<(), Reply> {
    let mut body = request.rewrite_body()?;
    if let Some(mut whole) = body.whole(1024 * 1024).await? {
        let mut bytes = whole.bytes()?;
        bytes.reverse();
        let text = [format!("{}:", bytes.len()).as_bytes(), &bytes].concat();
        whole.replace(&text)?;
    }
    Ok(())
}

/// Keeps every piece until the last, which holds them all.
pub(crate) async fn keep(request: Request<Probe>) -> Result<(), Reply> {
    let mut body = request.rewrite_body()?;
    while let Some(mut chunk) = body.chunk().await? {
        if chunk.is_last() {
            let text = [b"<", chunk.bytes()?.as_slice(), b">"].concat();
            chunk.replace(&text)?;
        } else {
            chunk.keep();
        }
    }
    Ok(())
}

pub(crate) async fn too_long(request: Request<Probe>) -> Result<(), Reply> {
    request.into_body().whole(10).await?;
    Ok(())
}

/// Doubles each piece of a response's body.
pub(crate) async fn rewrite_response(request: Request<Probe>) -> Result<(), Reply> {
    let mut body = request.response().await.rewrite_body()?;
    while let Some(mut chunk) = body.chunk().await? {
        let doubled = chunk.bytes()?.repeat(2);
        chunk.replace(&doubled)?;
    }
    Ok(())
}

pub(crate) async fn whole_response(request: Request<Probe>) -> Result<(), Reply> {
    let mut body = request.response().await.rewrite_body()?;
    if let Some(mut whole) = body.whole(1024 * 1024).await? {
        let text = format!("{} bytes", whole.bytes()?.len());
        whole.replace(text.as_bytes())?;
    }
    Ok(())
}

/// Changes the trailers of the request and of the response.
pub(crate) async fn trailers(request: Request<Probe>) -> Result<(), Reply> {
    let response = match request.into_body().trailers().await? {
        Some(mut trailers) => {
            let count = trailers.fields()?.len();
            trailers.set("x-probe-request", count.to_string())?;
            trailers.remove("x-removed")?;
            trailers.response().await
        }
        None => return Ok(()),
    };
    if let Some(mut trailers) = response.into_body().trailers().await? {
        trailers.set("x-probe-response", "seen")?;
    }
    Ok(())
}
