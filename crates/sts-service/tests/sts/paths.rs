//! T1 to T10 and T13 to T15 on every path that exchanges: no product of an exchange comes by a way
//! on which somebody forgot a check of another.

mod actors;

use countersign_jwt::{Algorithm, SigningKey};
use countersign_token_exchange::ServerPolicy;
use countersign_token_exchange::policy::{JwtProfile, RegisteredTarget};
use countersign_types::{Issuer, ResourceIdentifier};
use serde_json::{Value, json};

use crate::acting::*;
use crate::support::*;

const PROFILED: &str = "The API";
const EVIL: &str = "https://rp.evil.example";

/// A way through the exchange: what is asked for, and whether somebody acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    ClaimsToken,
    ClaimsTokenByActor,
    /// The drawing's form: the actor token names the target.
    IdentityToken,
    /// The strict form: the request does.
    IdentityTokenStrict,
    AccessToken,
    AccessTokenByActor,
    /// An access token that whoever it is for exchanges once more.
    Onward,
    /// What a target's profile makes of a JWT that nothing else explains.
    Profile,
}

const PATHS: [Path; 8] = [
    Path::ClaimsToken,
    Path::ClaimsTokenByActor,
    Path::IdentityToken,
    Path::IdentityTokenStrict,
    Path::AccessToken,
    Path::AccessTokenByActor,
    Path::Onward,
    Path::Profile,
];

type Claim<'a> = (&'a str, Value);
type Param<'a> = (&'static str, &'a str);

/// What differs from a request that succeeds.
#[derive(Clone, Copy, Default)]
struct Change<'a> {
    subject: &'a [Claim<'a>],
    actor: &'a [Claim<'a>],
    params: &'a [Param<'a>],
    /// DPoP proofs, of which a request has none by itself.
    proofs: &'a [&'a str],
}

impl Path {
    /// Whom the actor token is made out to, if there is one.
    const fn actor(self) -> Option<&'static str> {
        match self {
            Self::ClaimsToken | Self::AccessToken | Self::Profile => None,
            Self::IdentityToken => Some(RP),
            Self::AccessTokenByActor => Some(RS),
            Self::ClaimsTokenByActor | Self::IdentityTokenStrict | Self::Onward => Some(STS),
        }
    }

    const fn params(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::ClaimsToken | Self::ClaimsTokenByActor => {
                &[("audience", UMA), ("resource", RS), ("ticket_challenge", CHALLENGE)]
            }
            Self::IdentityToken => &[],
            Self::IdentityTokenStrict => &[("resource", RP)],
            Self::AccessToken => &[("requested_token_type", ACCESS_TOKEN), ("resource", RS)],
            Self::AccessTokenByActor => &[("requested_token_type", ACCESS_TOKEN)],
            Self::Onward => {
                &[("requested_token_type", ACCESS_TOKEN), ("resource", NEXT), ("resource", STS)]
            }
            Self::Profile => &[("resource", PROFILED)],
        }
    }

    /// Which parameter names whom the token is for: a claims token is for an authorization server.
    const fn target(self) -> &'static str {
        match self {
            Self::ClaimsToken | Self::ClaimsTokenByActor => "audience",
            _ => "resource",
        }
    }

    /// Whether the token that is issued carries scope.
    const fn is_scoped(self) -> bool {
        matches!(self, Self::AccessToken | Self::AccessTokenByActor | Self::Onward | Self::Profile)
    }

    async fn exchange(self, case: &Case, change: Change<'_>) -> Answer {
        let mut subject = vec![("scope", json!("openid email get claims-provider"))];
        subject.extend_from_slice(change.subject);
        let subject = case.subject(&subject);
        let actor = self.actor().map(|aud| {
            let mut claims = vec![("aud", json!(aud))];
            claims.extend_from_slice(change.actor);
            case.sign(&case.actor(&claims))
        });
        let mut params = vec![("subject_token", subject.as_str())];
        match &actor {
            Some(actor) => params.push(("actor_token", actor)),
            None => params.extend([("actor_token", ""), ("actor_token_type", "")]),
        }
        let stays = |param: &&(&str, &str)| change.params.iter().all(|(name, _)| *name != param.0);
        params.extend(self.params().iter().copied());
        let mut params: Vec<_> = params.iter().filter(stays).copied().collect();
        params.extend(change.params);
        case.exchange_with(change.proofs, &params).await
    }

    /// Checks that a request is refused, with everything else in order.
    async fn refuses(self, name: &str, case: &Case, change: Change<'_>, code: &str) {
        let answer = self.exchange(case, change).await;
        check(&format!("{self:?}: {name}"), &answer, 400, code);
    }

    /// The claims of what is issued.
    async fn issues(self, name: &str, case: &Case, change: Change<'_>) -> Value {
        let answer = self.exchange(case, change).await;
        assert_eq!(answer.status.as_u16(), 200, "{self:?}: {name}: {}", answer.text);
        let body = answer.json();
        // T14: nothing that outlives the exchange by itself.
        assert_eq!(body.get("refresh_token"), None, "{self:?}: {name}");
        Value::Object(claims(body["access_token"].as_str().unwrap()).as_map().clone())
    }
}

