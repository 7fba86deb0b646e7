//! Places in front of a resource: resource servers under UMA, with access tokens and with tokens
//! that their issuer is asked about, and a relying party.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign_client_auth::Proof as ClientProof;
use countersign_client_auth::dpop::{self, Target};
use countersign_host::Seams;
use countersign_host::server::{Transport, serve};
use countersign_resource::identity_propagation::{Domains, MemoryProofs};
use countersign_resource::{
    AccessTokens, Dpop, IdentityPropagation, IntrospectedTokens, Introspector, Mode, ProtectLayer,
    Routes,
};
use countersign_testkit::{Deployment, keys, names};
use countersign_types::digest::Digest;
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, EndpointUrl, Issuer, ResourceIdentifier};
use http::Method;
use serde_json::json;

use super::answers::Answer;
use super::doors::Door;
use super::kinds::letters;
use super::world::{Open, PROVIDER, World, with};
use crate::acting::{API, API_HOST, Acting, LETTERS, LETTERS_HOST, jti};
use crate::bed::{Reply, bearer};

/// A resource server that asks a provider about tokens.
pub(super) const ASKING: &str = "https://asking.letters.example";
const ASKING_HOST: &str = "asking.letters.example";

/// Where they are found.
pub(super) const HOSTS: [&str; 3] = [LETTERS_HOST, API_HOST, ASKING_HOST];

/// Starts them.
pub(super) fn serve_all(deployment: &mut Deployment) {
    let (http, clock) = (deployment.http(), deployment.seams().clock);
    let routes = || Routes::new().identified("GET /").build().unwrap();
    let party = IdentityPropagation::new(
        letters(),
        Domains::any(),
        Arc::clone(&http),
        Arc::clone(&clock),
        Arc::new(MemoryProofs::new(Arc::clone(&clock))),
    );
    protect(deployment, LETTERS_HOST, party.into(), routes());
    let api = ResourceIdentifier::parse(API).unwrap();
    let issuer = Issuer::parse(names::STS).unwrap();
    let tokens = AccessTokens::new(api, issuer, Arc::clone(&http), Arc::clone(&clock));
    protect(deployment, API_HOST, tokens.into(), routes());
    let introspector = Introspector {
        issuer: Issuer::parse(PROVIDER).unwrap(),
        client_id: ClientId::parse("asking").unwrap(),
        proof: ClientProof::SecretBasic(ClientSecret::new(names::RS_SECRET)),
    };
    let asking = ResourceIdentifier::parse(ASKING).unwrap();
    let random = deployment.seams().random;
    let used = Arc::new(MemoryProofs::new(Arc::clone(&clock)));
    let tokens = IntrospectedTokens::new(asking, introspector, http, clock, random);
    let mode = Mode::from(tokens).with_dpop(Dpop::new(used));
    protect(deployment, ASKING_HOST, mode, routes());
}

/// Serves a host whose every caller has to be known.
fn protect(deployment: &mut Deployment, host: &str, mode: Mode, routes: Routes) {
    let layer = ProtectLayer::new(mode, routes).unwrap();
    let router = Router::new().route("/", get(async || "known")).layer(layer);
    let (listener, tls) = deployment.take_host(host);
    let transport = Transport::tls(&tls).unwrap();
    // Ends with the runtime of the test.
    tokio::spawn(serve(listener, transport, router, std::future::pending()));
}

impl World {
    /// Goes to a place of a resource server.
    pub(super) fn open_at_resource_server(&self, door: Door) -> Open {
        let of_sts = |said| Open::for_jwt(said, Arc::new(keys::signing(keys::ES256_A)));
        let of_client = |said| Open::for_jwt(said, Arc::clone(&self.acting.key));
        let ath = |token: &str| Digest::of(token.as_bytes()).to_base64url();
        match door {
            Door::Api => of_sts(with(&self.of_alice(), &json!({ "aud": API, "jti": jti() }))),
            Door::Identity => of_sts(self.identity()),
            Door::Proof => {
                let said = json!({ "ath": ath(self.identity_token()) });
                of_client(with(&self.own(LETTERS), &said))
            }
            Door::KeyAtParty | Door::KeyAtAsking => {
                let (url, token) = self.bound_at(door);
                let said = json!({ "htm": "GET", "htu": format!("{url}/"), "ath": ath(token) });
                of_client(with(&self.fresh(), &said)).with_its_own_key()
            }
            _ => Open::default(),
        }
    }

    /// Offers a token there.
    pub(super) async fn offer_at_resource_server(&self, door: Door, token: &str) -> Answer {
        let (bed, acting) = (&self.acting.bed, &self.acting);
        match door {
            Door::Uma => by_status(&bed.get(names::RS_API, &[header(&bearer(token))]).await),
            Door::Api => by_status(&bed.get(API, &[header(&bearer(token))]).await),
            Door::Identity => self.propagate(token, &acting.proof_of(token)).await,
            Door::Proof => self.propagate(self.identity_token(), token).await,
            Door::KeyAtParty | Door::KeyAtAsking => {
                let (url, bound) = self.bound_at(door);
                let (authorization, client) = (format!("DPoP {bound}"), acting.proof_of(bound));
                let mut headers = vec![("authorization", authorization.as_str()), ("dpop", token)];
                if door == Door::KeyAtParty {
                    headers.push(("client-assertion", client.as_str()));
                }
                by_status(&bed.get(url, &headers).await)
            }
            _ => Answer::Odd("this is no place of a resource server".to_owned()),
        }
    }

    /// Where a token that is bound to the client's key is shown, and the token.
    fn bound_at(&self, door: Door) -> (&'static str, &str) {
        match door {
            Door::KeyAtAsking => (ASKING, "opaque"),
            _ => (LETTERS, &self.bound_token),
        }
    }

    async fn propagate(&self, token: &str, proof: &str) -> Answer {
        let authorization = bearer(token);
        let headers = [header(&authorization), ("client-assertion", proof)];
        by_status(&self.acting.bed.get(LETTERS, &headers).await)
    }
}

/// An identity token that is bound to the client's key.
pub(super) async fn bound_token(acting: &Acting) -> String {
    let endpoint = EndpointUrl::parse(&acting.bed.sts("token_endpoint").await).unwrap();
    let target = Target { method: &Method::POST, url: &endpoint };
    let Seams { clock, random } = acting.bed.deployment.seams();
    let proof = dpop::proof(&acting.key, target, None, None, clock.now(), &*random).unwrap();
    let reply = acting.exchange_with(Some(proof.expose()), &[]).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.member("access_token")
}

fn header<'a>((name, value): &'a (&'static str, String)) -> (&'static str, &'a str) {
    (name, value)
}

fn by_status(reply: &Reply) -> Answer {
    match reply.status {
        200 => Answer::Accepted,
        401 => Answer::Refused,
        _ => Answer::Odd(format!("{reply:?}")),
    }
}
