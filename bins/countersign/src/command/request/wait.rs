//! A request waits for the resource owner.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_client::{ClientError, Pending, Subject, SubjectToken};
use countersign_fetch::request::BoxFuture;
use countersign_types::{Clock, Issuer};

use crate::failure::{Code, client_code};
use crate::output::{Output, Progress};
use crate::session::Sessions;

/// How long to wait between two polls where the server does not say.
const INTERVAL: Duration = Duration::from_secs(5);

/// Goes on with a request for as long as its answer is that the owner is asked, and no longer than
/// `patience`. `resume` asks how it stands, `sleep` waits. What the owner was asked stands at the
/// server, so that a server that is away for a while, as in a restart, is asked again.
pub(super) async fn until_answered<R>(
    first: Result<R, ClientError>,
    patience: Duration,
    out: Output,
    mut resume: impl AsyncFnMut(Pending) -> Result<R, ClientError>,
    mut sleep: impl AsyncFnMut(Duration),
) -> Result<R, ClientError> {
    let (mut answer, mut waited) = (first, Duration::ZERO);
    let mut progress = Progress::new(out);
    let mut before = None;
    loop {
        let (pending, is_away) = match (&answer, before.take()) {
            (Err(ClientError::Submitted(pending)), _) => (Pending::clone(pending), false),
            (Err(error), Some(pending)) if can_be_asked_again(error) => (pending, true),
            _ => return answer,
        };
        let named = pending.interval.map(|seconds| Duration::from_secs(seconds.into()));
        // Whoever names no time, or none at all, is asked every few seconds all the same.
        let interval = named.filter(|interval| !interval.is_zero()).unwrap_or(INTERVAL);
        if waited.saturating_add(interval) > patience {
            return answer;
        }
        progress.say(&format!(
            "{} {} the owner of {}: waiting for {} s so far (Ctrl-C ends the waiting alone)",
            pending.as_uri,
            if is_away { "cannot be asked just now about" } else { "asks" },
            pending.resource,
            waited.as_secs(),
        ));
        sleep(interval).await;
        waited = waited.saturating_add(interval);
        answer = resume(pending.clone()).await;
        before = Some(pending);
    }
}

/// Whether an attempt ended at a server that gave no answer, before the resource server had the
/// request with a token. A request whose own answer was lost is not sent again: it may have left
/// its message.
fn can_be_asked_again(error: &ClientError) -> bool {
    let is_of_the_request = matches!(error, ClientError::Fetch { .. });
    !is_of_the_request && client_code(error) == Code::Unavailable
}

/// The session as it is in its file: one that ends while a request waits is another one after
/// `countersign login` at another terminal.
pub(super) struct SavedSession {
    pub(super) path: PathBuf,
    pub(super) issuer: Issuer,
    pub(super) clock: Arc<dyn Clock>,
}

impl SubjectToken for SavedSession {
    fn subject_token(&self) -> BoxFuture<'_, Result<Subject, Box<dyn Error + Send + Sync>>> {
        let sessions = Sessions::load(&self.path);
        let found = sessions.and_then(|sessions| {
            let session = sessions.live(&self.issuer, self.clock.now());
            session.map(crate::session::Session::subject)
        });
        Box::pin(std::future::ready(found.map_err(|failure| failure.line().into())))
    }
}

#[cfg(test)]
mod tests {
    use countersign_client::Person;
    use countersign_client::token_endpoint::TokenError;
    use countersign_fetch::FetchError;
    use countersign_types::{ClientId, ResourceIdentifier, Timestamp};
    use http::StatusCode;

    use super::*;
    use crate::session::Session;

