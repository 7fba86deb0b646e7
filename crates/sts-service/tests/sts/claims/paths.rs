//! T1 to T10 and T13 to T15 on the two paths through the claims endpoint. What they are refused
//! with is the endpoint's own: whoever shows a token there has it as their credentials, too.

use super::*;
use crate::acting::{chain, dpop_proof};

const EVIL: &str = "https://uma.evil.example";

/// A way through the claims endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// The person's own access token.
    Person,
    /// The client's, which names somebody.
    Named,
}

const PATHS: [Path; 2] = [Path::Person, Path::Named];

type Refusal = (u16, &'static str);
const INVALID_TOKEN: Refusal = (401, "invalid_token");
const INSUFFICIENT_SCOPE: Refusal = (403, "insufficient_scope");
const INVALID_REQUEST: Refusal = (400, "invalid_request");
const INVALID_TARGET: Refusal = (400, "invalid_target");
const INVALID_SCOPE: Refusal = (400, "invalid_scope");

type Claim = (&'static str, Value);

/// Somebody else, who acts.
fn agent() -> Value {
    json!({ "sub": "other", "client_id": "other" })
}

impl Path {
    fn token(self, change: &[Claim]) -> String {
        match self {
            Self::Person => token("sub-of-alice", change),
            Self::Named => token("rqp-client", change),
        }
    }

    fn fields(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Person => asked(),
            Self::Named => naming("alice@alice.example"),
        }
    }

    /// Who acts in what is issued, with `before` as the actors of the token that is shown.
    fn expected(self, before: &Value) -> Value {
        let mut own = json!({ "sub": "rqp-client", "client_id": "rqp-client" });
        match self {
            Self::Person => return before.clone(),
            Self::Named if !before.is_null() => own["act"] = before.clone(),
            Self::Named => {}
        }
        own
    }

    /// The claims of what is issued.
    async fn issues(self, name: &str, world: &World, change: &[Claim]) -> Value {
        self.issues_for(name, world, change, &self.fields()).await
    }

    async fn issues_for(
        self,
        name: &str,
        world: &World,
        change: &[Claim],
        fields: &[(&str, &str)],
    ) -> Value {
        let answer = ask(world, &self.token(change), fields).await;
        assert_eq!(answer.status.as_u16(), 200, "{self:?}: {name}: {}", answer.text);
        let body = answer.json();
        // T14: nothing that outlives the exchange by itself.
        let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["claims_token", "expires_in"], "{self:?}: {name}");
        Value::Object(claims(body["claims_token"].as_str().unwrap()).as_map().clone())
    }

    async fn refuses(self, name: &str, world: &World, change: &[Claim], with: Refusal) {
        self.refuses_for(name, world, change, &self.fields(), with).await;
    }

    async fn refuses_for(
        self,
        name: &str,
        world: &World,
        change: &[Claim],
        fields: &[(&str, &str)],
        (status, code): Refusal,
    ) {
        let answer = ask(world, &self.token(change), fields).await;
        refused(&format!("{self:?}: {name}"), &answer, status, code);
        assert_eq!(answer.json().get("claims_token"), None, "{self:?}: {name}");
    }
}

/// T14, and that either path is one: without it, the refusals below would say nothing.
#[tokio::test]
async fn t14_either_path_issues_its_token_and_no_refresh_token() {
    let world = world();
    for path in PATHS {
        let issued = path.issues("good", &world, &[]).await;
        assert_eq!((&issued["iss"], &issued["sub"]), (&json!(STS), &json!("sub-of-alice")));
        assert_eq!(issued["act"], path.expected(&Value::Null), "{path:?}");
    }
}

#[tokio::test]
async fn t1_whoever_else_has_the_token_gets_nothing() {
    let world = world();
    for path in PATHS {
        for (name, change) in [
            ("for an API, too", ("aud", json!([STS, RS]))),
            ("for another client, too", ("aud", json!([STS, "other"]))),
            ("for another alone", ("aud", json!("other"))),
            ("of nobody", ("client_id", Value::Null)),
        ] {
            path.refuses(name, &world, &[change], INVALID_TOKEN).await;
        }
    }
    let others = [("client_id", json!("other"))];
    Path::Person.refuses("another's", &world, &others, INSUFFICIENT_SCOPE).await;
    // Whose name is another client's is no person, and no client that this token was issued to.
    Path::Named.refuses("another's", &world, &others, INVALID_TOKEN).await;
    let others = [("client_id", json!("other")), ("sub", json!("other"))];
    Path::Named.refuses("another's own", &world, &others, INSUFFICIENT_SCOPE).await;
}

