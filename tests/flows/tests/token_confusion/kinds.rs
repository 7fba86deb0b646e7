//! The rows: every kind of token that is minted here, and kinds that others mint.

use countersign_client_auth::dpop::{self, Target};
use countersign_identity_propagation::{MadeOutTo, actor_token, client_proof};
use countersign_testkit::names;
use countersign_types::secret::AccessToken;
use countersign_types::{
    ClientId, Clock as _, EmailAddress, EndpointUrl, Issuer, Lifetime, ResourceIdentifier, ScopeSet,
};
use countersign_uma::case::Question;
use countersign_uma::notice::{self, Statement};
use countersign_uma::permission::Permission;
use countersign_uma::protection::OwnerId;
use countersign_uma::resource::ResourceId;
use countersign_uma::{Case, Notice, Person, Protection};
use http::Method;
use serde_json::{Value, json};

use super::Minted;
use super::answers::RQP;
use super::received::OWNERS_ENDPOINT;
use super::world::{Open, World};
use crate::acting::{CLIENT, LETTERS, NEXT, jti};
use crate::bed::{ACCESS_TOKEN, Credentials, Form, JWT, TOKEN_EXCHANGE, challenge_of, claims_of};

/// An application; what it has of its own is opaque.
const OTHER_APPLICATION: Credentials = Credentials::Basic(names::OTHER_CLIENT, names::OTHER_SECRET);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ClientAssertion,
    ClientProof,
    ActorForTarget,
    ActorForIssuer,
    AccessToken,
    DelegatedAccessToken,
    OwnAccessToken,
    ClaimsToken,
    IdentityToken,
    IdToken,
    DpopProof,
    Rpt,
    Pat,
    Ticket,
    WaitingTicket,
    RefreshToken,
    RptRefreshToken,
    Code,
    PersonsPat,
    PatRefreshToken,
    PatCode,
    OpaqueAccessToken,
    IdJag,
    LogoutToken,
    RequestObject,
    IntrospectionResponse,
    SecurityEvent,
    Untyped,
}

impl Kind {
    pub(super) const ALL: [Self; 28] = [
        Self::ClientAssertion,
        Self::ClientProof,
        Self::ActorForTarget,
        Self::ActorForIssuer,
        Self::AccessToken,
        Self::DelegatedAccessToken,
        Self::OwnAccessToken,
        Self::ClaimsToken,
        Self::IdentityToken,
        Self::IdToken,
        Self::DpopProof,
        Self::Rpt,
        Self::Pat,
        Self::Ticket,
        Self::WaitingTicket,
        Self::RefreshToken,
        Self::RptRefreshToken,
        Self::Code,
        Self::PersonsPat,
        Self::PatRefreshToken,
        Self::PatCode,
        Self::OpaqueAccessToken,
        Self::IdJag,
        Self::LogoutToken,
        Self::RequestObject,
        Self::IntrospectionResponse,
        Self::SecurityEvent,
        Self::Untyped,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ClientAssertion => "client assertion",
            Self::ClientProof => "client proof",
            Self::ActorForTarget => "actor token for a target",
            Self::ActorForIssuer => "actor token for the STS",
            Self::AccessToken => "access token",
            Self::DelegatedAccessToken => "delegated access token",
            Self::OwnAccessToken => "own access token",
            Self::ClaimsToken => "claims token",
            Self::IdentityToken => "identity token",
            Self::IdToken => "ID token",
            Self::DpopProof => "DPoP proof",
            Self::Rpt => "RPT",
            Self::Pat => "PAT",
            Self::Ticket => "permission ticket",
            Self::WaitingTicket => "waiting ticket",
            Self::RefreshToken => "refresh token",
            Self::RptRefreshToken => "refresh token of an RPT",
            Self::Code => "code",
            Self::PersonsPat => "PAT of a person",
            Self::PatRefreshToken => "refresh token of a PAT",
            Self::PatCode => "code for a PAT",
            Self::OpaqueAccessToken => "opaque access token",
            Self::IdJag => "ID-JAG",
            Self::LogoutToken => "logout token",
            Self::RequestObject => "request object",
            Self::IntrospectionResponse => "introspection response",
            Self::SecurityEvent => "security event",
            Self::Untyped => "JWT without typ",
        }
    }

    /// The `typ` of its header, if it is a JWT with one.
    pub(super) const fn typ(self) -> Option<&'static str> {
        match self {
            Self::ClientAssertion => Some("client-authentication+jwt"),
            Self::ClientProof => Some("client-proof+jwt"),
            Self::ActorForTarget | Self::ActorForIssuer => Some("actor+jwt"),
            Self::AccessToken | Self::DelegatedAccessToken | Self::OwnAccessToken => Some("at+jwt"),
            Self::ClaimsToken => Some("uma-claims+jwt"),
            Self::IdentityToken => Some("identity-propagation+jwt"),
            Self::IdToken => Some("JWT"),
            Self::DpopProof => Some("dpop+jwt"),
            Self::IdJag => Some("oauth-id-jag+jwt"),
            Self::LogoutToken => Some("logout+jwt"),
            Self::RequestObject => Some("oauth-authz-req+jwt"),
            Self::IntrospectionResponse => Some("token-introspection+jwt"),
            Self::SecurityEvent => Some("secevent+jwt"),
            _ => None,
        }
    }
}