fn policy() -> ServerPolicy {
    let mut policy = server_policy();
    policy.targets.push(RegisteredTarget {
        name: PROFILED.to_owned(),
        audience: Issuer::parse(RS).unwrap(),
        resource: ResourceIdentifier::parse(RS).unwrap(),
        jwt_profile: Some(JwtProfile::AccessToken),
    });
    policy
}

async fn case() -> Case {
    Case::with(policy()).await
}

/// T14, and that every path is one: without it, the refusals below would say nothing.
#[tokio::test]
async fn t14_every_path_issues_its_token_and_no_refresh_token() {
    let case = case().await;
    for path in PATHS {
        let claims = path.issues("good", &case, Change::default()).await;
        assert_eq!(claims["iss"], STS, "{path:?}");
    }
}

#[tokio::test]
async fn t1_a_token_of_another_client_is_exchanged_by_nobody() {
    let case = case().await;
    for path in PATHS {
        for (name, subject) in [
            ("another's", vec![("client_id", json!("rqp-client"))]),
            ("another's, for another", {
                vec![("client_id", json!("rqp-client")), ("aud", json!([STS, NEXT]))]
            }),
            ("for itself, of a client", vec![("sub", json!("rqp-client"))]),
        ] {
            path.refuses(
                name,
                &case,
                Change { subject: &subject, ..Change::default() },
                "invalid_request",
            )
            .await;
        }
        // Named as an audience, the client is whom the token is for.
        let subject = [("client_id", json!("rqp-client")), ("aud", json!([STS, MAIL]))];
        path.issues("for this one", &case, Change { subject: &subject, ..Change::default() }).await;
    }
}

#[tokio::test]
async fn t2_no_target_hides_among_others() {
    let mut policy = policy();
    policy.denied.push("https://denied.bob.example".parse().unwrap());
    let case = Case::with(policy).await;
    for path in PATHS {
        // What has no profile cannot even be asked for in that way.
        let code = if path == Path::Profile { "invalid_request" } else { "invalid_target" };
        let made_out_to = |target: &'static str| match path.actor() {
            Some(STS) | None => vec![],
            Some(_) => vec![("aud", json!(target))],
        };
        for target in [EVIL, "https://rp.bob.example.evil.example", "https://bob.example"] {
            let actor = made_out_to(target);
            let params = [(path.target(), target)];
            let change = Change { actor: &actor, params: &params, ..Change::default() };
            path.refuses(target, &case, change, code).await;
        }
        let denied = "https://denied.bob.example";
        let actor = made_out_to(denied);
        let params = [("resource", denied)];
        let change = Change { actor: &actor, params: &params, ..Change::default() };
        path.refuses("denied", &case, change, code).await;

        let mut good: Vec<_> = path.params().to_vec();
        good.retain(|(name, _)| *name == "resource");
        if good.is_empty() {
            good.push(("resource", path.actor().unwrap_or_default()));
        }
        for other in [EVIL, "https://other.bob.example"] {
            for at in [0, good.len()] {
                let mut params = good.clone();
                params.insert(at, ("resource", other));
                let change = Change { params: &params, ..Change::default() };
                path.refuses("one of several", &case, change, code).await;
            }
        }
    }
}

#[tokio::test]
async fn t3_a_subject_token_is_of_the_type_it_is_said_to_be() {
    let case = case().await;
    let id_token = sign(
        "JWT",
        &json!({ "iss": STS, "sub": "sub-of-alice", "aud": MAIL,
        "exp": NOW + 100, "iat": NOW, "jti": "i", "client_id": MAIL }),
    );
    let tokens = [
        ("an ID token", id_token),
        ("an actor token", case.sign(&case.actor(&[("aud", json!(STS))]))),
        ("a client assertion", case.sign(&case.assertion(&[]))),
        ("opaque", "opaque".to_owned()),
        ("nothing", String::new()),
    ];
    for path in PATHS {
        for (name, token) in &tokens {
            let params = [("subject_token", token.as_str())];
            let change = Change { params: &params, ..Change::default() };
            path.refuses(name, &case, change, "invalid_request").await;
        }
        for kind in ["jwt", "id_token", "refresh_token", "saml1", "saml2", "nonsense"] {
            let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
            let params = [("subject_token_type", kind.as_str())];
            let change = Change { params: &params, ..Change::default() };
            path.refuses(&kind, &case, change, "invalid_request").await;
        }
    }
}

