//! The places of Alice's STS: what an exchange takes, what a client shows of its own, what tokens
//! are asked about, given back and renewed by, and what a browser brings.

use std::sync::Arc;

use countersign_client_auth::dpop;
use countersign_testkit::{keys, names};
use countersign_types::EndpointUrl;
use countersign_types::digest::Digest;
use serde_json::{Value, json};

use super::answers::{
    Answer, INVALID_GRANT, RQP, asserted, is_active, judge, nothing_said, refreshed,
};
use super::doors::Door;
use super::world::{Open, World, with};
use crate::acting::{LETTERS, jti};
use crate::bed::{Form, Reply, bearer, claims_of, sign};

pub(super) const GOODBYE: &str = "https://app.alice.example/bye";

impl World {
    /// Goes to a place of the STS.
    pub(super) async fn open_at_sts(&self, door: Door) -> Open {
        let of_sts = |said| Open::for_jwt(said, Arc::new(keys::signing(keys::ES256_A)));
        let of_client = |said| Open::for_jwt(said, Arc::clone(&self.acting.key));
        match door {
            Door::Subject | Door::SubjectOtherwise => {
                let said = json!({ "client_id": names::RQP_CLIENT, "jti": jti(), "may_act": null });
                of_sts(with(&self.of_alice(), &said))
            }
            Door::Actor => {
                of_client(with(&self.own(LETTERS), &json!({ "nbf": self.acting.bed.now() })))
            }
            Door::StsAssertion | Door::AssertionAtIntrospection | Door::AssertionAtRevocation => {
                of_client(self.own(names::STS))
            }
            Door::Dpop => {
                let endpoint = self.acting.bed.sts("token_endpoint").await;
                let said = with(&self.fresh(), &json!({ "htm": "POST", "htu": endpoint }));
                of_client(said).with_its_own_key()
            }
            Door::KeyAtUserInfo => {
                let (said, token) = self.proved_at_userinfo().await;
                Open { bound: Some(token), ..of_client(said).with_its_own_key() }
            }
            Door::UserInfo | Door::StsIntrospection | Door::StsRevocation => {
                of_sts(self.shown_to_the_sts())
            }
            Door::HintAtAuthorize | Door::HintAtLogout => {
                let hint = json!({ "iss": names::STS, "sub": names::ALICE_SUB,
                    "aud": names::RQP_CLIENT, "sid": "a session", "nonce": null, "at_hash": null,
                    "azp": null });
                of_sts(with(&self.fresh(), &hint))
            }
            Door::ClaimsEndpoint => of_sts(self.shown_for_claims()),
            Door::ProvidersClaims => of_sts(self.shown_to_the_provider()),
            Door::UserQuery => of_sts(self.shown_to_ask()),
            _ => Open::default(),
        }
    }

    /// What an access token of Alice's says that is shown to the STS itself.
    pub(super) fn shown_to_the_sts(&self) -> Value {
        let said = json!({ "aud": names::STS, "client_id": names::RQP_CLIENT, "jti": jti(),
            "scope": "openid email", "may_act": null, "grant_id": null, "cnf": null });
        with(&self.of_alice(), &said)
    }

    /// What a proof says that goes to UserInfo beside a bound access token of Alice's, and that
    /// token.
    async fn proved_at_userinfo(&self) -> (Value, String) {
        let cnf = dpop::confirmation(&self.acting.key).to_claim();
        let mut said = with(&self.shown_to_the_sts(), &json!({ "cnf": cnf }));
        crate::acting::apply(&mut said, &[]);
        let token = sign("at+jwt", keys::ES256_A, &said);
        let ath = Digest::of(token.as_bytes()).to_base64url();
        let endpoint = self.acting.bed.sts("userinfo_endpoint").await;
        (with(&self.fresh(), &json!({ "htm": "GET", "htu": endpoint, "ath": ath })), token)
    }