    fn submitted(interval: Option<u32>) -> Result<&'static str, ClientError> {
        Err(ClientError::Submitted(Box::new(Pending {
            as_uri: Issuer::parse("https://uma.example").unwrap(),
            resource: ResourceIdentifier::parse("https://rs.example").unwrap(),
            person: Person::Subject("alice".to_owned()),
            ticket: None,
            interval,
        })))
    }

    /// Runs with these intervals before the answer; gives it, and the seconds that were waited.
    async fn check(
        intervals: &[Option<u32>],
        patience: u64,
    ) -> (Result<&'static str, ClientError>, Vec<u64>) {
        let mut answers = intervals.iter().map(|interval| submitted(*interval));
        let first = answers.next().unwrap_or(Ok("data"));
        let mut waited = Vec::new();
        let answer = until_answered(
            first,
            Duration::from_secs(patience),
            Output::new(true, false),
            async |_| answers.next().unwrap_or(Ok("data")),
            async |time: Duration| waited.push(time.as_secs()),
        )
        .await;
        (answer, waited)
    }

    #[tokio::test]
    async fn it_waits_for_as_long_as_it_is_told_each_time() {
        let (answer, waited) = check(&[Some(5), Some(10), None, Some(0)], 60).await;
        assert_eq!((answer.unwrap(), waited), ("data", vec![5, 10, 5, 5]));
        let (answer, waited) = check(&[], 0).await;
        assert_eq!((answer.unwrap(), waited), ("data", Vec::new()));
    }

    #[tokio::test]
    async fn patience_has_an_end() {
        let (answer, waited) = check(&[Some(5); 9], 12).await;
        assert!(matches!(answer, Err(ClientError::Submitted(_))), "{answer:?}");
        assert_eq!(waited, [5, 5]);
        let (answer, waited) = check(&[Some(5)], 0).await;
        assert!(matches!(answer, Err(ClientError::Submitted(_))), "{answer:?}");
        assert!(waited.is_empty(), "not at all");
    }

    /// Answers with these, one after the other, and gives how it ended and how many were left.
    async fn go_on(
        answers: Vec<Result<&'static str, ClientError>>,
        patience: u64,
    ) -> (Result<&'static str, ClientError>, usize) {
        let mut answers = answers.into_iter();
        let answer = until_answered(
            answers.next().unwrap(),
            Duration::from_secs(patience),
            Output::new(true, false),
            async |_| answers.next().unwrap(),
            async |_| (),
        )
        .await;
        (answer, answers.len())
    }

    #[tokio::test]
    async fn a_server_that_is_away_for_a_while_ends_no_waiting() {
        let nobody = || FetchError::Status(StatusCode::SERVICE_UNAVAILABLE);
        let away = || {
            let issuer = Issuer::parse("https://uma.example").unwrap();
            Err(ClientError::Grant { issuer, source: Box::new(TokenError::Request(nobody())) })
        };
        let (answer, _) = go_on(vec![submitted(Some(5)), away(), away(), Ok("data")], 60).await;
        assert_eq!(answer.unwrap(), "data");
        let (answer, _) = go_on(vec![submitted(Some(5)), away(), away(), Ok("data")], 9).await;
        assert!(matches!(answer, Err(ClientError::Grant { .. })), "{answer:?}");
        // Nothing waits yet.
        let (answer, left) = go_on(vec![away(), Ok("data")], 60).await;
        assert!(matches!(answer, Err(ClientError::Grant { .. })), "{answer:?}");
        assert_eq!(left, 1);
        // The request itself may have arrived.
        let lost = Err(ClientError::Fetch { party: "rs".to_owned(), source: nobody() });
        let (answer, left) = go_on(vec![submitted(Some(5)), lost, Ok("data")], 60).await;
        assert!(matches!(answer, Err(ClientError::Fetch { .. })), "{answer:?}");
        assert_eq!(left, 1);
    }

    #[tokio::test]
    async fn a_session_is_the_one_in_the_file() {
        struct Fixed;
        impl Clock for Fixed {
            fn now(&self) -> Timestamp {
                Timestamp::from_unix(100)
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.json");
        let issuer = Issuer::parse("https://sts.example").unwrap();
        let saved =
            SavedSession { path: path.clone(), issuer: issuer.clone(), clock: Arc::new(Fixed) };
        let save = |token: &str, expires| {
            let token = countersign_types::secret::AccessToken::new(token);
            let (client, expires) =
                (ClientId::parse("rqp").unwrap(), Some(Timestamp::from_unix(expires)));
            let session = Session::new(client, "alice".to_owned(), None, &token, expires);
            let mut sessions = Sessions::default();
            sessions.set(issuer.clone(), session);
            sessions.save(&path).unwrap();
        };
        save("one", 100);
        let over = saved.subject_token().await.unwrap_err().to_string();
        assert!(over.contains("countersign login https://sts.example"), "{over}");
        save("two", 200);
        assert_eq!(saved.subject_token().await.unwrap().access_token.expose(), "two");
    }
}
