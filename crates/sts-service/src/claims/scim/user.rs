//! A person as a SCIM resource, written and read. [RFC 7643 §4.1, §4.3]
//!
//! [RFC 7643 §4.1, §4.3]: https://www.rfc-editor.org/rfc/rfc7643#section-4.1

use countersign_claims_token::VerifiedEmail;
use countersign_token_exchange::DirectoryPerson;
use countersign_types::EmailAddress;
use serde_json::{Map, Value, json};

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Claims that are lists of texts, by the same names in the core schema, where each is a `value`.
/// [RFC 7643 §4.1.2]
///
/// [RFC 7643 §4.1.2]: https://www.rfc-editor.org/rfc/rfc7643#section-4.1.2
const LISTS: [&str; 3] = ["entitlements", "groups", "roles"];

/// Claims that are texts, by the same names in the enterprise extension. [RFC 7643 §4.3]
///
/// [RFC 7643 §4.3]: https://www.rfc-editor.org/rfc/rfc7643#section-4.3
const TEXTS: [&str; 5] = ["costCenter", "department", "division", "employeeNumber", "organization"];

/// Whether a claim of this name has a place in a user query's answer.
#[must_use]
pub fn has_place(claim: &str) -> bool {
    LISTS.contains(&claim) || TEXTS.contains(&claim)
}

/// The resource of a person, with what of the claims has a place in it.
pub(super) fn render(person: &DirectoryPerson) -> Value {
    let mut user = Map::new();
    let mut schemas = vec![USER];
    user.insert("id".to_owned(), json!(person.subject));
    user.insert("userName".to_owned(), json!(person.email.address()));
    user.insert("active".to_owned(), json!(true));
    let emails = json!([{ "value": person.email.address(), "primary": true }]);
    user.insert("emails".to_owned(), emails);
    for name in LISTS {
        let texts = person.claims.get(name).and_then(Value::as_array).into_iter().flatten();
        let values: Vec<_> =
            texts.filter(|it| it.is_string()).map(|it| json!({ "value": it })).collect();
        if !values.is_empty() {
            user.insert(name.to_owned(), json!(values));
        }
    }
    let texts = TEXTS.into_iter().filter_map(|name| {
        let text = person.claims.get(name).filter(|it| it.is_string())?;
        Some((name.to_owned(), text.clone()))
    });
    let extension: Map<_, _> = texts.collect();
    if !extension.is_empty() {
        schemas.push(ENTERPRISE);
        user.insert(ENTERPRISE.to_owned(), Value::Object(extension));
    }
    user.insert("schemas".to_owned(), json!(schemas));
    Value::Object(user)
}

/// The answer to a query. [RFC 7644 §3.4.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2)
pub(super) fn list(user: Option<Value>) -> Value {
    let resources: Vec<_> = user.into_iter().collect();
    let count = resources.len();
    json!({
        "schemas": [LIST],
        "totalResults": count,
        "startIndex": 1,
        "itemsPerPage": count,
        "Resources": resources,
    })
}

/// Which attribute of a foreign directory is the `sub` of its server's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectAttribute {
    /// `id`.
    #[default]
    Id,
    /// `userName`.
    UserName,
    /// `externalId`.
    ExternalId,
}

impl SubjectAttribute {
    const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::UserName => "userName",
            Self::ExternalId => "externalId",
        }
    }
}

/// An answer that is no list of people at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAnAnswer;

/// Whom an answer names under this address, with the claims of these names; `None` for nobody. More
/// than one person, another address, whoever is not active and whoever has no such subject are
/// nobody, too: what depends on who there is never shows as a failure.
pub(crate) fn read(
    answer: &Map<String, Value>,
    address: &EmailAddress,
    subject: SubjectAttribute,
    claims: &[String],
) -> Result<Option<DirectoryPerson>, NotAnAnswer> {
    let schemas = answer.get("schemas").and_then(Value::as_array).ok_or(NotAnAnswer)?;
    let total = answer.get("totalResults").and_then(Value::as_u64).ok_or(NotAnAnswer)?;
    if !schemas.iter().any(|schema| schema == LIST) {
        return Err(NotAnAnswer);
    }
    let resources = match answer.get("Resources") {
        Some(Value::Array(resources)) => resources.as_slice(),
        // RFC 7644 §3.4.2: it may be absent where nothing was found.
        None => &[],
        Some(_) => return Err(NotAnAnswer),
    };
    let user = match (total, resources) {
        (0, []) => return Ok(None),
        (1, [Value::Object(user)]) => user,
        _ => return Ok(nobody("not one person")),
    };
    if !has_address(user, address) {
        return Ok(nobody("another address"));
    }
    if user.get("active").is_some_and(|active| *active != Value::Bool(true)) {
        return Ok(None);
    }
    let id = user.get(subject.name()).and_then(Value::as_str).filter(|id| !id.is_empty());
    let Some(id) = id else { return Ok(nobody("a person without a subject")) };
    Ok(Some(DirectoryPerson {
        subject: id.to_owned(),
        email: VerifiedEmail::of_own_account(address.clone()),
        claims: claims.iter().filter_map(|name| claim(user, name)).collect(),
    }))
}

