//! Tokens of other issuers, by table: each row changes one thing of a token that is taken.

use std::sync::LazyLock;

use countersign_jwt::cnf::Confirmation;
use countersign_jwt::{Algorithm, SigningKey, sign};
use countersign_types::{Params, ScopeSet};
use serde_json::json;

use super::*;
use crate::decide::tests::{NOW, RS, STS, client};
use crate::request::{self, REPEATABLE};
use crate::subject::Subject;
use crate::trusted_issuer::{RoleMapping, RoleSource};

mod granting;

const IDP: &str = "https://idp.example/realms/a";
const API: &str = "https://api.alice.example";

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, Some("k")).unwrap());
static OTHER: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, Some("k")).unwrap());

fn keys() -> KeySet {
    KeySet::from_keys(vec![KEY.public().clone()]).unwrap()
}

fn idp() -> TrustedIssuer {
    let accepted = Accepted {
        audiences: [API.to_owned()].into(),
        clients: ["dashboard".to_owned()].into(),
        refresh: None,
    };
    TrustedIssuer {
        exchanges: [(ClientId::parse("app").unwrap(), accepted)].into(),
        email_domains: ["idp.example".to_owned()].into(),
        claims: ["name".to_owned(), "department".to_owned()].into(),
        roles: vec![RoleMapping {
            source: RoleSource::Realm,
            roles: [("staff".to_owned(), "reader".to_owned())].into(),
        }],
        scopes: ScopeSet::parse("get put").unwrap(),
        ..TrustedIssuer::new("idp", Issuer::parse(IDP).unwrap())
    }
}

fn keycloak() -> TrustedIssuer {
    TrustedIssuer { access_tokens: AccessTokenForm::Keycloak, ..idp() }
}

/// An access token of [`idp`] for the API.
fn access_token() -> Map<String, Value> {
    object(json!({
        "iss": IDP, "sub": "0001", "aud": API, "client_id": "dashboard", "jti": "1",
        "iat": NOW.as_unix(), "exp": NOW.as_unix() + 200, "scope": "openid profile admin",
        "email": "alice@idp.example", "email_verified": true, "name": "Alice", "salary": 1,
        "realm_access": { "roles": ["staff", "root"] }, "roles": ["root"],
    }))
}

fn id_token() -> Map<String, Value> {
    object(json!({
        "iss": IDP, "sub": "0001", "aud": "dashboard", "nonce": "n",
        "iat": NOW.as_unix(), "exp": NOW.as_unix() + 200, "name": "Alice",
    }))
}