    /// Offers a token there.
    pub(super) async fn offer_at_sts(&self, door: Door, open: Open, token: &str) -> Answer {
        let (bed, acting) = (&self.acting.bed, &self.acting);
        let subject = acting.subject(&[]);
        let exchange = async |parameter: &str| {
            acting.exchange(&[("subject_token", &subject), (parameter, token)]).await
        };
        match door {
            Door::Subject => {
                let reply = acting.exchange(&[("subject_token", token)]).await;
                judge(&reply, 200, (400, "invalid_request"))
            }
            Door::SubjectOtherwise => self.otherwise(token).await,
            Door::Actor => judge(&exchange("actor_token").await, 200, (400, "invalid_request")),
            Door::StsAssertion => {
                judge(&exchange("client_assertion").await, 200, (401, "invalid_client"))
            }
            Door::AssertionAtIntrospection => {
                asserted(bed, &bed.sts("introspection_endpoint").await, token).await
            }
            Door::AssertionAtRevocation => {
                asserted(bed, &bed.sts("revocation_endpoint").await, token).await
            }
            Door::Dpop => {
                let reply = acting.exchange_with(Some(token), &[]).await;
                judge(&reply, 200, (400, "invalid_dpop_proof"))
            }
            Door::UserInfo => {
                let (name, value) = bearer(token);
                let endpoint = bed.sts("userinfo_endpoint").await;
                challenged(&bed.get(&endpoint, &[(name, &value)]).await, "invalid_token")
            }
            Door::KeyAtUserInfo => {
                let bound = format!("DPoP {}", open.bound.unwrap_or_default());
                let headers = [("authorization", bound.as_str()), ("dpop", token)];
                let reply = bed.get(&bed.sts("userinfo_endpoint").await, &headers).await;
                challenged(&reply, "invalid_dpop_proof")
            }
            Door::HintAtAuthorize => self.hint_at_authorize(token).await,
            Door::HintAtLogout => self.hint_at_logout(token).await,
            Door::StsIntrospection => {
                let form = Form::new(&[("token", token)], RQP);
                is_active(&bed.post(&bed.sts("introspection_endpoint").await, &form).await)
            }
            Door::StsRevocation => self.revoke_at_sts(open, token).await,
            Door::Code => judge(&crate::sts::redeem(bed, token).await, 200, INVALID_GRANT),
            Door::StsRefresh => refreshed(bed, &bed.sts("token_endpoint").await, token, RQP).await,
            Door::ClaimsEndpoint => self.ask_for_claims(token).await,
            Door::ProvidersClaims => self.ask_the_provider(token).await,
            Door::UserQuery => self.ask_who(token).await,
            _ => Answer::Odd("this is no place of the STS".to_owned()),
        }
    }

    async fn otherwise(&self, token: &str) -> Answer {
        for kind in ["jwt", "id_token", "refresh_token", "saml2", "saml1"] {
            let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
            let changes = [("subject_token", token), ("subject_token_type", kind.as_str())];
            match judge(&self.acting.exchange(&changes).await, 200, (400, "invalid_request")) {
                Answer::Refused => {}
                other => return other,
            }
        }
        Answer::Refused
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

    /// She leaves, with a hint of the application's.
    async fn hint_at_logout(&self, token: &str) -> Answer {
        let bed = &self.acting.bed;
        let endpoint = bed.sts("end_session_endpoint").await;
        let reply = bed.get(&leaving(&endpoint, token), &[]).await;
        match (reply.status, reply.header("location")) {
            (303, GOODBYE) => Answer::Accepted,
            // The page that says good-bye, and leads nowhere.
            (200, _) if !reply.text().contains(GOODBYE) => Answer::Refused,
            _ => Answer::Odd(format!("{reply:?}")),
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
            let mut watched = self.shown_to_the_sts();
            let names = ["jti", "grant_id"].map(|name| (name, said[name].clone()));
            let names: Vec<_> = names.into_iter().filter(|(_, it)| it.is_string()).collect();
            crate::acting::apply(&mut watched, &names);
            Some(sign("at+jwt", keys::ES256_A, &watched))
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
}

/// Where somebody who leaves goes, with a hint of the application's.
fn leaving(endpoint: &str, hint: &str) -> String {
    let mut url = EndpointUrl::parse(endpoint).unwrap().as_url().clone();
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