/// The directory's answer is not taken for the person, which its operator should know.
fn nobody(named: &'static str) -> Option<DirectoryPerson> {
    tracing::warn!(named, "the user query's answer is nobody's");
    None
}

/// The attributes that [`read`] looks at, in the notation of RFC 7644 §3.10.
pub(crate) fn attributes(subject: SubjectAttribute, claims: &[String]) -> String {
    let mut names = vec![subject.name().to_owned(), "emails".to_owned(), "active".to_owned()];
    names.extend(claims.iter().map(|name| match LISTS.contains(&name.as_str()) {
        true => name.clone(),
        false => format!("{ENTERPRISE}:{name}"),
    }));
    names.join(",")
}

/// Whether one of the addresses is this one, letter by letter: a directory folds cases ([RFC 7643
/// §8.7.1] has `emails.value` be no matter of case), and what it takes for equal is not asked about
/// here.
///
/// [RFC 7643 §8.7.1]: https://www.rfc-editor.org/rfc/rfc7643#section-8.7.1
fn has_address(user: &Map<String, Value>, address: &EmailAddress) -> bool {
    let emails = user.get("emails").and_then(Value::as_array).into_iter().flatten();
    let mut values = emails.filter_map(|email| email.get("value")?.as_str());
    values.any(|value| EmailAddress::parse(value).is_ok_and(|value| value == *address))
}

fn claim(user: &Map<String, Value>, name: &str) -> Option<(String, Value)> {
    let found = if LISTS.contains(&name) {
        let values = user.get(name)?.as_array()?.iter();
        let texts: Vec<_> = values.filter_map(|it| it.get("value")?.as_str()).collect();
        json!(texts)
    } else {
        user.get(ENTERPRISE)?.get(name).filter(|it| it.is_string())?.clone()
    };
    Some((name.to_owned(), found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> EmailAddress {
        EmailAddress::parse("alice@alice.example").unwrap()
    }

    fn found(answer: &Value) -> Result<Option<DirectoryPerson>, NotAnAnswer> {
        let claims = ["groups", "department", "roles"].map(str::to_owned);
        read(answer.as_object().unwrap(), &alice(), SubjectAttribute::Id, &claims)
    }

    fn answer() -> Value {
        let claims = json!({
            "groups": ["staff", 7], "department": "research", "salary": 1, "division": 3,
        });
        let person = DirectoryPerson {
            subject: "0001".to_owned(),
            email: VerifiedEmail::of_own_account(alice()),
            claims: claims.as_object().unwrap().clone(),
        };
        list(Some(render(&person)))
    }

    #[test]
    fn what_is_written_is_read() {
        let person = found(&answer()).unwrap().unwrap();
        assert_eq!(person.subject, "0001");
        assert_eq!(*person.email.address(), alice());
        let claims = json!({ "groups": ["staff"], "department": "research" });
        assert_eq!(Value::Object(person.claims), claims);
        assert!(!answer().to_string().contains("salary"));
        assert!(found(&list(None)).unwrap().is_none());
        assert!(found(&json!({ "schemas": [LIST], "totalResults": 0 })).unwrap().is_none());
    }

    #[test]
    fn what_is_read_is_asked_for() {
        let claims = ["groups", "department"].map(str::to_owned);
        let expected = format!("userName,emails,active,groups,{ENTERPRISE}:department");
        assert_eq!(attributes(SubjectAttribute::UserName, &claims), expected);
    }

    /// A directory that does not know the filter lists everybody; one that folds cases has
    /// another's. STS-8: none of it is a failure, which would tell that somebody is there.
    #[test]
    fn an_answer_about_others_is_about_nobody() {
        let change = |path: &str, value: Value| {
            let mut answer = answer();
            *answer.pointer_mut(path).unwrap() = value;
            answer
        };
        let mut two = answer();
        let user = two["Resources"][0].clone();
        two["Resources"].as_array_mut().unwrap().push(user);
        let other = json!("ALICE@alice.example");
        for (name, answer) in [
            ("two people", two),
            ("more than are shown", change("/totalResults", json!(2))),
            ("somebody and nobody", change("/totalResults", json!(0))),
            ("another address", change("/Resources/0/emails/0/value", other)),
            ("no addresses", change("/Resources/0/emails", json!("alice@alice.example"))),
            ("no identifier", change("/Resources/0/id", json!(""))),
            ("somebody who is gone", change("/Resources/0/active", json!(false))),
        ] {
            assert!(found(&answer).unwrap().is_none(), "{name}");
        }
        for (name, answer) in [
            ("no list of them", change("/Resources", json!({}))),
            ("another schema", change("/schemas", json!(["x"]))),
            ("no number", change("/totalResults", json!("1"))),
        ] {
            assert!(found(&answer).is_err(), "{name}");
        }
    }
}
