//! Who asks for something and goes away.

use std::future::poll_fn;
use std::task::Poll;

/// More turns than any request takes.
const ALL: usize = 200;

/// Lets a request go after so many turns; what goes on without it comes to its end. Whether it had
/// been answered.
///
/// # Panics
/// If these are more turns than any request takes, so that whoever counts up to an answer ends.
pub(crate) async fn let_go<T>(request: impl Future<Output = T>, turns: usize) -> bool {
    assert!(turns < ALL, "no answer");
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
    for _ in 0..ALL {
        tokio::task::yield_now().await;
    }
    is_answered
}
