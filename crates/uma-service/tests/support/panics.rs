//! Requests that panic.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

/// Whether a request ends with a panic, which a server would catch.
pub(crate) async fn panics<T>(request: impl Future<Output = T>) -> bool {
    let mut request = Box::pin(request);
    poll_fn(|task| match catch_unwind(AssertUnwindSafe(|| request.as_mut().poll(task))) {
        Ok(turn) => turn.map(|_| false),
        Err(_) => Poll::Ready(true),
    })
    .await
}
