//! Places to which a token is brought by whoever made it: a client at its provider and at its STS,
//! a broker, and an owner's endpoint.

use std::sync::Arc;

use countersign_claims_token::read::{self, ExpectedPerson};
use countersign_identity_propagation::identity_token;
use countersign_jwt::KeySet;
use countersign_login::upstream::{Pending, Registration, RelyingParty};
use countersign_permission_ticket::TicketChallenge;
use countersign_testkit::{keys, names};
use countersign_types::secret::{AccessToken, TicketHandle};
use countersign_types::{
    ClientId, EmailAddress, Issuer, RedirectUri, ResourceIdentifier, ScopeSet,
};
use countersign_uma::notice::{self, NoticeError};
use serde_json::json;

use super::answers::Answer;
use super::doors::Door;
use super::kinds::{client, letters};
use super::world::{Open, PROVIDER, World, with};
use crate::acting::jti;

/// Where Bob is told what waits for him.
pub(super) const OWNERS_ENDPOINT: &str = "https://hooks.bob.example/uma";

/// A login that waits for its answer.
pub(super) struct Login {
    app: RelyingParty,
    pending: Pending,
    query: String,
}

impl World {
    /// Goes to such a place.
    pub(super) async fn open_to_receive(&self, door: Door) -> Open {
        let of_sts = |said| Open::for_jwt(said, Arc::new(keys::signing(keys::ES256_A)));
        let of_provider =
            |said| Open::for_jwt(with(&self.fresh(), &said), Arc::clone(&self.provider));
        match door {
            Door::IdToken => {
                let (login, nonce) = self.begin_login().await;
                let said = json!({
                    "iss": PROVIDER, "sub": "alice", "aud": "app", "nonce": nonce,
                    "at_hash": null, "azp": null, "c_hash": null,
                });
                Open { login: Some(login), ..of_provider(said) }
            }
            Door::Brokered => self.open_at_broker().await,
            Door::ReceivedClaims => {
                of_sts(with(&self.fresh(), &self.acting.bed.claims("a ticket")))
            }
            Door::ReceivedIdentity => of_sts(self.identity()),
            Door::Notice => {
                let event = json!({ "owner": "bob", "resource_server": "rs", "permissions": [] });
                let right = json!({
                    "iss": names::UMA, "aud": OWNERS_ENDPOINT, "iat": self.acting.bed.now(),
                    "jti": jti(), "events": { notice::REQUEST_SUBMITTED: event },
                });
                Open::for_jwt(right, Arc::clone(&self.provider))
            }
            _ => Open::default(),
        }
    }

    /// Offers a token there.
    pub(super) async fn receive(&self, door: Door, open: Open, token: &str) -> Answer {
        match door {
            Door::IdToken => self.finish_login(open, token).await,
            Door::Brokered => self.sign_in_by(open, token).await,
            Door::ReceivedClaims => self.received_claims(token),
            Door::ReceivedIdentity => self.received_identity(token),
            Door::Notice => self.received_notice(token),
            _ => Answer::Odd("nothing is brought there".to_owned()),
        }
    }

    async fn begin_login(&self) -> (Login, String) {
        let issuer = Issuer::parse(PROVIDER).unwrap();
        let app = Registration::public(ClientId::parse("app").unwrap());
        let http = self.acting.bed.deployment.http();
        let app = RelyingParty::discover(http, &issuer, app).await.unwrap();
        let redirect_uri = RedirectUri::parse(names::REDIRECT_URI).unwrap();
        let scope = ScopeSet::parse("openid").unwrap();
        let (url, pending) = app.begin(&redirect_uri, &scope, &*self.seams().random).unwrap();
        let pairs = url.as_url().query_pairs();
        let param =
            |name| pairs.into_iter().find(|(known, _)| known == name).unwrap().1.to_string();
        let query = format!("code=a&state={}", param("state"));
        (Login { app, pending, query }, param("nonce"))
    }

    async fn finish_login(&self, open: Open, token: &str) -> Answer {
        let Some(Login { app, pending, query }) = open.login else {
            return Answer::Odd("no login was begun".to_owned());
        };
        self.provider_gives(token);
        let random = &*self.seams().random;
        match app.finish(pending, &query, self.now(), random).await {
            Ok(_) => Answer::Accepted,
            Err(_) => Answer::Refused,
        }
    }

    fn received_claims(&self, token: &str) -> Answer {
        let expected = read::ExpectedByClient {
            issuer: &Issuer::parse(names::STS).unwrap(),
            audience: &Issuer::parse(names::UMA).unwrap(),
            resource: &ResourceIdentifier::parse(names::RS).unwrap(),
            ticket_challenge: &TicketChallenge::of(&TicketHandle::new("a ticket")),
            person: ExpectedPerson::Subject(names::ALICE_SUB),
            client_id: &ClientId::parse(names::RQP_CLIENT).unwrap(),
            now: self.now(),
        };
        accepted_if(read::check_received(token, &expected).is_ok())
    }

    fn received_identity(&self, token: &str) -> Answer {
        let expected = identity_token::ExpectedByClient {
            issuer: &Issuer::parse(names::STS).unwrap(),
            audience: &letters(),
            person: &EmailAddress::parse(names::ALICE).unwrap(),
            client_id: &client(),
            confirmation: None,
            now: self.now(),
        };
        accepted_if(identity_token::check_received(&AccessToken::new(token), &expected).is_ok())
    }

    fn received_notice(&self, token: &str) -> Answer {
        let keys = KeySet::from_keys(vec![self.provider.public().clone()]).unwrap();
        let issuer = Issuer::parse(names::UMA).unwrap();
        match notice::verify(token, &keys, &issuer, OWNERS_ENDPOINT, self.now()) {
            Ok(_) => Answer::Accepted,
            Err(NoticeError::Typ | NoticeError::Malformed(_)) => Answer::Refused,
            Err(error) => Answer::Odd(error.to_string()),
        }
    }
}

const fn accepted_if(accepted: bool) -> Answer {
    if accepted { Answer::Accepted } else { Answer::Refused }
}
