//! One client, and persons who take turns in front of it.

use std::error::Error;
use std::sync::{Arc, Mutex};

use countersign_fetch::Fetch;
use countersign_fetch::request::BoxFuture;
use countersign_types::ClientId;
use countersign_types::secret::AccessToken;
use http::Response;
use serde_json::json;

use super::world::{Fixed, RS, UMA, World, answer, challenge, data, get, registration, rpt};
use crate::builder::Client;
use crate::error::ClientError;
use crate::subject::{ApproveAudience, NewAudience, Person, Subject, SubjectToken};

/// Whoever sits in front of it now.
struct Seat(Mutex<Option<&'static str>>);

impl SubjectToken for Seat {
    fn subject_token(&self) -> BoxFuture<'_, Result<Subject, Box<dyn Error + Send + Sync>>> {
        let person = *self.0.lock().unwrap();
        Box::pin(std::future::ready(person.ok_or_else(|| "nobody is here".into()).map(|name| {
            Subject {
                access_token: AccessToken::new(format!("{name}-at")),
                person: Person::Subject(name.to_owned()),
            }
        })))
    }
}

fn client(world: &Arc<World>) -> (Client, Arc<Seat>) {
    let seat = Arc::new(Seat(Mutex::new(Some("alice"))));
    let fetch: Arc<dyn Fetch> = Arc::<World>::clone(world);
    let provider = registration(super::world::STS);
    let subject: Arc<dyn SubjectToken> = Arc::<Seat>::clone(&seat);
    let client = Client::builder(fetch, Arc::new(Fixed), Arc::new(Fixed), provider, subject)
        .with_registration(registration(UMA))
        .build();
    (client, seat)
}

fn rpt_and_pct(rpt: &str, pct: &str) -> Response<bytes::Bytes> {
    answer(200, &json!({ "access_token": rpt, "token_type": "Bearer", "pct": pct }))
}

#[tokio::test]
async fn what_is_kept_is_one_persons() {
    let world = World::new()
        .rs([challenge("t1"), data(), challenge("t2"), data(), data(), data()])
        .uma([rpt_and_pct("alices", "alices-pct"), rpt("carols")]);
    let world = Arc::new(world);
    let (client, seat) = client(&world);
    let url = format!("{RS}/a");
    for person in ["alice", "carol", "alice", "carol"] {
        *seat.0.lock().unwrap() = Some(person);
        let response = client.request(get(&url)).await.unwrap();
        assert_eq!(response.status(), 200, "{person}");
    }
    let sent = world.sent_to(&url);
    let authorization: Vec<_> = sent.iter().map(|call| call.authorization.as_deref()).collect();
    let expected = [
        None,
        Some("Bearer alices"),
        // Carol's first request goes without Alice's token.
        None,
        Some("Bearer carols"),
        Some("Bearer alices"),
        Some("Bearer carols"),
    ];
    assert_eq!(authorization, expected);
    // Nor is Alice's PCT sent along for Carol.
    assert_eq!(world.grants()[1].param("pct"), None);
}

#[tokio::test]
async fn nothing_kept_is_sent_for_nobody() {
    let world = World::new().rs([challenge("t1"), data(), data()]).uma([rpt("alices")]);
    let world = Arc::new(world);
    let (client, seat) = client(&world);
    let url = format!("{RS}/a");
    client.request(get(&url)).await.unwrap();
    *seat.0.lock().unwrap() = None;
    let error = client.request(get(&url)).await.unwrap_err();
    assert!(matches!(error, ClientError::SubjectToken(_)), "{error:?}");
    assert_eq!(world.sent_to(&url).len(), 2);
    // An address that needed no token so far needs nobody.
    client.request(get(&format!("{RS}/open"))).await.unwrap();
}

/// What one person approved is not approved by the next.
#[tokio::test]
async fn a_server_is_approved_by_one_person_at_a_time() {
    struct Asked(Mutex<Vec<Person>>);

    impl ApproveAudience for Asked {
        fn approve<'a>(&'a self, new: &'a NewAudience) -> BoxFuture<'a, bool> {
            self.0.lock().unwrap().push(new.person.clone());
            Box::pin(std::future::ready(new.person == Person::Subject("alice".to_owned())))
        }
    }

    let world = World::new()
        .rs([challenge("t1"), data(), challenge("t2"), challenge("t3"), data()])
        .uma([rpt("alices"), rpt("alices-other")]);
    let world = Arc::new(world);
    let seat = Arc::new(Seat(Mutex::new(Some("alice"))));
    let asked = Arc::new(Asked(Mutex::default()));
    let fetch: Arc<dyn Fetch> = Arc::<World>::clone(&world);
    let provider = registration(super::world::STS);
    let subject: Arc<dyn SubjectToken> = Arc::<Seat>::clone(&seat);
    let client = Client::builder(fetch, Arc::new(Fixed), Arc::new(Fixed), provider, subject)
        .with_identity_elsewhere(ClientId::parse("rqp-public").unwrap(), None)
        .with_approval(Arc::<Asked>::clone(&asked))
        .build();
    for (person, path, is_let) in
        [("alice", "/a", true), ("carol", "/b", false), ("alice", "/c", true)]
    {
        *seat.0.lock().unwrap() = Some(person);
        let result = client.request(get(&format!("{RS}{path}"))).await;
        assert_eq!(result.is_ok(), is_let, "{person}: {result:?}");
    }
    let people = ["alice", "carol"].map(|name| Person::Subject(name.to_owned()));
    assert_eq!(*asked.0.lock().unwrap(), people);
    assert_eq!(world.exchanges().len(), 2, "none of them Carol's");
}