#[tokio::test]
async fn t2_no_target_hides_among_others() {
    let world = world();
    for path in PATHS {
        let without = |gone: &str| {
            let mut fields = path.fields();
            fields.retain(|(name, _)| *name != gone);
            fields
        };
        for (name, target) in [
            ("audience", EVIL),
            ("audience", "https://uma.bob.example.evil.example"),
            ("audience", "https://bob.example"),
            ("resource", "https://rs.denied.example"),
        ] {
            let mut fields = without(name);
            fields.push((name, target));
            path.refuses_for(target, &world, &[], &fields, INVALID_TARGET).await;
        }
        for (name, good, other) in [
            ("audience", UMA, EVIL),
            ("audience", UMA, "https://other.bob.example"),
            ("resource", RS, "https://rs.denied.example"),
            ("resource", RS, "https://other.bob.example"),
        ] {
            for pair in [[good, other], [other, good]] {
                let mut fields = without(name);
                fields.extend(pair.map(|target| (name, target)));
                path.refuses_for(other, &world, &[], &fields, INVALID_TARGET).await;
            }
        }
    }
}

#[tokio::test]
async fn t3_what_is_shown_is_an_access_token() {
    let world = world();
    for path in PATHS {
        let good = countersign_jwt::Unverified::parse(&path.token(&[])).unwrap();
        let said = Value::Object(good.claims().as_map().clone());
        for typ in ["JWT", "uma-claims+jwt", "actor+jwt", "client-authentication+jwt", "dpop+jwt"] {
            let answer = ask(&world, &sign(typ, &said), &path.fields()).await;
            refused(typ, &answer, 401, "invalid_token");
        }
        for text in ["opaque", "a.b.c"] {
            refused(text, &ask(&world, text, &path.fields()).await, 401, "invalid_token");
        }
        // What a token exchange says of its tokens has no place here.
        let kind = ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token");
        let fields: Vec<_> = path.fields().into_iter().chain([kind]).collect();
        path.refuses_for("a type", &world, &[], &fields, INVALID_REQUEST).await;
    }
}

#[tokio::test]
async fn t4_nothing_outlives_the_token_that_is_shown() {
    let world = world();
    // A login whose code was shown twice, and a token that its client revoked.
    let code = world.code("alice", &[]).await;
    let ended = world.redeem(&code).await.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.redeem(&code).await.error(), (400, "invalid_grant".to_owned()));
    let ended = claims(&ended).get("grant_id").unwrap().clone();
    let revoked = world.access_token("alice", "openid").await;
    let me = [("client_id", "rqp-client"), ("client_secret", SECRET)];
    world.post("/revoke", &[("token", &revoked), me[0], me[1]]).await;
    let revoked = json!(claims(&revoked).jwt_id().unwrap());
    for path in PATHS {
        let issued = path.issues("short", &world, &[("exp", json!(NOW + 50))]).await;
        assert_eq!(issued["exp"], NOW + 50, "{path:?}");
        let issued = path.issues("long", &world, &[("exp", json!(NOW + 5000))]).await;
        assert_eq!(issued["exp"], NOW + 120, "{path:?}");
        for (name, claim) in [
            ("over", ("exp", json!(NOW))),
            ("of a grant that has ended", ("grant_id", ended.clone())),
            ("revoked", ("jti", revoked.clone())),
            ("out of a revoked one", ("origin_jti", revoked.clone())),
            ("of somebody who is gone", ("sub", json!("nobody"))),
            ("of a client that is gone", ("client_id", json!("nobody"))),
        ] {
            path.refuses(name, &world, &[claim], INVALID_TOKEN).await;
        }
    }
}

#[tokio::test]
async fn t5_actors_come_from_evidence_alone() {
    let world = world();
    for path in PATHS {
        let mut fields = path.fields();
        fields.extend([("act", "{\"sub\":\"https://forged.example\"}"), ("actor", "forged")]);
        let issued = path.issues_for("forged", &world, &[], &fields).await;
        assert_eq!(issued["act"], path.expected(&Value::Null), "{path:?}");
        let mut fields = path.fields();
        fields.push(("actor_token", "forged"));
        path.refuses_for("an actor token", &world, &[], &fields, INVALID_REQUEST).await;

        let foreign = [("iss", json!("https://sts.evil.example")), ("act", agent())];
        path.refuses("a foreign issuer's", &world, &foreign, INVALID_TOKEN).await;
        for malformed in [json!("x"), json!([]), json!({}), json!({ "sub": 1 })] {
            path.refuses("malformed", &world, &[("act", malformed)], INVALID_TOKEN).await;
        }
    }
}

#[tokio::test]
async fn t6_nobody_else_becomes_the_actor_where_may_act_says_who() {
    let world = world();
    for path in PATHS {
        for (may_act, allowed) in [
            (json!({ "sub": "other" }), false),
            (json!({ "sub": "rqp-client", "iss": "https://sts.evil.example" }), false),
            (json!({ "sub": "rqp-client" }), true),
        ] {
            // A person's own word is nobody's act.
            if allowed || path == Path::Person {
                let issued = path.issues("named", &world, &[("may_act", may_act)]).await;
                assert_eq!(issued["act"], path.expected(&Value::Null), "{path:?}");
            } else {
                path.refuses("another", &world, &[("may_act", may_act)], INVALID_REQUEST).await;
            }
        }
        path.refuses("malformed", &world, &[("may_act", json!("everybody"))], INVALID_TOKEN).await;
    }
}

