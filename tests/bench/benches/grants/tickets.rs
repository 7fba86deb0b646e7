//! The grant of the UMA server: from a permission ticket to an RPT.

use countersign_bench_tests::load;
use countersign_jwt::sign;
use countersign_permission_ticket::TicketChallenge;
use countersign_types::Lifetime;
use countersign_types::secret::TicketHandle;
use serde_json::json;

use crate::CONNECTIONS;
use crate::bare::Of;
use crate::servers::{ALICE, CLIENT, RS, SECRET, STS, UMA};
use crate::turns::{Bench, Requests, member};

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const UMA_TICKET: &str = "urn:ietf:params:oauth:grant-type:uma-ticket";

pub(crate) fn recent(bench: &Bench, name: &str) -> f64 {
    redeemed(bench, name, || {})
}

pub(crate) fn on_disk(bench: &Bench, name: &str) -> f64 {
    redeemed(bench, name, || bench.runtime.block_on(bench.store.write_recent()).unwrap())
}

fn redeemed(bench: &Bench, name: &str, issued: impl Fn()) -> f64 {
    let pat = pat(bench);
    let resource = json!({ "name": "RS API", "resource_scopes": ["get"] });
    let registered = bench.all(bench.uma, &[load::json("/resources", &pat, &resource)]);
    let id = member(&registered[0].1, "_id");
    let permission = json!({ "resource_id": id, "resource_scopes": ["get"] });
    let asks = vec![load::json("/permission", &pat, &permission); bench.requests];
    bench.share(name, bench.uma, |_| {
        let tickets = load::run(bench.uma, CONNECTIONS, &asks).unwrap().answers;
        let redeem = |(_, body): &(u16, Vec<u8>)| redemption(bench, &member(body, "ticket"));
        let requests = tickets.iter().map(redeem).collect();
        issued();
        requests
    })
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
