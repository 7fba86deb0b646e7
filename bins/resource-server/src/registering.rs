//! Registering what is protected at the authorization server, while requests are served already.

use std::iter::successors;
use std::sync::Arc;
use std::time::Duration;

use countersign_resource::ResourceServer;

/// After the first attempt that failed.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// However many failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Registers what is protected, and deregisters what is configured no more. What does not succeed
/// is tried again until it does, so that owners can share beforehand, whichever server starts
/// first.
pub(crate) async fn register(server: Arc<ResourceServer>) {
    until_done(pauses(), || registered(Arc::clone(&server))).await;
    until_done(pauses(), || deregistered(Arc::clone(&server))).await;
}

async fn registered(server: Arc<ResourceServer>) -> bool {
    let result = server.register().await;
    match &result {
        Ok(()) => tracing::info!("all resources are registered"),
        Err(error) => {
            let error: &dyn std::error::Error = error.as_ref();
            tracing::warn!(error, "the resources are not registered yet");
        }
    }
    result.is_ok()
}

async fn deregistered(server: Arc<ResourceServer>) -> bool {
    let result = server.deregister_others().await;
    if let Err(error) = &result {
        let error: &dyn std::error::Error = error.as_ref();
        tracing::warn!(error, "what is configured no more is still registered");
    }
    result.is_ok()
}

/// Each twice as long as the one before.
fn pauses() -> impl Iterator<Item = Duration> {
    successors(Some(FIRST_PAUSE), |pause| Some((*pause * 2).min(LONGEST_PAUSE)))
}

async fn until_done<F>(mut pauses: impl Iterator<Item = Duration>, mut attempt: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    while !attempt().await {
        let Some(pause) = pauses.next() else { return };
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_fails_is_tried_again_until_it_succeeds() {
        let mut attempts = 0;
        let succeeds_at_last = || {
            attempts += 1;
            std::future::ready(attempts == 4)
        };
        until_done(std::iter::repeat(Duration::ZERO), succeeds_at_last).await;
        assert_eq!(attempts, 4);
    }

    #[test]
    fn the_pauses_grow_to_a_minute_and_never_end() {
        let pauses: Vec<u64> = pauses().take(9).map(|pause| pause.as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }
}
