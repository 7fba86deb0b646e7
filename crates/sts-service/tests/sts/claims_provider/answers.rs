//! Whatever a directory answers about somebody: what of it shows (STS-8, PROFILE §5.7, §5.8).

use bytes::Bytes;
use countersign_fetch::FetchError;
use http::Response;
use serde_json::{Value, json};

use super::server::{Fails, Said};
use super::*;

const NOBODY: &str = "nobody@alice.example";

/// Whoever is in a group that nobody is in: Alice is somebody whom the client may not name.
fn a_group() -> NamedPeople {
    NamedPeople { groups: ["board".to_owned()].into(), ..NamedPeople::default() }
}

fn answers(status: u16, body: impl std::fmt::Display) -> Said {
    let body = body.to_string();
    Arc::new(move || {
        let response = Response::builder().status(status).body(Bytes::from(body.clone()));
        Ok(response.unwrap())
    })
}

fn fails(error: fn() -> FetchError) -> Said {
    Arc::new(move || Err(error()))
}

/// What the directory says of this name from now on.
fn saying(name: &'static str, said: Said) -> Bed {
    let bed = bed(a_group(), Fails::Nothing);
    *bed.server.says.lock().unwrap() = Some((name, said));
    bed
}

/// What is written down of each refusal, without the time.
fn words(bed: &Bed) -> Vec<String> {
    bed.records.0.lock().unwrap().drain(..).map(|record| format!("{record:?}")).collect()
}

fn list(total: impl Into<Value>, people: &Value) -> Value {
    let schema = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
    json!({ "schemas": [schema], "totalResults": total.into(), "Resources": people })
}

/// Bodies with which a directory may say 200.
fn bodies() -> Vec<String> {
    let somebody = json!({ "id": "x", "emails": [{ "value": "somebody@alice.example" }] });
    let nobody = list(0, &json!([]));
    let without = |member: &str| {
        let mut list = nobody.clone();
        list.as_object_mut().unwrap().remove(member);
        list
    };
    let lists = [
        nobody.clone(),
        without("Resources"),
        without("totalResults"),
        without("schemas"),
        list("0", &json!([])),
        list(-1, &json!([])),
        list(0, &Value::Null),
        list(0, &json!({})),
        list(1, &json!([])),
        list(1, &json!([null])),
        list(1, &json!([{}])),
        list(1, &json!([somebody])),
        list(2, &json!([somebody, somebody])),
        somebody,
        json!({}),
        json!([]),
        json!(null),
        json!(0),
        json!({ "schemas": "ListResponse", "totalResults": 0 }),
        json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404" }),
    ];
    let mut bodies: Vec<_> = lists.iter().map(Value::to_string).collect();
    bodies.extend(["", " ", "<html></html>", "{\"schemas\":", "nobody"].map(str::to_owned));
    bodies.push(format!("{},{}", &nobody.to_string()[..1], &nobody.to_string()[1..]));
    bodies.push(nobody.to_string().replacen('{', "{\"totalResults\":0,", 1));
    bodies
}

/// Statuses by which a directory says something of itself, and of nobody.
fn is_of_the_server(status: u16) -> bool {
    matches!(status, 401 | 408 | 429 | 500..600)
}

/// Everything that may be said of one address alone.
fn said_of_one() -> Vec<(String, Said)> {
    let statuses = (200..500).filter(|status| *status != 200 && !is_of_the_server(*status));
    let good = list(0, &json!([]));
    let mut rows: Vec<_> =
        statuses.map(|status| (status.to_string(), answers(status, &good))).collect();
    rows.extend(bodies().into_iter().map(|body| (body.clone(), answers(200, body))));
    for (name, error) in [
        ("too large", (|| FetchError::TooLarge) as fn() -> FetchError),
        ("elsewhere", || FetchError::Redirect),
        ("of another type", || FetchError::ContentType),
    ] {
        rows.push((name.to_owned(), fails(error)));
    }
    rows
}