impl World {
    /// A fresh token of a kind, by the code that mints it and for whom it is minted there. Of a
    /// kind that nobody here mints, the claims alone.
    pub(super) async fn mint(&self, kind: Kind, open: &Open) -> Minted {
        let mut watched = None;
        let text = match kind {
            Kind::ClientAssertion => {
                let issuer = Issuer::parse(names::STS).unwrap();
                let (client, now) = (client(), self.now());
                let random = &*self.seams().random;
                countersign_client_auth::assertion::assertion(
                    &*self.acting.key,
                    &client,
                    &issuer,
                    now,
                    random,
                )
                .unwrap()
            }
            Kind::ClientProof => {
                let token = AccessToken::new(self.identity_token());
                let (rp, random) = (letters(), &*self.seams().random);
                let proof =
                    client_proof(&*self.acting.key, &client(), &rp, &token, self.now(), random);
                proof.unwrap().expose().to_owned()
            }
            Kind::ActorForTarget => self.actor_token(MadeOutTo::Target(&letters())),
            Kind::ActorForIssuer => {
                self.actor_token(MadeOutTo::Issuer(&Issuer::parse(names::STS).unwrap()))
            }
            Kind::AccessToken => self.access_token(open).await,
            Kind::DelegatedAccessToken => self.delegated().await,
            Kind::OwnAccessToken => self.own_access_token(RQP).await,
            Kind::ClaimsToken => {
                self.claims_token(open.ticket.as_deref().unwrap_or("a ticket")).await
            }
            Kind::IdentityToken => self.acting.identity_token().await,
            Kind::IdToken => self.login().1.to_owned(),
            Kind::Rpt => self.acting.bed.rpt().await,
            Kind::Pat => self.acting.bed.pat(names::RS_CLIENT, names::RS_SECRET).await,
            Kind::Ticket => match &open.ticket {
                Some(ticket) => ticket.clone(),
                None => self.acting.bed.ticket().await,
            },
            Kind::WaitingTicket => self.waiting_ticket().await,
            Kind::RefreshToken => {
                let (token, access_token) = self.refresh_token(open).await;
                watched = access_token;
                token
            }
            Kind::RptRefreshToken => {
                let (token, rpt) = self.rpt_refresh(open).await;
                watched = rpt;
                token
            }
            Kind::Code => self.code(open).await,
            Kind::PersonsPat => self.mandate(open).await.0,
            Kind::PatRefreshToken => {
                let (pat, token) = self.mandate(open).await;
                watched = Some(pat);
                token
            }
            Kind::PatCode => self.mandate_code(open).await,
            Kind::OpaqueAccessToken => self.own_access_token(OTHER_APPLICATION).await,
            Kind::DpopProof => {
                let endpoint = EndpointUrl::parse(&self.acting.bed.sts("token_endpoint").await);
                let target = Target { method: &Method::POST, url: &endpoint.unwrap() };
                let (now, random) = (self.now(), &*self.seams().random);
                let proof = dpop::proof(&self.acting.key, target, None, None, now, random);
                proof.unwrap().expose().to_owned()
            }
            Kind::SecurityEvent => self.notice(),
            Kind::IdJag
            | Kind::LogoutToken
            | Kind::RequestObject
            | Kind::IntrospectionResponse
            | Kind::Untyped => {
                return Minted { text: None, claims: Some(elsewhere(kind)), watched };
            }
        };
        let claims = (text.split('.').count() == 3).then(|| claims_of(&text));
        if let Some((header, _)) = &claims {
            assert_eq!(header["typ"].as_str(), kind.typ(), "{}", kind.name());
        }
        Minted { text: Some(text), claims: claims.map(|(_, claims)| claims), watched }
    }

