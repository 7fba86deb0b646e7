//! The endpoints of the issuers where a token is a parameter of its own: UserInfo, hints, codes, refresh tokens,
//! revocation and introspection, client assertions there, and PATs.
//!
//! Revocation and introspection answer about what is none of theirs as about what is over: 200, or
//! `{"active": false}`. Refused there means that nothing was revoked, or exactly that answer.

use countersign_client_auth::dpop;
use countersign_testkit::names;
use countersign_types::digest::Digest;
use http::Method;
use serde_json::{Value, json};

use super::doors::Door;
use super::of_bob;
use super::world::{Answer, Open, World, judge, with};
use crate::acting::{ASSERTION_TYPE, CLIENT, jti};
use crate::bed::{Bed, Credentials, Form, Reply, bearer, challenge_of, claims_of, sign};

pub(super) const GOODBYE: &str = "https://app.alice.example/bye";

const RQP: Credentials = Credentials::Basic(names::RQP_CLIENT, names::RQP_SECRET);
const RS: Credentials = Credentials::Basic(names::RS_CLIENT, names::RS_SECRET);

impl World {
    /// What a JWT has to say at one of these places.
    pub(super) fn said_at(&self, door: Door) -> Option<Value> {
        let of_alice = json!({ "aud": names::STS, "client_id": names::RQP_CLIENT, "jti": jti(),
            "scope": "openid email", "may_act": null, "grant_id": null, "cnf": null });
        let hint = json!({ "iss": names::STS, "sub": names::ALICE_SUB, "aud": names::RQP_CLIENT,
            "sid": "a session", "nonce": null, "at_hash": null, "azp": null });
        match door {
            Door::UserInfo | Door::StsIntrospection | Door::StsRevocation => {
                Some(with(&self.of_alice(), &of_alice))
            }
            Door::ProvidersClaims => {
                let changes = json!({ "aud": names::CLAIMS_PROVIDER, "scope": "claims-provider" });
                Some(with(&with(&self.of_alice(), &of_alice), &changes))
            }
            Door::HintAtAuthorize | Door::HintAtLogout => Some(with(&self.fresh(), &hint)),
            Door::AssertionAtIntrospection | Door::AssertionAtRevocation => {
                Some(self.own(names::STS))
            }
            Door::AssertionAtUmaRevocation => Some(self.own(names::UMA)),
            _ => None,
        }
    }

    /// What a proof says that goes to UserInfo beside a bound access token of Alice's, and that token.
    pub(super) async fn proved_at_userinfo(&self) -> (Value, String) {
        let cnf = dpop::confirmation(&self.acting.key).to_claim();
        let said = self.said_at(Door::UserInfo).unwrap_or_default();
        let mut said = with(&said, &json!({ "cnf": cnf }));
        crate::acting::apply(&mut said, &[]);
        let token = sign("at+jwt", countersign_testkit::keys::ES256_A, &said);
        let ath = Digest::of(token.as_bytes()).to_base64url();
        let endpoint = self.acting.bed.sts("userinfo_endpoint").await;
        (with(&self.fresh(), &json!({ "htm": "GET", "htu": endpoint, "ath": ath })), token)
    }

    /// Offers a token there.
    pub(super) async fn offer_issuer(&self, door: Door, open: Open, token: &str) -> Answer {
        let bed = &self.acting.bed;
        match door {
            Door::UserInfo => {
                let (name, value) = bearer(token);
                let endpoint = bed.sts("userinfo_endpoint").await;
                let reply = bed.get(&endpoint, &[(name, &value)]).await;
                challenged(&reply, "invalid_token")
            }
            Door::KeyAtUserInfo => {
                let bound = format!("DPoP {}", open.bound.unwrap_or_default());
                let headers = [("authorization", bound.as_str()), ("dpop", token)];
                let reply = bed.get(&bed.sts("userinfo_endpoint").await, &headers).await;
                challenged(&reply, "invalid_dpop_proof")
            }
            Door::HintAtAuthorize => self.hint_at_authorize(token).await,
            Door::HintAtLogout => {
                let endpoint = bed.sts("end_session_endpoint").await;
                let reply = bed.get(&leaving(&endpoint, token), &[]).await;
                match (reply.status, reply.header("location")) {
                    (303, GOODBYE) => Answer::Accepted,
                    // The page that says good-bye, and leads nowhere.
                    (200, _) if !reply.text().contains(GOODBYE) => Answer::Refused,
                    _ => Answer::Odd(format!("{reply:?}")),
                }
            }
            Door::StsIntrospection => {
                let form = Form::new(&[("token", token)], RQP);
                is_active(&bed.post(&bed.sts("introspection_endpoint").await, &form).await)
            }
            Door::StsRevocation => self.revoke_at_sts(open, token).await,
            Door::UmaRevocation => self.revoke_at_uma(open, token).await,
            Door::AssertionAtIntrospection => {
                asserted(bed, &bed.sts("introspection_endpoint").await, token).await
            }
            Door::AssertionAtRevocation => {
                asserted(bed, &bed.sts("revocation_endpoint").await, token).await
            }
            Door::AssertionAtUmaRevocation => {
                asserted(bed, &bed.uma("revocation_endpoint").await, token).await
            }
            Door::Code => judge(&crate::sts::redeem(bed, token).await, 200, INVALID_GRANT),
            Door::StsRefresh => refreshed(bed, &bed.sts("token_endpoint").await, token, RQP).await,
            Door::UmaCode => judge(&of_bob::redeem(bed, token).await, 200, INVALID_GRANT),
            Door::UmaRefresh => self.refresh_at_uma(token).await,
            Door::PatAtPermission => {
                let asked = json!({ "resource_id": self.registered, "resource_scopes": ["get"] });
                let endpoint = bed.uma("permission_endpoint").await;
                by_pat(&bed.json(Method::POST, &endpoint, token, &asked).await, 201)
            }
            Door::PatAtIntrospection => {
                let form = Form::new(&[("token", "x")], Credentials::Bearer(token.to_owned()));
                by_pat(&bed.post(&bed.uma("introspection_endpoint").await, &form).await, 200)
            }
            Door::ProvidersClaims => self.ask_the_provider(token).await,
            _ => Answer::Odd("this is no place of an issuer".to_owned()),
        }
    }

