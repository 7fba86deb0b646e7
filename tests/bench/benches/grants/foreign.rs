//! The exchange of another issuer's token (flow 000): people sign in there, and an API brings what
//! they got.

use std::sync::Arc;

use bytes::Bytes;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use countersign_host::Seams;
use countersign_jwt::{KeySet, SigningKey, sign};
use countersign_sts_service::{IssuerSetup, TrustedIssuers};
use countersign_token_exchange::TrustedIssuer;
use countersign_token_exchange::trusted_issuer::{Accepted, RoleMapping, RoleSource};
use countersign_types::{ClientId, Issuer, Lifetime, random};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde_json::json;

use crate::bare::Of;
use crate::provider::{ACCESS_TOKEN, EXCHANGE, JWT};
use crate::servers::{CLIENT, RS, SECRET};
use crate::turns::{Bench, Requests};

const IDP: &str = "https://idp.university.example";

/// The issuer, whose keys are where its metadata says; they are fetched once.
pub(crate) fn trusted(key: &SigningKey, seams: &Seams) -> TrustedIssuers {
    let keys = KeySet::from_keys(vec![key.public().clone()]).unwrap().to_json();
    let metadata = json!({ "issuer": IDP, "jwks_uri": format!("{IDP}/jwks") });
    let published = Published { metadata: metadata.to_string(), keys: keys.to_string() };
    let accepted = Accepted { audiences: [RS.to_owned()].into(), ..Accepted::default() };
    let staff = [("staff".to_owned(), "curator".to_owned())].into();
    let issuer = IssuerSetup::new(TrustedIssuer {
        exchanges: [(ClientId::parse(CLIENT).unwrap(), accepted)].into(),
        email_domains: ["university.example".to_owned()].into(),
        claims: ["name".to_owned()].into(),
        roles: vec![RoleMapping { source: RoleSource::Claim("groups".to_owned()), roles: staff }],
        ..TrustedIssuer::new("university", Issuer::parse(IDP).unwrap())
    });
    TrustedIssuers::new([issuer], Arc::new(published), Arc::clone(&seams.clock))
}

/// Answers from memory.
struct Published {
    metadata: String,
    keys: String,
}

impl Fetch for Published {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let is_keys = request.url.as_str().ends_with("/jwks");
        let document = if is_keys { &self.keys } else { &self.metadata };
        let mut response = Response::new(Bytes::from(document.clone()));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Box::pin(async { Ok(response) })
    }
}

/// Each token is somebody's who was not here before in this round.
pub(crate) fn token_exchange(bench: &Bench, name: &str) -> f64 {
    let request = |index: usize| {
        let subject = access_token(bench, index);
        let fields = [
            ("grant_type", EXCHANGE),
            ("subject_token", &subject),
            ("subject_token_type", JWT),
            ("requested_token_type", ACCESS_TOKEN),
            ("audience", RS),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
        ];
        Requests::of(Of::Foreign, "/token", &fields)
    };
    let requests: Vec<Requests> = (0..bench.requests).map(request).collect();
    let answer = bench.imitate(Of::Foreign, bench.sts, &requests[0]);
    assert!(answer.contains("\"token_type\":\"Bearer\""), "{answer}");
    bench.share(name, bench.sts, |_| requests.clone())
}

fn access_token(bench: &Bench, index: usize) -> String {
    let now = bench.seams.clock.now();
    let claims = json!({
        "iss": IDP, "sub": format!("u-{index}"), "aud": RS, "client_id": "dashboard", "iat": now,
        "exp": now.after(Lifetime::from_secs(3600)),
        "jti": random::identifier(&*bench.seams.random), "scope": "openid profile email",
        "name": "Alice Liddell", "email": format!("u-{index}@university.example"),
        "email_verified": true, "groups": ["staff"],
    });
    sign("at+jwt", &bench.key, &claims).unwrap()
}