    /// What Alice's application has while Bob thinks about it.
    async fn waiting_ticket(&self) -> String {
        let bed = &self.acting.bed;
        let ticket = bed.get(names::NO_POLICY_API, &[]).await.challenge("ticket");
        let reply = bed.redeem(&bed.attempt_with(&ticket)).await;
        assert_eq!(reply.error(), "request_submitted", "{reply:?}");
        reply.member("ticket")
    }

    fn actor_token(&self, made_out_to: MadeOutTo<'_>) -> String {
        let random = &*self.seams().random;
        let token = actor_token(&*self.acting.key, &client(), made_out_to, self.now(), random);
        token.unwrap().expose().to_owned()
    }

    /// What the first service hands on to the next one.
    async fn delegated(&self) -> String {
        let actor = self.acting.sign(&self.acting.actor(&[("aud", json!(names::STS))]));
        let changes = [
            ("requested_token_type", ACCESS_TOKEN),
            ("actor_token", &actor),
            ("resource", NEXT),
            ("resource", names::STS),
        ];
        let reply = self.acting.exchange(&changes).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.member("access_token")
    }

    /// What Alice's application is given for a ticket.
    async fn claims_token(&self, ticket: &str) -> String {
        let params = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", self.login().0),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", JWT),
            ("audience", names::UMA),
            ("resource", names::RS),
            ("ticket_challenge", &challenge_of(ticket)),
        ];
        let form = Form::new(&params, RQP);
        let bed = &self.acting.bed;
        let reply = bed.post(&bed.sts("token_endpoint").await, &form).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.member("access_token")
    }

    /// What Bob is told of a request of Alice's.
    fn notice(&self) -> String {
        let person = Person {
            iss: Issuer::parse(names::STS).unwrap(),
            sub: "alice".to_owned(),
            email: EmailAddress::parse(names::ALICE).unwrap(),
            present: true,
            claims: serde_json::Map::new(),
            unheard: serde_json::Map::new(),
            vouching: countersign_uma::person::Vouching::default(),
        };
        let permission = Permission {
            resource_id: ResourceId::parse("r").unwrap(),
            resource_scopes: ScopeSet::parse("get").unwrap(),
        };
        let question = Question {
            person,
            client: client(),
            permissions: vec![permission],
            why: Vec::new(),
            lifetime: Lifetime::from_secs(600),
        };
        let case = Case::ask(None, &question, self.now()).0.unwrap();
        let bob = Protection::new(OwnerId::parse("bob").unwrap(), client());
        let kept = Notice::of(&case, &bob, |_| None, jti()).unwrap();
        let issuer = Issuer::parse(names::UMA).unwrap();
        let statement = Statement {
            issuer: &issuer,
            audience: OWNERS_ENDPOINT,
            page: None,
            requesting_party: Some(case.person()),
        };
        notice::sign(&kept, statement, &*self.provider).unwrap()
    }

    pub(super) fn now(&self) -> countersign_types::Timestamp {
        self.acting.bed.deployment.clock().now()
    }
}

/// What tokens say that are minted elsewhere, beside what every one of them says.
fn elsewhere(kind: Kind) -> Value {
    let event = "http://schemas.openid.net/event/backchannel-logout";
    match kind {
        Kind::IdJag => json!({ "client_id": CLIENT, "scope": "get", "resource": names::RS }),
        Kind::LogoutToken => json!({ "events": { event: {} }, "sid": "a session" }),
        Kind::RequestObject => json!({ "response_type": "code", "client_id": CLIENT }),
        Kind::IntrospectionResponse => json!({ "token_introspection": { "active": true } }),
        _ => json!({}),
    }
}

pub(super) fn client() -> ClientId {
    ClientId::parse(CLIENT).unwrap()
}

pub(super) fn letters() -> ResourceIdentifier {
    ResourceIdentifier::parse(LETTERS).unwrap()
}
