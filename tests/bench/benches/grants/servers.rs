//! The two servers, each behind the router that its program serves.

use std::sync::Arc;

use axum::Router;
use countersign_bench_tests::parties::{self, registered};
pub(crate) use countersign_bench_tests::parties::{ALICE, CLIENT, RS, SECRET, STS, UMA};
use countersign_claims_token::VerifiedEmail;
use countersign_client_auth::{Credentials, RegisteredClient};
use countersign_host::Seams;
use countersign_jwt::{Algorithm, SigningKey, SigningRing};
use countersign_store::Engine;
use countersign_sts_service as sts;
use countersign_token_exchange::{ClientPolicy, ServerPolicy};
use countersign_types::secret::Password;
use countersign_types::{
    ClientId, EmailAddress, Issuer, Lifetime, RedirectUri, ScopeSet, UrlPattern,
};
use countersign_uma::policy::rules::{Rule, Rules};
use serde_json::{Map, json};

use crate::browser::CALLBACK;
use crate::foreign;

pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// One that has no secret.
pub(crate) const PUBLIC_CLIENT: &str = "spa";

pub(crate) fn sts(key: &SigningKey, engine: Arc<dyn Engine>, seams: &Seams) -> Router {
    let scopes = ScopeSet::parse("openid email offline_access claims-provider").unwrap();
    let (lifetime, hour) = (Lifetime::from_secs(300), Lifetime::from_secs(3600));
    let random = Arc::clone(&seams.random);
    let client = |registered| sts::Client {
        registered,
        name: "The client".to_owned(),
        redirect_uris: vec![RedirectUri::parse(CALLBACK).unwrap()],
        post_logout_redirect_uris: Vec::new(),
        scopes: scopes.clone(),
        authorization_code: true,
        refresh_token: true,
        audience: None,
        introspects: vec![UrlPattern::parse(STS).unwrap()],
        client_credentials: false,
        exchange: ClientPolicy {
            may_exchange: true,
            claims_token_audiences: vec![UrlPattern::parse("*").unwrap()],
            access_token_audiences: vec![UrlPattern::parse(RS).unwrap()],
            scopes: scopes.clone(),
            ..ClientPolicy::default()
        },
        // RSA's signature would take so long that nothing else could be seen.
        id_token_algorithm: Algorithm::Es256,
        dpop_bound_access_tokens: false,
        opaque_access_tokens: false,
    };
    let public = RegisteredClient {
        id: ClientId::parse(PUBLIC_CLIENT).unwrap(),
        credentials: Credentials::Public,
    };
    let clients = [registered(CLIENT), registered("rs"), public].map(client);
    let alice = sts::User {
        subject: "alice".to_owned(),
        username: "alice".to_owned(),
        name: None,
        email: Some(VerifiedEmail::of_own_account(EmailAddress::parse(ALICE).unwrap())),
        password: Some(sts::PasswordHash::of(&Password::new(PASSWORD), &*random).unwrap()),
        claims: Map::new(),
        origin: None,
    };
    let keys = vec![copy(key), SigningKey::generate(Algorithm::Rs256, None).unwrap()];
    let parts = sts::Parts {
        settings: sts::Settings {
            name: "alice.example".to_owned(),
            email_domains: ["alice.example".to_owned()].into(),
            scopes,
            session_lifetime: hour,
            access_token_lifetime: lifetime,
            id_token_lifetime: lifetime,
            refresh_token_lifetime: hour,
            refresh_token_idle: hour,
        },
        policy: ServerPolicy {
            public_clients: true,
            access_token_lifetime: lifetime,
            ..ServerPolicy::new(Issuer::parse(STS).unwrap())
        },
        delegation: Arc::new(countersign_token_exchange::ByRegistration),
        keys: SigningRing::from_keys(keys).unwrap(),
        clients: Arc::new(sts::StaticClients::new(clients)),
        users: Arc::new(sts::StaticUsers::new([alice])),
        engine,
        clock: Arc::clone(&seams.clock),
        random,
        audit: Arc::new(sts::LogAudit),
    };
    let sts = sts::Sts::new(parts).unwrap();
    sts::app(Arc::new(sts.with_trusted_issuers(foreign::trusted(key, seams))))
}

fn copy(key: &SigningKey) -> SigningKey {
    SigningKey::from_json(key.to_jwk().unwrap().as_bytes()).unwrap()
}

pub(crate) fn uma(key: &SigningKey, engine: Arc<dyn Engine>, seams: &Seams) -> Router {
    let rule = json!([{ "resource": "RS API", "scopes": ["get"], "emails": [ALICE] }]);
    let rules: Vec<Rule> = serde_json::from_value(rule).unwrap();
    parties::uma(key, engine, Arc::new(Rules::new().with(parties::bob(), rules)), seams)
}
