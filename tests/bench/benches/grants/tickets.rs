//! The requests of the UMA server's grant: for a permission ticket, from that to an RPT, and for
//! what an RPT is worth.

use countersign_bench_tests::load;
use countersign_jwt::sign;
use countersign_permission_ticket::TicketChallenge;
use countersign_types::Lifetime;
use countersign_types::secret::TicketHandle;
use serde_json::{Value, json};

use crate::bare::Of;
use crate::servers::{ALICE, CLIENT, RS, SECRET, STS, UMA};
use crate::turns::{Answer, Bench, Requests, member};

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const UMA_TICKET: &str = "urn:ietf:params:oauth:grant-type:uma-ticket";

/// The tickets of a round are redeemed before the next one: most are, and never reach the disk.
pub(crate) fn permission(bench: &Bench, name: &str) -> f64 {
    let pat = pat(bench);
    let permission = permission_at(bench, &pat);
    let request = Requests {
        bare: load::json(Of::Permission.path(), &pat, &permission),
        grant: load::json("/permission", &pat, &permission),
    };
    bench.share(name, bench.uma, |issued| {
        bench.all(bench.uma, &redemptions(bench, issued));
        vec![request.clone(); bench.requests]
    })
}

pub(crate) fn recent(bench: &Bench, name: &str) -> f64 {
    redeemed(bench, name, || {})
}

pub(crate) fn on_disk(bench: &Bench, name: &str) -> f64 {
    redeemed(bench, name, || bench.runtime.block_on(bench.store.write_recent()).unwrap())
}

fn redeemed(bench: &Bench, name: &str, issued: impl Fn()) -> f64 {
    let pat = pat(bench);
    let ask = load::json("/permission", &pat, &permission_at(bench, &pat));
    let asks = vec![ask; bench.requests];
    bench.share(name, bench.uma, |_| {
        let tickets = bench.all(bench.uma, &asks);
        let redeem = |(_, body): &Answer| redemption(bench, &member(body, "ticket"));
        let requests = tickets.iter().map(redeem).collect();
        issued();
        requests
    })
}

/// Of RPTs that are as many as the requests of a round.
pub(crate) fn introspection(bench: &Bench, name: &str) -> f64 {
    let pat = pat(bench);
    let ask = load::json("/permission", &pat, &permission_at(bench, &pat));
    let tickets = bench.all(bench.uma, &vec![ask; bench.requests]);
    let rpts = bench.all(bench.uma, &redemptions(bench, &tickets));
    let introspect = |(_, body): &Answer| {
        let token = member(body, "access_token");
        let request = |path| load::form_with_token(path, &pat, &[("token", &token)]);
        Requests { bare: request(Of::RptIntrospection.path()), grant: request("/introspect") }
    };
    let requests: Vec<Requests> = rpts.iter().map(introspect).collect();
    let answer = bench.imitate(Of::RptIntrospection, bench.uma, &requests[0]);
    assert!(answer.contains("\"active\":true"), "{answer}");
    bench.share(name, bench.uma, |_| requests.clone())
}

/// What is asked for at a resource that is registered for it.
fn permission_at(bench: &Bench, pat: &str) -> Value {
    let resource = json!({ "name": "RS API", "resource_scopes": ["get"] });
    let registered = bench.all(bench.uma, &[load::json("/resources", pat, &resource)]);
    json!({ "resource_id": member(&registered[0].1, "_id"), "resource_scopes": ["get"] })
}

fn redemptions(bench: &Bench, tickets: &[Answer]) -> Vec<Vec<u8>> {
    tickets.iter().map(|(_, body)| redemption(bench, &member(body, "ticket")).grant).collect()
}

fn pat(bench: &Bench) -> String {
    let fields = [
        ("grant_type", "client_credentials"),
        ("scope", "uma_protection"),
        ("client_id", "rs"),
        ("client_secret", SECRET),
    ];
    member(&bench.all(bench.uma, &[load::form("/token", &fields)])[0].1, "access_token")
}

/// With a claims token that is bound to the ticket.
fn redemption(bench: &Bench, ticket: &str) -> Requests {
    let token = claims_token(bench, ticket);
    let fields = [
        ("grant_type", UMA_TICKET),
        ("ticket", ticket),
        ("claim_token", &token),
        ("claim_token_format", JWT),
        ("resource", RS),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
    ];
    Requests::of(Of::Redemption, "/token", &fields)
}

fn claims_token(bench: &Bench, ticket: &str) -> String {
    let now = bench.seams.clock.now();
    let claims = json!({
        "iss": STS, "sub": "alice", "aud": UMA, "resource": RS, "iat": now,
        "exp": now.after(Lifetime::from_secs(120)),
        "jti": countersign_types::random::identifier(&*bench.seams.random),
        "email": ALICE, "email_verified": true, "amr": ["pwd"],
        "ticket_challenge": TicketChallenge::of(&TicketHandle::new(ticket)).to_string(),
    });
    sign("uma-claims+jwt", &bench.key, &claims).unwrap()
}