#[tokio::test]
async fn t7_former_actors_are_history() {
    let world = world();
    for path in PATHS {
        let mut before = agent();
        before["act"] = json!({ "sub": "rqp-client" });
        let issued = path.issues("kept", &world, &[("act", before.clone())]).await;
        assert_eq!(issued["act"], path.expected(&before), "{path:?}");
        // Who acted in another client's token does not act with it.
        let others = [("client_id", json!("other")), ("act", json!({ "sub": "rqp-client" }))];
        let with = if path == Path::Person { INSUFFICIENT_SCOPE } else { INVALID_TOKEN };
        path.refuses("of another's token", &world, &others, with).await;
        let own = Path::Named.expected(&Value::Null);
        let issued = path.issues("once", &world, &[("act", own.clone())]).await;
        assert_eq!(issued["act"], own, "{path:?}");
    }
}

#[tokio::test]
async fn t8_chains_have_an_end() {
    let world = world();
    for path in PATHS {
        // A chain that is longer than any may be is no claim of an access token.
        let (longest, with) =
            if path == Path::Person { (5, INVALID_TOKEN) } else { (4, INVALID_REQUEST) };
        path.issues("longest", &world, &[("act", chain(longest))]).await;
        for (name, act, with) in [
            ("longer", chain(longest + 1), with),
            ("large", json!({ "sub": "x".repeat(5_000) }), INVALID_TOKEN),
        ] {
            path.refuses(name, &world, &[("act", act)], with).await;
        }
    }
}

/// T9, T10: nobody takes a person's place but whom the person let, or who may name them and says
/// so.
#[tokio::test]
async fn t9_t10_nobody_takes_the_persons_place() {
    let (world, nobodys) = (world(), changed_by(|client| client.exchange.people = None));
    for path in PATHS {
        let scope = [("scope", json!("openid email get"))];
        path.refuses("no consent", &world, &scope, INSUFFICIENT_SCOPE).await;
        let mut fields = asked();
        fields.push(("email_address", "mallory@alice.example"));
        let with = if path == Path::Person { INVALID_REQUEST } else { INSUFFICIENT_SCOPE };
        path.refuses_for("another person", &world, &[], &fields, with).await;
    }
    for claim in [("email", Value::Null), ("email_verified", json!(false))] {
        Path::Person.refuses("no person", &world, &[claim], INVALID_REQUEST).await;
    }
    Path::Named.refuses("without a list", &nobodys, &[], INSUFFICIENT_SCOPE).await;
    Path::Person.issues("and the person needs none", &nobodys, &[]).await;
    // An actor token is for the token endpoint, whosever it is.
    for path in PATHS {
        let mut fields = path.fields();
        let kind = ("actor_token_type", JWT);
        fields.extend([("actor_token", "x"), kind]);
        path.refuses_for("T9", &world, &[], &fields, INVALID_REQUEST).await;
        path.refuses_for(
            "T9, its type",
            &world,
            &[],
            &[&path.fields()[..], &[kind]].concat(),
            INVALID_REQUEST,
        )
        .await;
    }
}

/// A claims token is bound to no key: a token that is, is refused, proof or none.
#[tokio::test]
async fn t13_a_binding_is_not_dropped() {
    let world = world();
    let key = countersign_jwt::SigningKey::generate(countersign_jwt::Algorithm::Es256, None);
    let key = key.unwrap();
    let jkt = key.public().thumbprint().to_base64url();
    for path in PATHS {
        for cnf in [json!({ "jkt": jkt }), json!({ "jkt": "x" }), json!({}), json!("x")] {
            path.refuses("no proof", &world, &[("cnf", cnf)], INVALID_TOKEN).await;
        }
        let bound = path.token(&[("cnf", json!({ "jkt": jkt }))]);
        for (scheme, url) in [("Bearer", "claims"), ("DPoP", "claims"), ("Bearer", "token")] {
            let htu = json!(format!("{STS}/{url}"));
            let proof = dpop_proof(&key, &crate::acting::jti(), &[("htu", htu)]);
            let request = Request::post("/claims")
                .header(AUTHORIZATION, format!("{scheme} {bound}"))
                .header("dpop", proof)
                .header(CONTENT_TYPE, FORM);
            let request = request.body(Body::from(encoded(&path.fields()))).unwrap();
            let answer = world.send(request).await;
            refused(&format!("{path:?}: {scheme} {url}"), &answer, 401, "invalid_token");
        }
        assert_eq!(path.issues("plain", &world, &[]).await.get("cnf"), None);
    }
}

#[tokio::test]
async fn t15_a_claims_token_carries_no_scope() {
    let world = world();
    for path in PATHS {
        for scope in ["*", "GET", "get  email", "get\temail", "get", "claims-provider"] {
            let mut fields = path.fields();
            fields.push(("scope", scope));
            path.refuses_for(scope, &world, &[], &fields, INVALID_SCOPE).await;
        }
        assert_eq!(path.issues("good", &world, &[]).await.get("scope"), None, "{path:?}");
        // The scope of the token that is shown is compared as it is, too.
        for scope in ["CLAIMS-PROVIDER", "*", "claims-provider2"] {
            path.refuses(scope, &world, &[("scope", json!(scope))], INSUFFICIENT_SCOPE).await;
        }
    }
}
