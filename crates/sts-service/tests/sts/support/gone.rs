//! Who asks for something and goes away.

use std::future::poll_fn;
use std::task::Poll;

/// Lets a request go after so many turns; what goes on without it comes to its end. Whether it had
/// been answered.
pub(crate) async fn let_go<T>(request: impl Future<Output = T>, turns: usize) -> bool {
    let mut request = Box::pin(request);
    let mut is_answered = false;
    for _ in 0..turns {
        is_answered = poll_fn(|task| Poll::Ready(request.as_mut().poll(task).is_ready())).await;
        if is_answered {
            break;
        }
        tokio::task::yield_now().await;
    }
    drop(request);
    // More turns than any request takes.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    is_answered
}