#[tokio::test]
async fn t4_nothing_outlives_its_subject_token() {
    let case = case().await;
    // A login whose code was shown twice: what it gave is revoked.
    let world = &case.world;
    let code = world.code("alice", &[]).await;
    let revoked = world.redeem(&code).await.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.redeem(&code).await.error(), (400, "invalid_grant".to_owned()));
    let ended = claims(&revoked).get("grant_id").unwrap().clone();
    let revoked = claims(&revoked_by_its_client(world).await).jwt_id().unwrap().to_owned();
    for path in PATHS {
        let subject = [("exp", json!(NOW + 50))];
        let issued =
            path.issues("short", &case, Change { subject: &subject, ..Change::default() }).await;
        assert_eq!(issued["exp"], NOW + 50, "{path:?}");
        for (name, claim) in [
            ("over", ("exp", json!(NOW))),
            ("of a grant that has ended", ("grant_id", ended.clone())),
            ("revoked", ("jti", json!(revoked))),
            ("out of a revoked one", ("origin_jti", json!(revoked))),
            ("of somebody who is gone", ("sub", json!("nobody"))),
        ] {
            let change = Change { subject: &[claim], ..Change::default() };
            path.refuses(name, &case, change, "invalid_request").await;
        }
    }
}

/// An access token that its client revoked.
async fn revoked_by_its_client(world: &World) -> String {
    let token = world.access_token("alice", "openid").await;
    let me = [("client_id", "rqp-client"), ("client_secret", SECRET)];
    let answer = world.post("/revoke", &[("token", &token), me[0], me[1]]).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    token
}

/// What a key binds is of no use where that key is not proved, and what is issued is bound to it;
/// where nobody could ask for the proof, nothing is issued.
#[tokio::test]
async fn t13_a_binding_is_not_dropped() {
    let case = case().await;
    let [key, other] = [(); 2].map(|()| SigningKey::generate(Algorithm::Es256, None).unwrap());
    let cnf = json!({ "jkt": key.public().thumbprint().to_base64url() });
    for path in PATHS {
        let bound = [("cnf", cnf.clone())];
        let change = Change { subject: &bound, ..Change::default() };
        path.refuses("no proof", &case, change, "invalid_request").await;
        let proof = dpop_proof(&other, &jti(), &[]);
        let change = Change { subject: &bound, proofs: &[&proof], ..Change::default() };
        path.refuses("another key", &case, change, "invalid_request").await;
        for (name, subject) in [("bound", &bound[..]), ("not bound before", &[][..])] {
            let proof = dpop_proof(&key, &jti(), &[]);
            let change = Change { subject, proofs: &[&proof], ..Change::default() };
            if let Path::ClaimsToken | Path::ClaimsTokenByActor = path {
                path.refuses(name, &case, change, "invalid_request").await;
                path.refuses("refused, not used", &case, change, "invalid_request").await;
            } else {
                let issued = path.issues(name, &case, change).await;
                assert_eq!(issued["cnf"], cnf, "{path:?}: {name}");
                path.refuses("used", &case, change, "invalid_dpop_proof").await;
            }
        }
        assert_eq!(path.issues("plain", &case, Change::default()).await.get("cnf"), None);
        for cnf in [json!({ "jkt": "x" }), json!({ "x5t#S256": "x" }), json!({}), json!("x")] {
            let subject = [("cnf", cnf)];
            let change = Change { subject: &subject, ..Change::default() };
            path.refuses("bound", &case, change, "invalid_request").await;
        }
    }
}

#[tokio::test]
async fn t15_scopes_are_compared_as_they_are_on_every_path() {
    let case = case().await;
    for path in PATHS {
        for scope in ["*", "GET", "get  email", "get\temail", "put", "get put"] {
            let params = [("scope", scope)];
            let change = Change { params: &params, ..Change::default() };
            path.refuses(scope, &case, change, "invalid_scope").await;
        }
        let params = [("scope", "get")];
        let change = Change { params: &params, ..Change::default() };
        if path.is_scoped() {
            let issued = path.issues("narrower", &case, change).await;
            assert_eq!(issued["scope"], "get", "{path:?}");
        } else {
            path.refuses("it carries none", &case, change, "invalid_scope").await;
        }
    }
}