/// STS-8: whatever is said of one address alone, of one that is known as well as of one that is
/// not, is the answer about somebody whom the client may not name: in its octets, in what is
/// written down, and in how often the directory was asked.
#[tokio::test]
async fn sts_8_what_a_directory_says_of_one_address_tells_nobody_who_exists() {
    let rows = said_of_one();
    assert!(rows.len() > 300, "{}", rows.len());
    for (name, said) in rows {
        for (about, address) in [("nobody", NOBODY), ("alice", ALICE)] {
            let bed = saying(about, Arc::clone(&said));
            let forbidden = bed.ask(&token(&[]), "carol@alice.example").await;
            assert_eq!(forbidden.0, 403, "{name}: {forbidden:?}");
            let expected = words(&bed);
            assert_eq!(expected.len(), 1);
            for asked in 2..4 {
                assert_eq!(bed.ask(&token(&[]), address).await, forbidden, "{about}: {name}");
                assert_eq!(words(&bed), expected, "{about}: {name}");
                assert_eq!(bed.server.count("/scim/v2/Users"), asked, "{about}: {name}");
            }
        }
    }
}

/// What it says of itself is no statement about anybody, and then it is left alone for a moment.
/// RFC 9110 §15.6 has all of 5xx be that.
#[tokio::test]
async fn what_a_directory_says_of_itself_is_told_alike_about_everybody() {
    let statuses = (200..600).filter(|status| is_of_the_server(*status));
    let mut rows: Vec<_> =
        statuses.map(|status| (status.to_string(), answers(status, "{}"))).collect();
    assert_eq!(rows.len(), 103);
    for (name, error) in [
        ("too late", (|| FetchError::Timeout) as fn() -> FetchError),
        ("cut off", || FetchError::Protocol("cut off".into())),
        ("not to be reached", || FetchError::Connect("refused".into())),
        ("not to be asked", || FetchError::Refused { host: "sts.example".to_owned() }),
    ] {
        rows.push((name.to_owned(), fails(error)));
    }
    for (name, said) in rows {
        let bed = saying("nobody", said);
        let failed = bed.ask(&token(&[]), NOBODY).await;
        assert_eq!(failed.0, 503, "{name}: {failed:?}");
        let asked = bed.server.count("/scim/v2/Users");
        for address in [NOBODY, ALICE, "carol@alice.example"] {
            assert_eq!(bed.ask(&token(&[]), address).await, failed, "{name}");
        }
        assert_eq!(bed.server.count("/scim/v2/Users"), asked, "{name}");
        assert_eq!(words(&bed), Vec::<String>::new(), "{name}: nothing was decided");
        bed.clock.0.fetch_add(5, Ordering::Relaxed);
        assert_eq!(bed.ask(&token(&[]), ALICE).await.0, 403, "{name}");
    }
}

/// Whoever holds a token of the person's own is told that nobody could be asked: there is nothing
/// to hide from them, and nothing was found out about the token. Nobody is nobody, too.
#[tokio::test]
async fn a_person_is_told_when_the_directory_says_nothing_of_them() {
    let own =
        token(&[("sub", json!("alice")), ("email", json!(ALICE)), ("email_verified", json!(true))]);
    let empty = list(0, &json!([]));
    for (name, said, status) in [
        ("nobody", answers(200, &empty), 400),
        ("not found", answers(404, "{}"), 400),
        ("gone", answers(410, "{}"), 503),
        ("refused", answers(403, "{}"), 503),
        ("not taken", answers(400, "{}"), 503),
        ("no list", answers(200, "{}"), 503),
        ("too large", fails(|| FetchError::TooLarge), 503),
        ("elsewhere", fails(|| FetchError::Redirect), 503),
    ] {
        let bed = saying("alice", said);
        let (found, body) = bed.ask(&own, "").await;
        assert_eq!(found, status, "{name}: {body}");
        let carol = bed.ask(&token(&[]), "carol@alice.example").await;
        assert_eq!(carol.0, 403, "{name}: it is asked about others");
    }
}
