//! Claims about a person, by scope. [OpenID Connect Core §5.3, §5.4]
//!
//! [OpenID Connect Core §5.3, §5.4]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfo

use countersign_types::{EmailAddress, ScopeSet};
use serde_json::{Map, Value, json};

/// A person, as far as a client can be told.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// Who it is, in the name space of the provider.
    pub subject: &'a str,
    /// What the person signs in by.
    pub username: &'a str,
    /// The person's name.
    pub name: Option<&'a str>,
    /// The person's address, if it was verified.
    pub email: Option<&'a EmailAddress>,
}

/// What a client with this scope is told.
#[must_use]
pub fn claims(person: Person<'_>, scope: &ScopeSet) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut tell = |name: &str, value| claims.insert(name.to_owned(), value);
    tell("sub", json!(person.subject));
    if scope.contains("profile") {
        tell("preferred_username", json!(person.username));
        if let Some(name) = person.name {
            tell("name", json!(name));
        }
    }
    if let Some(email) = person.email.filter(|_| scope.contains("email")) {
        tell("email", json!(email.as_str()));
        tell("email_verified", json!(true));
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_follow_the_scope() {
        let email = EmailAddress::parse("alice@alice.example").unwrap();
        let alice = Person {
            subject: "1",
            username: "alice",
            name: Some("Alice Liddell"),
            email: Some(&email),
        };
        let told = |person, scope| Value::Object(claims(person, &ScopeSet::parse(scope).unwrap()));
        let sub = json!({ "sub": "1" });
        assert_eq!(told(alice, "openid"), sub);
        assert_eq!(told(alice, "openid Email claims-provider"), sub);
        let profile = json!({ "sub": "1", "preferred_username": "alice", "name": "Alice Liddell" });
        assert_eq!(told(alice, "openid profile"), profile);
        let address = json!({ "sub": "1", "email": "alice@alice.example", "email_verified": true });
        assert_eq!(told(alice, "openid email"), address);
        let nobody = Person { name: None, email: None, ..alice };
        let bare = json!({ "sub": "1", "preferred_username": "alice" });
        assert_eq!(told(nobody, "openid profile email"), bare);
    }
}