/// What [`idp`] says about an opaque token.
fn answer() -> Map<String, Value> {
    let mut answer = access_token();
    answer.extend(object(json!({ "active": true, "token_type": "Bearer" })));
    answer
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// With these members; one that is null is taken away.
fn with(mut claims: Map<String, Value>, change: &Value) -> Map<String, Value> {
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => claims.remove(name),
            value => claims.insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn request(kind: &str, alias: &str, token: &str) -> ExchangeRequest {
    let form = format!(
        "subject_token={token}&subject_token_type=urn:ietf:params:oauth:token-type:{kind}\
         &subject_issuer={alias}&resource={RS}"
    );
    request::parse(&Params::parse(form.as_bytes(), REPEATABLE).unwrap()).unwrap()
}

fn issuer() -> Issuer {
    Issuer::parse(STS).unwrap()
}

fn token(typ: &str, key: &SigningKey, claims: &Map<String, Value>) -> String {
    sign(typ, key, claims).unwrap()
}

/// Takes a token through every step.
fn read(
    trusted: &TrustedIssuer,
    kind: &str,
    text: &str,
    word: &Map<String, Value>,
) -> Result<Subject, ExchangeError> {
    let alias = if kind == "access_token" { "idp" } else { "" };
    let claimed = identify(&request(kind, alias, text), &client("app", true), [trusted])?.unwrap();
    let verified = match claimed {
        Claimed::Jwt(jwt) => jwt.check(&issuer(), NOW)?.verify(&keys())?,
        Claimed::Opaque(token) => {
            token.introspected(Claims::from_map(word.clone()), &issuer(), NOW)?
        }
    };
    Ok(verified.subject(None)?)
}

fn read_jwt(trusted: &TrustedIssuer, typ: &str, claims: &Map<String, Value>) -> Option<String> {
    let text = token(typ, &KEY, claims);
    let kind = if claims.contains_key("nonce") { "id_token" } else { "jwt" };
    refusal(read(trusted, kind, &text, &Map::new()))
}

fn read_opaque(trusted: &TrustedIssuer, word: &Map<String, Value>) -> Option<String> {
    refusal(read(trusted, "access_token", "opaque", word))
}

/// Why, in the words of the last cause.
fn refusal(read: Result<Subject, ExchangeError>) -> Option<String> {
    let error = read.err()?;
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    Some(cause.to_string())
}

#[track_caller]
fn check(name: &str, got: Option<String>, expected: Option<&str>) {
    match (&got, expected) {
        (None, None) => {}
        (Some(got), Some(expected)) if got.contains(expected) => {}
        _ => panic!("{name}: {got:?}, not {expected:?}"),
    }
}

/// F000-3, A22: whom a token was made for.
#[test]
fn a_token_is_exchanged_by_whom_it_was_made_for() {
    let somebody = Some("for somebody else");
    let party = Some("obtained by another client");
    for (name, change, expected) in [
        ("good", json!({}), None),
        ("for this server", json!({ "aud": [STS, "x"], "client_id": "x" }), None),
        ("for the API, by whomever", json!({ "client_id": "x" }), None),
        ("by an expected client", json!({ "aud": "account" }), None),
        ("azp", json!({ "aud": "account", "azp": "dashboard" }), None),
        ("another's", json!({ "aud": "https://x.example", "client_id": "x" }), somebody),
        ("for something below", json!({ "aud": format!("{API}/"), "client_id": "x" }), somebody),
        ("for a client by name", json!({ "aud": "dashboard", "client_id": "x" }), somebody),
        ("two clients", json!({ "azp": "other" }), party),
        ("of a client for itself", json!({ "sub": "dashboard" }), Some("subject is a client")),
        ("no sub", json!({ "sub": null }), Some("sub")),
        ("no aud at all", json!({ "aud": null }), Some("aud")),
    ] {
        let claims = with(access_token(), &change);
        check(name, read_jwt(&idp(), "at+jwt", &claims), expected);
    }
    // What only the issuer can read it says in the same words.
    for (name, change, expected) in [
        ("good", json!({}), None),
        ("by an expected client", json!({ "aud": null }), None),
        ("nobody said", json!({ "aud": null, "client_id": null }), somebody),
        ("another's", json!({ "aud": "https://x.example", "client_id": "x" }), somebody),
        ("two clients", json!({ "azp": "other" }), party),
        ("of a client for itself", json!({ "sub": "dashboard" }), Some("subject is a client")),
        ("no sub", json!({ "sub": null }), Some("sub")),
    ] {
        check(name, read_opaque(&idp(), &with(answer(), &change)), expected);
    }
}

/// What stands in the table is believed, and nothing else.
#[test]
fn of_an_issuer_that_is_only_named_nothing_is_taken() {
    let named = TrustedIssuer::new("idp", Issuer::parse(IDP).unwrap());
    let told = read(&named, "jwt", &token("at+jwt", &KEY, &access_token()), &Map::new());
    assert!(told.is_err(), "{told:?}");
    let heard = TrustedIssuer { exchanges: idp().exchanges, ..named };
    let person = read(&heard, "jwt", &token("at+jwt", &KEY, &access_token()), &Map::new()).unwrap();
    assert_eq!(person.sub, heard.subject("0001"));
    assert_eq!(person.foreign.unwrap().user_claims, Map::new());
}

/// T3.
#[test]
fn a_token_of_one_kind_is_none_of_another() {
    let kind = Some("of another kind");
    let (at, id) = (access_token(), id_token());
    let typed =
        |claims: &Map<String, Value>, typ: &str| with(claims.clone(), &json!({ "typ": typ }));
    for (name, trusted, typ, claims, expected) in [
        ("an access token", idp(), "at+jwt", at.clone(), None),
        ("an ID token as an access token", idp(), "JWT", at.clone(), Some("type")),
        ("an access token as an ID token", idp(), "at+jwt", id.clone(), Some("type")),
        ("an ID token", idp(), "JWT", id.clone(), None),
        ("a logout token", idp(), "logout+jwt", id.clone(), Some("type")),
        ("a logout token of old", idp(), "JWT", with(id.clone(), &json!({ "events": {} })), kind),
        ("Keycloak: an access token", keycloak(), "JWT", typed(&at, "Bearer"), None),
        ("Keycloak: bound", keycloak(), "JWT", typed(&at, "DPoP"), None),
        ("Keycloak: as an ID token", keycloak(), "JWT", typed(&id, "Bearer"), kind),
        ("Keycloak: an ID token", keycloak(), "JWT", typed(&id, "ID"), None),
        ("Keycloak: an ID token as access", keycloak(), "JWT", typed(&at, "ID"), kind),
        ("Keycloak: a refresh token", keycloak(), "JWT", typed(&at, "Refresh"), kind),
        ("Keycloak: it does not say", keycloak(), "JWT", at.clone(), kind),
        ("not in the form of the issuer", keycloak(), "at+jwt", typed(&at, "Bearer"), Some("type")),
    ] {
        check(name, read_jwt(&trusted, typ, &claims), expected);
    }
    for (name, change, expected) in [
        ("Bearer", json!({ "token_type": "bearer" }), None),
        ("not said", json!({ "token_type": null }), None),
        ("Keycloak's", json!({ "typ": "Bearer" }), None),
        ("Keycloak's refresh token", json!({ "typ": "Refresh" }), kind),
        ("another type", json!({ "token_type": "refresh_token" }), kind),
    ] {
        check(name, read_opaque(&idp(), &with(answer(), &change)), expected);
    }
}

/// OpenID Connect Core §3.1.3.7.
#[test]
fn an_id_token_is_for_an_expected_client_and_for_nobody_unexpected() {
    let somebody = Some("for somebody else");
    let party = Some("obtained by another client");
    for (name, change, expected) in [
        ("azp", json!({ "azp": "dashboard" }), None),
        ("and for us", json!({ "aud": ["dashboard", STS], "azp": "dashboard" }), None),
        ("no azp beside two", json!({ "aud": ["dashboard", STS] }), party),
        ("another azp", json!({ "azp": "other" }), party),
        ("for another client", json!({ "aud": "other" }), somebody),
        ("for the API alone", json!({ "aud": API }), somebody),
        ("and for a stranger", json!({ "aud": ["dashboard", "x"], "azp": "dashboard" }), somebody),
        ("no aud", json!({ "aud": null }), somebody),
        ("no iat", json!({ "iat": null }), Some("iat")),
        ("no exp", json!({ "exp": null }), Some("exp")),
        ("over", json!({ "exp": NOW.as_unix() - 60 }), Some("expired")),
        ("of tomorrow", json!({ "iat": NOW.as_unix() + 61 }), Some("future")),
        ("another issuer's", json!({ "iss": "https://idp.example" }), Some("not trusted")),
    ] {
        check(name, read_jwt(&idp(), "JWT", &with(id_token(), &change)), expected);
    }
}

/// F000-2, F000-4, T4.
#[test]
fn a_token_is_live_and_of_an_issuer_that_is_trusted() {
    let inactive = Some("does not stand by");
    for (name, change, expected) in [
        ("over", json!({ "exp": NOW.as_unix() - 60 }), Some("expired")),
        ("within the skew", json!({ "exp": NOW.as_unix() - 59 }), None),
        ("not yet", json!({ "nbf": NOW.as_unix() + 61 }), Some("not valid yet")),
        ("of tomorrow", json!({ "iat": NOW.as_unix() + 61 }), Some("future")),
        ("for ever", json!({ "exp": null }), Some("exp")),
        ("a time that is none", json!({ "exp": "2030" }), Some("exp")),
    ] {
        check(name, read_jwt(&idp(), "at+jwt", &with(access_token(), &change)), expected);
        check(name, read_opaque(&idp(), &with(answer(), &change)), expected);
    }
    for (name, change, expected) in [
        ("inactive", json!({ "active": false }), inactive),
        ("no word", json!({ "active": null }), inactive),
        ("a word that is none", json!({ "active": "true" }), Some("active")),
        ("the word of another", json!({ "iss": "https://other.example" }), Some("issuer")),
        ("it does not name itself", json!({ "iss": null }), None),
    ] {
        check(name, read_opaque(&idp(), &with(answer(), &change)), expected);
    }
    let good = token("at+jwt", &KEY, &access_token());
    let (head, _) = good.rsplit_once('.').unwrap();
    let forged = token("at+jwt", &OTHER, &access_token());
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30.";
    let stranger = with(access_token(), &json!({ "iss": "https://other.example" }));
    let stranger = token("at+jwt", &KEY, &stranger);
    for (name, kind, text, expected) in [
        ("good", "jwt", good.as_str(), None),
        ("in Keycloak's dialect", "access_token", &good, None),
        ("forged", "jwt", &forged, Some("signature")),
        ("forged, in the dialect", "access_token", &forged, Some("signature")),
        ("unsigned", "jwt", &format!("{head}."), Some("")),
        ("of no algorithm", "jwt", none, Some("")),
        ("of no algorithm, in the dialect", "access_token", none, Some("")),
        ("opaque, said to be a JWT", "jwt", "opaque", Some("")),
        ("of a stranger", "jwt", &stranger, Some("not trusted")),
        ("of a stranger, by an alias", "access_token", &stranger, Some("not trusted")),
    ] {
        // An answer that would do, were anybody asked.
        check(name, refusal(read(&idp(), kind, text, &answer())), expected);
    }
}

#[test]
fn whose_token_it_is_is_found_before_anybody_is_asked() {
    let good = token("at+jwt", &KEY, &access_token());
    let find = |kind: &str, alias: &str, text: &str, client_id: &'static str, confidential| {
        let idp = idp();
        let found = identify(&request(kind, alias, text), &client(client_id, confidential), [&idp]);
        found.map(|found| match found {
            None => "ours",
            Some(Claimed::Jwt(_)) => "jwt",
            Some(Claimed::Opaque(_)) => "opaque",
        })
    };
    assert_eq!(find("access_token", "", &good, "app", true).unwrap(), "ours");
    assert_eq!(find("access_token", "idp", &good, "app", true).unwrap(), "jwt");
    assert_eq!(find("access_token", "idp", "opaque", "app", true).unwrap(), "opaque");
    assert_eq!(find("access_token", "idp", "a.b.c", "app", true).unwrap(), "opaque");
    assert_eq!(find("jwt", "", &good, "app", true).unwrap(), "jwt");
    for (alias, kind, client_id, confidential) in [
        ("other", "access_token", "app", true),
        ("IDP", "access_token", "app", true),
        (IDP, "access_token", "app", true),
        ("idp", "access_token", "another", true),
        ("idp", "access_token", "app", false),
        ("", "jwt", "another", true),
        ("", "id_token", "app", false),
    ] {
        assert!(find(kind, alias, &good, client_id, confidential).is_err(), "{alias} {client_id}");
    }
}

/// J28: Keycloak gives each client that may speak for itself a user of its own, whose `sub` is no
/// client id.
#[test]
fn a_service_account_of_keycloak_is_no_person() {
    let named = |name: &str| object(json!({ "typ": "Bearer", "preferred_username": name }));
    let read = |trusted: &TrustedIssuer, typ: &str, more: Map<String, Value>| {
        let mut claims = access_token();
        claims.extend(more);
        read_jwt(trusted, typ, &claims)
    };
    let client = "service-account-dashboard";
    check("a client", read(&keycloak(), "JWT", named(client)), Some("subject is a client"));
    check("a person", read(&keycloak(), "JWT", named("alice")), None);
    check(
        "no text",
        read(&keycloak(), "JWT", with(named(""), &json!({ "preferred_username": 1 }))),
        Some("malformed"),
    );
    check("a name like any other", read(&idp(), "at+jwt", named(client)), None);
    let mut answer = answer();
    answer.extend(named(client));
    check("opaque", read_opaque(&keycloak(), &answer), Some("subject is a client"));
}

/// What a subject says of a person is what the issuer is believed.
#[test]
fn what_the_issuer_is_not_believed_does_not_come_through() {
    let subject = read(&idp(), "jwt", &token("at+jwt", &KEY, &access_token()), &Map::new());
    let subject = subject.unwrap();
    assert_eq!(subject.subject(), idp().subject("0001"));
    assert_eq!(subject.foreign_subject(), Some((&idp().issuer, "0001")));
    assert_eq!(*subject.scope(), ScopeSet::parse("get put").unwrap(), "the issuer's is its own");
    let email = json!({ "email": "alice@idp.example", "email_verified": true });
    assert_eq!(Value::Object(subject.claims().as_map().clone()), email);
    let released = &subject.foreign.as_ref().unwrap().user_claims;
    assert_eq!(json!(released), json!({ "name": "Alice", "roles": ["reader"] }));

    for (name, change) in [
        ("another domain's", json!({ "email": "alice@alice.example" })),
        ("below the domain", json!({ "email": "alice@a.idp.example" })),
        ("not verified", json!({ "email_verified": false })),
        ("nobody says that it was verified", json!({ "email_verified": null })),
        ("two", json!({ "email_address": "bob@idp.example" })),
    ] {
        let text = token("at+jwt", &KEY, &with(access_token(), &change));
        let subject = read(&idp(), "jwt", &text, &Map::new()).unwrap();
        assert!(subject.claims().as_map().is_empty(), "{name}: {:?}", subject.claims());
    }
    // Not even by a configuration that says so.
    let mut careless = idp();
    careless.claims.extend(["iss", "act", "roles", "cnf"].map(str::to_owned));
    let text = token("at+jwt", &KEY, &access_token());
    let subject = read(&careless, "jwt", &text, &Map::new()).unwrap();
    assert_eq!(subject.foreign.unwrap().user_claims.get("iss"), None);

    let large = with(access_token(), &json!({ "department": "x".repeat(5_000) }));
    check("large", read_jwt(&idp(), "at+jwt", &large), Some("too large"));
    let odd = with(access_token(), &json!({ "realm_access": "root" }));
    check("odd roles", read_jwt(&idp(), "at+jwt", &odd), Some("roles"));
}

#[test]
fn a_claim_rule_is_kept_by_every_kind_of_token() {
    let mut strict = idp();
    strict.required = [("acr".to_owned(), vec![json!("gold")])].into();
    for (acr, expected) in
        [(json!("gold"), None), (json!("silver"), Some("acr")), (Value::Null, Some("acr"))]
    {
        let change = json!({ "acr": acr });
        let rows = [
            read_jwt(&strict, "at+jwt", &with(access_token(), &change)),
            read_jwt(&strict, "JWT", &with(id_token(), &change)),
            read_opaque(&strict, &with(answer(), &change)),
        ];
        for got in rows {
            check("acr", got, expected);
        }
    }
}

/// F000-8, and OpenID Connect Core §5.3.2.
#[test]
fn user_info_adds_what_the_token_lacks_about_the_same_person() {
    let verified = |change: Value| {
        let text = token("at+jwt", &KEY, &with(access_token(), &change));
        let trusted = Box::leak(Box::new(idp()));
        let found = identify(&request("jwt", "", &text), &client("app", true), [&*trusted]);
        let Some(Claimed::Jwt(jwt)) = found.unwrap() else { panic!("a JWT") };
        jwt.check(&issuer(), NOW).unwrap().verify(&keys()).unwrap()
    };
    let info = |value: Value| Claims::from_map(object(value));
    for (name, user_info) in [
        ("another", json!({ "sub": "0002", "name": "Bob" })),
        ("another case", json!({ "sub": "0001 ", "name": "Bob" })),
        ("nobody", json!({ "name": "Bob" })),
        ("no text", json!({ "sub": 1 })),
    ] {
        assert!(verified(json!({})).with_user_info(info(user_info)).is_err(), "{name}");
    }

    let user_info = json!({
        "sub": "0001", "name": "Other", "department": "research", "iss": "x", "act": { "sub": "x" },
        "aud": "x", "cnf": {}, "email": "other@idp.example", "email_verified": true,
    });
    let subject = verified(json!({})).with_user_info(info(user_info.clone())).unwrap();
    let subject = subject.subject(None).unwrap();
    let released = json!(subject.foreign.unwrap().user_claims);
    assert_eq!(released, json!({ "name": "Alice", "department": "research", "roles": ["reader"] }));
    assert_eq!(subject.act, None);
    assert_eq!(subject.claims.str("email").unwrap(), Some("alice@idp.example"));

    // The token's address was not verified; that another one was says nothing about it.
    let unverified = verified(json!({ "email_verified": null }));
    let subject = unverified.with_user_info(info(user_info.clone())).unwrap();
    assert!(subject.subject(None).unwrap().claims.as_map().is_empty());
    let without = verified(json!({ "email": null, "email_verified": null }));
    let subject = without.with_user_info(info(user_info)).unwrap().subject(None).unwrap();
    assert_eq!(subject.claims.str("email").unwrap(), Some("other@idp.example"));

    // T13: a proof for that endpoint is the client's to make.
    let bound = json!({ "cnf": { "jkt": KEY.public().thumbprint().to_base64url() } });
    assert!(verified(json!({})).opens_user_info() && !verified(bound).opens_user_info());
}

/// T13.
#[test]
fn a_binding_of_another_issuer_is_kept() {
    let thumbprint = KEY.public().thumbprint();
    let cnf = json!({ "cnf": { "jkt": thumbprint.to_base64url() } });
    let text = token("at+jwt", &KEY, &with(access_token(), &cnf));
    let trusted = idp();
    let prove = |proved: Option<Confirmation>| {
        let found = identify(&request("jwt", "", &text), &client("app", true), [&trusted]);
        let Some(Claimed::Jwt(jwt)) = found.unwrap() else { panic!("a JWT") };
        jwt.check(&issuer(), NOW).unwrap().verify(&keys()).unwrap().subject(proved)
    };
    let jkt = |key: &SigningKey| Some(Confirmation::Jkt(key.public().thumbprint()));
    assert!(prove(jkt(&KEY)).is_ok());
    for proved in [None, jkt(&OTHER)] {
        assert!(matches!(prove(proved), Err(ForeignError::Bound)));
    }
    let odd = with(access_token(), &json!({ "cnf": { "x5t#S256": "x" } }));
    check("not understood", read_jwt(&idp(), "at+jwt", &odd), Some("bound"));
}
