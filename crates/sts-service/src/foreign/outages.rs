//! An endpoint of an issuer that fails is left alone for a moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_types::digest::Digest;
use countersign_types::secret::AccessToken;
use countersign_types::{Clock, Lifetime, Timestamp};
use http::StatusCode;

use super::IssuerError;

/// For so many seconds after a failure the server is left alone, so that those who wait for it do
/// not each wait for as long as the first.
pub(crate) const LEFT_ALONE: Lifetime = Lifetime::from_secs(5);

/// So many tokens are remembered at a time. Anybody can make some up.
const MOST_TOKENS: usize = 1_000;

/// When questions with tokens, or about them, are not worth asking at one endpoint just now.
/// Answers are not kept here: every question that gets one is asked.
pub(crate) struct Outages {
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The endpoint as a whole is left alone until then.
    server: Option<Timestamp>,
    /// About these tokens nothing is asked until then: it failed over them, and whoever made one up
    /// for that keeps nobody else out.
    tokens: HashMap<Digest, Timestamp>,
}

/// Whether the server would fail for anybody, and not for this question alone.
pub(crate) fn is_down(failed: &IssuerError) -> bool {
    match failed {
        IssuerError::Fetch { source, .. } => source.is_temporary(),
        IssuerError::Refused { status, .. } => matches!(
            *status,
            StatusCode::UNAUTHORIZED
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        ),
        _ => false,
    }
}

/// Whether a moment is still to come. One that is further away than any that was set was set before
/// the clock was put back.
fn is_ahead(until: Timestamp, now: Timestamp) -> bool {
    until > now && until <= now.after(LEFT_ALONE)
}

impl Outages {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: Mutex::default() }
    }

    /// Asks with a token, or about one, unless that failed a moment ago. When the moment is over,
    /// the first who comes asks, and the others wait for no server that is still away.
    pub(crate) async fn ask<T>(
        &self,
        token: &AccessToken,
        question: impl Future<Output = Result<T, IssuerError>>,
    ) -> Result<T, IssuerError> {
        let digest = token.digest();
        self.begin(&digest)?;
        let answer = question.await;
        self.end(digest, answer.as_ref().err());
        answer
    }

    fn begin(&self, token: &Digest) -> Result<(), IssuerError> {
        let now = self.clock.now();
        let mut known = self.known();
        let about = [known.server, known.tokens.get(token).copied()];
        if about.into_iter().flatten().any(|until| is_ahead(until, now)) {
            return Err(IssuerError::LeftAlone);
        }
        if known.server.is_some() {
            known.server = Some(now.after(LEFT_ALONE));
        }
        Ok(())
    }

    fn end(&self, token: Digest, failed: Option<&IssuerError>) {
        let now = self.clock.now();
        let until = now.after(LEFT_ALONE);
        let mut known = self.known();
        known.server = failed.is_some_and(is_down).then_some(until);
        match failed {
            None => drop(known.tokens.remove(&token)),
            Some(_) if known.server.is_some() => {}
            Some(_) => {
                if known.tokens.len() >= MOST_TOKENS {
                    known.tokens.retain(|_, until| is_ahead(*until, now));
                }
                if known.tokens.len() < MOST_TOKENS {
                    known.tokens.insert(token, until);
                }
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change is one step: there is nothing that a panic could leave half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::task::{Context, Waker};

    use countersign_fetch::FetchError;

    use super::*;

    #[derive(Default)]
    struct Later(AtomicI64);

    impl Clock for Later {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix(self.0.load(Ordering::Relaxed))
        }
    }

    struct Bed {
        clock: Arc<Later>,
        outages: Outages,
    }

    fn bed() -> Bed {
        let clock = Arc::new(Later::default());
        Bed { outages: Outages::new(Arc::clone(&clock) as Arc<dyn Clock>), clock }
    }

    impl Bed {
        /// Whether the question was asked.
        async fn asks(&self, token: &str, answer: Result<(), IssuerError>) -> bool {
            let answer = self.outages.ask(&AccessToken::new(token), ready(answer)).await;
            !matches!(answer, Err(IssuerError::LeftAlone))
        }

        fn advance(&self, seconds: i64) {
            self.clock.0.fetch_add(seconds, Ordering::Relaxed);
        }
    }

    fn away() -> Result<(), IssuerError> {
        Err(IssuerError::Fetch { endpoint: "e", source: FetchError::Timeout })
    }

    fn status(status: StatusCode) -> Result<(), IssuerError> {
        Err(IssuerError::Refused { endpoint: "e", status })
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_asked_once_a_moment() {
        for failed in [
            away,
            || status(StatusCode::UNAUTHORIZED),
            || status(StatusCode::REQUEST_TIMEOUT),
            || status(StatusCode::TOO_MANY_REQUESTS),
            || status(StatusCode::SERVICE_UNAVAILABLE),
        ] {
            let bed = bed();
            for _ in 0..3 {
                assert!(bed.asks("a", failed()).await);
                assert!(!bed.asks("a", failed()).await);
                assert!(!bed.asks("b", Ok(())).await);
                bed.advance(4);
                assert!(!bed.asks("b", Ok(())).await);
                bed.advance(1);
            }
            assert!(bed.asks("a", Ok(())).await);
            assert!(bed.asks("b", Ok(())).await, "it is back");
        }
    }

    #[tokio::test]
    async fn while_one_finds_out_whether_it_is_back_nobody_else_waits() {
        let bed = bed();
        assert!(bed.asks("a", away()).await);
        bed.advance(5);
        let token = AccessToken::new("a");
        let mut first = Box::pin(bed.outages.ask(&token, pending::<Result<(), _>>()));
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(!bed.asks("b", Ok(())).await);
        // Whoever found out may have gone away.
        drop(first);
        bed.advance(5);
        assert!(bed.asks("b", Ok(())).await);
    }

    #[tokio::test]
    async fn what_it_fails_over_keeps_nobody_else_out() {
        let bed = bed();
        for failed in [status(StatusCode::INTERNAL_SERVER_ERROR), Err(IssuerError::Malformed("e"))]
        {
            assert!(bed.asks("made up", failed).await);
            assert!(!bed.asks("made up", Ok(())).await);
            assert!(bed.asks("a", Ok(())).await);
            bed.advance(5);
        }
        assert!(bed.asks("made up", Ok(())).await);
        assert!(bed.asks("made up", Ok(())).await);
    }

    #[tokio::test]
    async fn what_is_remembered_has_an_end() {
        let bed = bed();
        for index in 0..MOST_TOKENS + 2 {
            assert!(bed.asks(&index.to_string(), Err(IssuerError::Malformed("e"))).await);
        }
        assert_eq!(bed.outages.known().tokens.len(), MOST_TOKENS);
        bed.advance(5);
        assert!(bed.asks("another", Err(IssuerError::Malformed("e"))).await);
        assert_eq!(bed.outages.known().tokens.len(), 1);
    }

    #[tokio::test]
    async fn a_clock_that_is_put_back_keeps_nobody_out() {
        let bed = bed();
        assert!(bed.asks("a", away()).await);
        bed.advance(-3_600);
        assert!(bed.asks("a", Ok(())).await);
    }
}
