//! The places that take the STS's own access tokens: the claims endpoint, which speaks for Alice,
//! at the STS or at a claims provider of its own, and the user query, which tells her application
//! who has an address.

use countersign_testkit::names;
use serde_json::{Value, json};
use toml::Table;

use super::answers::{Answer, judge};
use super::at_sts::GOODBYE;
use super::world::{World, with};
use crate::acting::jti;
use crate::bed::{Bed, Credentials, Form, bearer, challenge_of};

const QUERY_USERS: &str = "query-users";

/// What Alice's application asks for where it wants to come back without her.
pub(super) const LASTING: &str = "openid email claims-provider offline_access";

/// Alice's application may show its tokens there, have one of its own, ask about any, come back
/// without Alice, and have her sent to it when she leaves. What the other application has of its
/// own is opaque.
pub(super) fn may_be_asked(config: &mut Table) {
    let client = config["clients"][0].as_table_mut().unwrap();
    assert_eq!(client["id"].as_str(), Some(names::RQP_CLIENT));
    extend(client, "grants", &["client_credentials", "refresh_token"]);
    extend(client, "scopes", &[QUERY_USERS, "offline_access"]);
    client.insert("introspect".to_owned(), vec![names::STS].into());
    client.insert("post_logout_redirect_uris".to_owned(), vec![GOODBYE].into());
    client["exchange"].as_table_mut().unwrap().insert("claims_endpoint".to_owned(), true.into());
    let other = config["clients"][1].as_table_mut().unwrap();
    assert_eq!(other["id"].as_str(), Some(names::OTHER_CLIENT));
    extend(other, "grants", &["client_credentials"]);
    extend(other, "scopes", &[QUERY_USERS]);
    other.insert("opaque_access_tokens".to_owned(), true.into());
}

fn extend(client: &mut Table, name: &str, more: &[&str]) {
    let values = client[name].as_array_mut().unwrap();
    values.extend(more.iter().map(|value| toml::Value::from(*value)));
}

impl World {
    /// What the access token of Alice says that is shown for a claims token.
    pub(super) fn shown_for_claims(&self) -> Value {
        let said = json!({ "aud": names::STS, "client_id": names::RQP_CLIENT, "jti": jti(),
            "may_act": null });
        with(&self.of_alice(), &said)
    }

    /// The same, where the claims provider is a server of its own.
    pub(super) fn shown_to_the_provider(&self) -> Value {
        let said = json!({ "aud": names::CLAIMS_PROVIDER, "scope": "claims-provider" });
        with(&self.shown_to_the_sts(), &said)
    }

    /// What the client's own access token says: nobody allowed it anything, so it is of no grant,
    /// and of no exchange.
    pub(super) fn shown_to_ask(&self) -> Value {
        let said = json!({ "sub": names::RQP_CLIENT, "aud": names::STS,
            "client_id": names::RQP_CLIENT, "jti": jti(), "scope": QUERY_USERS, "may_act": null,
            "grant_id": null, "act": null, "origin_jti": null, "email": null,
            "email_verified": null });
        with(&self.of_alice(), &said)
    }

    /// What an application is given for nobody but itself.
    pub(super) async fn own_access_token(&self, client: Credentials) -> String {
        let params = [("grant_type", "client_credentials"), ("scope", QUERY_USERS)];
        let form = Form::new(&params, client);
        let bed = &self.acting.bed;
        let reply = bed.post(&bed.sts("token_endpoint").await, &form).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.member("access_token")
    }

    pub(super) async fn ask_for_claims(&self, token: &str) -> Answer {
        let bed = &self.acting.bed;
        claims_for(bed, &bed.sts("claims_endpoint").await, token).await
    }

    /// The claims provider in front of an STS with the same keys.
    pub(super) async fn ask_the_provider(&self, token: &str) -> Answer {
        let url = format!("{}/.well-known/claims-provider-configuration", names::CLAIMS_PROVIDER);
        let endpoint = self.provided.get(&url, &[]).await.member("claims_endpoint");
        claims_for(&self.provided, &endpoint, token).await
    }

    pub(super) async fn ask_who(&self, token: &str) -> Answer {
        let filter = format!("emails.value%20eq%20%22{}%22", names::ALICE);
        let url = format!("{}/scim/v2/Users?filter={filter}", names::STS);
        let (name, value) = bearer(token);
        let reply = self.acting.bed.get(&url, &[(name, &value)]).await;
        let challenge = reply.header("www-authenticate");
        match (reply.status, reply.json()["totalResults"].as_i64()) {
            (200, Some(1)) => Answer::Accepted,
            (401, _) if challenge.contains("invalid_token") => Answer::Refused,
            (403, _) if challenge.contains("insufficient_scope") => Answer::Refused,
            _ => Answer::Odd(format!("{reply:?}")),
        }
    }
}

async fn claims_for(bed: &Bed, endpoint: &str, token: &str) -> Answer {
    let challenge = challenge_of("a ticket");
    let params = [
        ("audience", names::UMA),
        ("resource", names::RS),
        ("ticket_challenge", challenge.as_str()),
    ];
    let form = Form::new(&params, Credentials::Bearer(token.to_owned()));
    let reply = bed.post(endpoint, &form).await;
    match (reply.status, reply.error().as_str()) {
        (403, "insufficient_scope") => Answer::Refused,
        _ => judge(&reply, 200, (401, "invalid_token")),
    }
}
