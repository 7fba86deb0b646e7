//! Who asks for something and goes away, or is slow.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// More turns than any request takes.
const ALL: usize = 200;

/// Lets a request go on for so many turns: its answer, if there is one by then.
///
/// # Panics
/// If these are more turns than any request takes, so that whoever counts up to an answer ends.
pub async fn go_on<T>(mut request: Pin<&mut impl Future<Output = T>>, turns: usize) -> Option<T> {
    assert!(turns < ALL, "no answer");
    for _ in 0..turns {
        let turn = poll_fn(|task| Poll::Ready(request.as_mut().poll(task))).await;
        if let Poll::Ready(answer) = turn {
            return Some(answer);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Lets a request go after so many turns; what goes on without it comes to its end. Whether it had
/// been answered.
///
/// ```
/// use countersign_testkit::gone::let_go;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// assert!(!let_go(tokio::task::yield_now(), 1).await);
/// assert!(let_go(tokio::task::yield_now(), 2).await);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// As [`go_on`] does.
pub async fn let_go<T>(request: impl Future<Output = T>, turns: usize) -> bool {
    let mut request = Box::pin(request);
    let is_answered = go_on(request.as_mut(), turns).await.is_some();
    drop(request);
    for _ in 0..ALL {
        tokio::task::yield_now().await;
    }
    is_answered
}