    /// Alice is there, and her application asks whether she is still who it means.
    async fn hint_at_authorize(&self, token: &str) -> Answer {
        let endpoint = self.acting.bed.sts("authorization_endpoint").await;
        let more = [("prompt", "none"), ("id_token_hint", token)];
        let url = crate::sts::authorization(&endpoint, "openid email claims-provider", &more);
        let reply = self.browser.get(&url).await;
        let location = reply.location();
        match location.split_once('?').map(|(_, query)| query) {
            Some(query) if query.starts_with("code=") => Answer::Accepted,
            Some(query) if query.starts_with("error=login_required&") => Answer::Refused,
            _ => Answer::Odd(location),
        }
    }

    /// A revocation that ends what it is shown, or what came of the same login.
    async fn revoke_at_sts(&self, open: Open, token: &str) -> Answer {
        let bed = &self.acting.bed;
        let introspection = bed.sts("introspection_endpoint").await;
        let alive = async |token: &str| {
            let form = Form::new(&[("token", token)], RQP);
            matches!(is_active(&bed.post(&introspection, &form).await), Answer::Accepted)
        };
        // What is said to be revoked as an access token would be: by its `jti` and its grant.
        let named = || {
            let said = token.split('.').count() == 3;
            let said = said.then(|| claims_of(token).1).filter(Value::is_object)?;
            let mut watched = self.said_at(Door::StsIntrospection)?;
            let names = ["jti", "grant_id"].map(|name| (name, said[name].clone()));
            let names: Vec<_> = names.into_iter().filter(|(_, it)| it.is_string()).collect();
            crate::acting::apply(&mut watched, &names);
            Some(sign("at+jwt", countersign_testkit::keys::ES256_A, &watched))
        };
        // What came with another server's token is none of this one's.
        let watched = match open.watched {
            Some(watched) if alive(&watched).await => Some(watched),
            _ => named(),
        };
        let Some(watched) = watched else {
            let form = Form::new(&[("token", token)], RQP);
            let reply = bed.post(&bed.sts("revocation_endpoint").await, &form).await;
            return nothing_said(&reply);
        };
        if !alive(&watched).await {
            return Answer::Odd("there is nothing to end".to_owned());
        }
        let form = Form::new(&[("token", token)], RQP);
        let reply = bed.post(&bed.sts("revocation_endpoint").await, &form).await;
        match nothing_said(&reply) {
            Answer::Refused if !alive(&watched).await => Answer::Accepted,
            other => other,
        }
    }

    /// The same at the UMA server, by whoever might have it there.
    async fn revoke_at_uma(&self, open: Open, token: &str) -> Answer {
        let bed = &self.acting.bed;
        let watched = open.watched.as_deref().unwrap_or(token);
        let (introspection, registration) = (
            bed.uma("introspection_endpoint").await,
            bed.uma("resource_registration_endpoint").await,
        );
        let pat = bed.pat(names::RS_CLIENT, names::RS_SECRET).await;
        let alive = async || {
            let form = Form::new(&[("token", watched)], Credentials::Bearer(pat.clone()));
            let as_rpt = is_active(&bed.post(&introspection, &form).await);
            let as_pat = bed.json(Method::GET, &registration, watched, &Value::Null).await;
            matches!(as_rpt, Answer::Accepted) || as_pat.status == 200
        };
        let before = alive().await;
        for client in [RQP, RS] {
            let form = Form::new(&[("token", token)], client);
            let reply = bed.post(&bed.uma("revocation_endpoint").await, &form).await;
            if let Answer::Odd(what) = nothing_said(&reply) {
                return Answer::Odd(what);
            }
        }
        if before && !alive().await { Answer::Accepted } else { Answer::Refused }
    }

