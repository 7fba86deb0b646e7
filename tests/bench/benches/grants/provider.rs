//! The grants of the OpenID provider and its security token service.

use countersign_jwt::sign;
use countersign_permission_ticket::TicketChallenge;
use countersign_types::Lifetime;
use countersign_types::secret::TicketHandle;
use serde_json::json;

use crate::bare::Of;
use crate::browser::{Browser, CALLBACK, VERIFIER};
use crate::servers::{ALICE, CLIENT, PASSWORD, PUBLIC_CLIENT, RS, SECRET, STS, UMA};
use crate::turns::{Bench, Requests, member};

pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What a person allows at their sign-in.
const SCOPE: &str = "openid email";
/// With a refresh token.
const OFFLINE: &str = "openid email offline_access";

pub(crate) fn token_exchange(bench: &Bench, name: &str) -> f64 {
    let subject = access_token(bench);
    let ticket = TicketHandle::generate(&*bench.seams.random);
    let challenge = TicketChallenge::of(&ticket).to_string();
    let fields = [
        ("grant_type", EXCHANGE),
        ("subject_token", &subject),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", JWT),
        ("audience", UMA),
        ("resource", RS),
        ("ticket_challenge", &challenge),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
    ];
    let requests = Requests::of(Of::Exchange, "/token", &fields);
    bench.imitate(Of::Exchange, bench.sts, &requests);
    bench.share(name, bench.sts, |_| vec![requests.clone(); bench.requests])
}

pub(crate) fn code_redemption(bench: &Bench, name: &str) -> f64 {
    let browser = signed_in(bench);
    let first = redemption(CLIENT, &codes(bench, &browser, CLIENT, SCOPE, 1)[0]);
    bench.imitate(Of::Code, bench.sts, &first);
    bench.share(name, bench.sts, |_| {
        let codes = codes(bench, &browser, CLIENT, SCOPE, bench.requests);
        codes.iter().map(|code| redemption(CLIENT, code)).collect()
    })
}

/// A confidential client's refresh token stays the same.
pub(crate) fn refresh(bench: &Bench, name: &str) -> f64 {
    let tokens = refresh_tokens(bench, CLIENT);
    let refresh = |token: &String| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
        ];
        Requests::of(Of::Refresh, "/token", &fields)
    };
    let requests: Vec<Requests> = tokens.iter().map(refresh).collect();
    bench.imitate(Of::Refresh, bench.sts, &requests[0]);
    bench.share(name, bench.sts, |_| requests.clone())
}

/// A public client's is replaced each time.
pub(crate) fn rotation(bench: &Bench, name: &str) -> f64 {
    let mut tokens = refresh_tokens(bench, PUBLIC_CLIENT);
    let rotate = |token: &String| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", PUBLIC_CLIENT),
        ];
        Requests::of(Of::Rotation, "/token", &fields)
    };
    let first = tokens.pop().unwrap();
    bench.imitate(Of::Rotation, bench.sts, &rotate(&first));
    bench.share(name, bench.sts, |before| {
        if !before.is_empty() {
            tokens = before.iter().map(|(_, body)| member(body, "refresh_token")).collect();
        }
        tokens.iter().map(rotate).collect()
    })
}

/// Of access tokens that a code gave, so that what the person allowed is looked up, too.
pub(crate) fn introspection(bench: &Bench, name: &str) -> f64 {
    let browser = signed_in(bench);
    let codes = codes(bench, &browser, CLIENT, SCOPE, bench.requests);
    let redemptions: Vec<_> = codes.iter().map(|code| redemption(CLIENT, code).grant).collect();
    let issued = bench.all(bench.sts, &redemptions);
    let introspect = |(_, body): &(u16, Vec<u8>)| {
        let token = member(body, "access_token");
        let fields = [("token", token.as_str()), ("client_id", "rs"), ("client_secret", SECRET)];
        Requests::of(Of::Introspection, "/introspect", &fields)
    };
    let requests: Vec<Requests> = issued.iter().map(introspect).collect();
    let answer = bench.imitate(Of::Introspection, bench.sts, &requests[0]);
    assert!(answer.contains("\"active\":true"), "{answer}");
    bench.share(name, bench.sts, |_| requests.clone())
}

fn signed_in(bench: &Bench) -> Browser {
    let who = (ALICE, PASSWORD);
    bench.runtime.block_on(Browser::sign_in(bench.provider.clone(), who, (CLIENT, SCOPE)))
}

fn codes(
    bench: &Bench,
    browser: &Browser,
    client: &'static str,
    scope: &'static str,
    count: usize,
) -> Vec<String> {
    let code = |_| bench.runtime.spawn(browser.clone().code(client, scope));
    let codes: Vec<_> = (0..count).map(code).collect();
    codes.into_iter().map(|code| bench.runtime.block_on(code).unwrap()).collect()
}

/// One more than there are requests in a round.
fn refresh_tokens(bench: &Bench, client: &'static str) -> Vec<String> {
    let browser = signed_in(bench);
    let codes = codes(bench, &browser, client, OFFLINE, bench.requests + 1);
    let redemptions: Vec<_> = codes.iter().map(|code| redemption(client, code).grant).collect();
    let issued = bench.all(bench.sts, &redemptions);
    issued.iter().map(|(_, body)| member(body, "refresh_token")).collect()
}

fn redemption(client: &str, code: &str) -> Requests {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", client),
    ];
    if client == CLIENT {
        fields.push(("client_secret", SECRET));
    }
    Requests::of(Of::Code, "/token", &fields)
}

fn access_token(bench: &Bench) -> String {
    let now = bench.seams.clock.now();
    let claims = json!({
        "iss": STS, "sub": "alice", "aud": STS, "client_id": CLIENT, "iat": now,
        "exp": now.after(Lifetime::from_secs(300)), "jti": "6R8vTGd2bJv9vXtqKqzQ1w",
        "scope": "openid email claims-provider", "auth_time": now, "amr": ["pwd"],
        "email": ALICE, "email_verified": true,
    });
    sign("at+jwt", &bench.key, &claims).unwrap()
}
