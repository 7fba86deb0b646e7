//! One client, and persons who take turns in front of it.

use std::error::Error;
use std::sync::{Arc, Mutex};

use countersign_fetch::Fetch;
use countersign_fetch::request::BoxFuture;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, EndpointUrl, Issuer, ResourceIdentifier};
use http::Response;
use serde_json::json;

use super::world::{Fixed, RS, UMA, World, answer, challenge, data, get, registration, rpt};
use crate::builder::Client;
use crate::discover::Target;
use crate::error::ClientError;
use crate::kept::MAX;
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

/// Who was asked; all but Carol say yes.
struct Asked(Mutex<Vec<Person>>);

impl ApproveAudience for Asked {
    fn approve<'a>(&'a self, new: &'a NewAudience) -> BoxFuture<'a, bool> {
        self.0.lock().unwrap().push(new.person.clone());
        Box::pin(std::future::ready(new.person != Person::Subject("carol".to_owned())))
    }
}

fn client_of(world: &Arc<World>, seat: &Arc<Seat>, asked: &Arc<Asked>) -> Client {
    let fetch: Arc<dyn Fetch> = Arc::<World>::clone(world);
    let provider = registration(super::world::STS);
    let subject: Arc<dyn SubjectToken> = Arc::<Seat>::clone(seat);
    Client::builder(fetch, Arc::new(Fixed), Arc::new(Fixed), provider, subject)
        .with_identity_elsewhere(ClientId::parse("rqp-public").unwrap(), None)
        .with_approval(Arc::<Asked>::clone(asked))
        .build()
}

/// What one person approved is not approved by the next.
#[tokio::test]
async fn a_server_is_approved_by_one_person_at_a_time() {
    let world = World::new()
        .rs([challenge("t1"), data(), challenge("t2"), challenge("t3"), data()])
        .uma([rpt("alices"), rpt("alices-other")]);
    let world = Arc::new(world);
    let seat = Arc::new(Seat(Mutex::new(Some("alice"))));
    let asked = Arc::new(Asked(Mutex::default()));
    let client = client_of(&world, &seat, &asked);
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

/// However many persons a client speaks for, what it remembers of them has an end.
#[tokio::test]
async fn of_more_approvals_than_are_kept_the_oldest_is_asked_for_again() {
    let (world, seat) = (Arc::new(World::new()), Arc::new(Seat(Mutex::default())));
    let asked = Arc::new(Asked(Mutex::default()));
    let client = client_of(&world, &seat, &asked);
    let target = Target {
        issuer: Issuer::parse(UMA).unwrap(),
        token_endpoint: EndpointUrl::parse(&format!("{UMA}/token")).unwrap(),
        claims_interaction_endpoint: None,
        resource: ResourceIdentifier::parse(RS).unwrap(),
    };
    let approve = async |number: usize| {
        let person = Person::Subject(number.to_string());
        client.approve(&target, &person).await.unwrap();
        asked.0.lock().unwrap().len()
    };
    for number in 0..=MAX {
        assert_eq!(approve(number).await, number + 1);
    }
    assert_eq!(approve(1).await, MAX + 1, "it is kept");
    assert_eq!(approve(0).await, MAX + 2, "it was the oldest");
}