    /// By whoever has refresh tokens there: an application for RPTs, a resource server for PATs and for nothing else.
    async fn refresh_at_uma(&self, token: &str) -> Answer {
        let bed = &self.acting.bed;
        let endpoint = bed.uma("token_endpoint").await;
        match refreshed(bed, &endpoint, token, RQP).await {
            Answer::Refused => {}
            other => return other,
        }
        let params = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let reply = bed.post(&endpoint, &Form::new(&params, RS)).await;
        match (reply.status, reply.error().as_str()) {
            (400, "unauthorized_client") => Answer::Refused,
            _ => judge(&reply, 200, INVALID_GRANT),
        }
    }

    /// Its own server, in front of an STS with the same keys.
    async fn ask_the_provider(&self, token: &str) -> Answer {
        let url = format!("{}/.well-known/claims-provider-configuration", names::CLAIMS_PROVIDER);
        let endpoint = self.provided.get(&url, &[]).await.member("claims_endpoint");
        let challenge = challenge_of("a ticket");
        let params = [
            ("audience", names::UMA),
            ("resource", names::RS),
            ("ticket_challenge", challenge.as_str()),
        ];
        let form = Form::new(&params, Credentials::Bearer(token.to_owned()));
        let reply = self.provided.post(&endpoint, &form).await;
        match (reply.status, reply.error().as_str()) {
            (403, "insufficient_scope") => Answer::Refused,
            _ => judge(&reply, 200, (401, "invalid_token")),
        }
    }
}

const INVALID_GRANT: (u16, &str) = (400, "invalid_grant");

async fn refreshed(bed: &Bed, endpoint: &str, token: &str, client: Credentials) -> Answer {
    let params = [("grant_type", "refresh_token"), ("refresh_token", token)];
    judge(&bed.post(endpoint, &Form::new(&params, client)).await, 200, INVALID_GRANT)
}

/// A client proves by a token who it is; what it asks about is nothing.
async fn asserted(bed: &Bed, endpoint: &str, assertion: &str) -> Answer {
    let params = [
        ("token", "x"),
        ("client_id", CLIENT),
        ("client_assertion", assertion),
        ("client_assertion_type", ASSERTION_TYPE),
    ];
    let reply = bed.post(endpoint, &Form::new(&params, Credentials::None)).await;
    judge(&reply, 200, (401, "invalid_client"))
}

/// Where somebody who leaves goes, with a hint of the application's.
fn leaving(endpoint: &str, hint: &str) -> String {
    let mut url = countersign_types::EndpointUrl::parse(endpoint).unwrap().as_url().clone();
    let pairs = [("id_token_hint", hint), ("post_logout_redirect_uri", GOODBYE)];
    url.query_pairs_mut().extend_pairs(pairs);
    url.into()
}

fn challenged(reply: &Reply, code: &str) -> Answer {
    let challenge = reply.header("www-authenticate");
    match reply.status {
        200 => Answer::Accepted,
        401 if challenge.contains(code) => Answer::Refused,
        403 if challenge.contains("insufficient_scope") => Answer::Refused,
        _ => Answer::Odd(format!("{reply:?}")),
    }
}

fn by_pat(reply: &Reply, accepted: u16) -> Answer {
    match (reply.status, reply.error().as_str()) {
        (403, "insufficient_scope") => Answer::Refused,
        _ => judge(reply, accepted, (401, "invalid_token")),
    }
}

/// RFC 7662 §2.2: what is not active is that, and nothing more is said about it.
fn is_active(reply: &Reply) -> Answer {
    match (reply.status, reply.json()) {
        (200, body) if body["active"] == true => Answer::Accepted,
        (200, body) if body == json!({ "active": false }) => Answer::Refused,
        _ => Answer::Odd(format!("{reply:?}")),
    }
}

/// RFC 7009 §2.1, §2.2: 200 whatever it was, or another client's.
fn nothing_said(reply: &Reply) -> Answer {
    match (reply.status, reply.error().as_str()) {
        (200, "") if reply.body.is_empty() => Answer::Refused,
        (400, "invalid_grant" | "invalid_request" | "unauthorized_client") => Answer::Refused,
        _ => Answer::Odd(format!("{reply:?}")),
    }
}
