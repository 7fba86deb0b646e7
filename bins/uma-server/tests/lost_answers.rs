//! The loop of flow 003 at the program itself, over TLS: its answers get lost on the way, and it is killed.
//!
//! A client whose answer was lost has nothing to go on with: its ticket is spent. It begins anew, and neither is
//! the owner asked twice nor is anything forgotten that they said.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign_faults_tests::process::Server;
use countersign_fetch::{Fetch, Limits, Request};
use countersign_host::Seams;
use countersign_permission_ticket::TicketChallenge;
use countersign_testkit::browser::{self, Browser, attribute, fields};
use countersign_testkit::{Deployment, Party, keys, names};
use countersign_types::EndpointUrl;
use countersign_types::secret::TicketHandle;
use http::Response;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use toml::Table;

const UMA_TICKET: &str = "urn:ietf:params:oauth:grant-type:uma-ticket";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Bob is asked about everybody, and the log says when the server listens.
const MORE: &str = r#"
    log = { format = "json", filter = "error,countersign_host::server=info" }
    lifetimes = { poll_interval = 1 }
    policy = [{ resource = "*", scopes = ["get"], domains = ["alice.example"], ask = true }]
"#;

/// Alice's provider and Bob's, and Bob's UMA server as a program.
struct World {
    deployment: Deployment,
    http: Arc<dyn Fetch>,
    seams: Seams,
    server: Option<Server>,
}

/// Status and body of an answer that arrived.
type Answer = (u16, Value);

impl World {
    async fn start() -> Self {
        let seams = Seams::system();
        let configure = |config: &mut Table| {
            let mut more: Table = MORE.parse().unwrap();
            config["resource_servers"][0]["policy"] = more.remove("policy").unwrap();
            config.extend(more);
        };
        let mut deployment = Deployment::builder()
            .with_seams(seams.clone())
            .with_console()
            .with(Party::UmaServer, configure)
            .without(Party::UmaServer)
            .start()
            .await;
        // The program listens there itself.
        drop(deployment.take_place(Party::UmaServer));
        let http = deployment.http();
        let mut world = Self { deployment, http, seams, server: None };
        world.run().await;
        world
    }

    async fn run(&mut self) {
        let file = self.deployment.write_configuration(Party::UmaServer);
        let program = env!("CARGO_BIN_EXE_uma-server");
        self.server = Some(Server::start(program.as_ref(), &file).await.unwrap());
    }

    /// What it just said never arrives, and it is another one.
    async fn lost<T>(&mut self, answer: T) {
        drop(answer);
        self.server.take().unwrap().kill().await.unwrap();
        self.run().await;
    }

    async fn send(&self, request: Request) -> Answer {
        let response = self.http.fetch(request).await.unwrap();
        let body = serde_json::from_slice(response.body()).unwrap_or_default();
        (response.status().as_u16(), body)
    }

    async fn form(&self, path: &str, authorization: &str, form: &[(&str, &str)]) -> Answer {
        let url = EndpointUrl::parse(&format!("{}{path}", names::UMA)).unwrap();
        let mut request = Request::post_form(url, form, Limits::resource());
        request.headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        self.send(request).await
    }

    async fn json(&self, path: &str, pat: &str, body: &Value) -> Answer {
        let url = EndpointUrl::parse(&format!("{}{path}", names::UMA)).unwrap();
        let mut request = Request::new(http::Method::POST, url, Limits::resource())
            .with_body(Bytes::from(body.to_string()));
        request.headers.insert(AUTHORIZATION, format!("Bearer {pat}").parse().unwrap());
        request.headers.insert("content-type", "application/json".parse().unwrap());
        self.send(request).await
    }

    async fn pat(&self) -> String {
        let form = [("grant_type", "client_credentials"), ("scope", "uma_protection")];
        let basic = basic(names::RS_CLIENT, names::RS_SECRET);
        member(&self.form("/token", &basic, &form).await, 200, "access_token")
    }

    async fn ticket(&self, pat: &str, resource: &str) -> String {
        let permission = json!({ "resource_id": resource, "resource_scopes": ["get"] });
        member(&self.json("/permission", pat, &permission).await, 201, "ticket")
    }

    /// Alice's client presents a ticket, with claims for it or without.
    async fn redeem(&self, ticket: &str, with_claims: bool) -> Answer {
        let claims_token = self.claims_token(ticket);
        let mut form =
            vec![("grant_type", UMA_TICKET), ("ticket", ticket), ("resource", names::RS)];
        if with_claims {
            form.extend([("claim_token", claims_token.as_str()), ("claim_token_format", JWT)]);
        }
        self.form("/token", &basic(names::RQP_CLIENT, names::RQP_SECRET), &form).await
    }

    /// What Alice's provider says of her, for a ticket.
    fn claims_token(&self, ticket: &str) -> String {
        let now = self.seams.clock.now().as_unix();
        let claims = json!({
            "iss": names::STS, "sub": names::ALICE_SUB, "aud": names::UMA,
            "exp": now + 120, "iat": now, "jti": ticket,
            "email": names::ALICE, "email_verified": true, "resource": names::RS,
            "ticket_challenge": TicketChallenge::of(&TicketHandle::new(ticket)).to_string(),
        });
        countersign_jwt::sign("uma-claims+jwt", &keys::signing(keys::ES256_A), &claims).unwrap()
    }

    async fn is_active(&self, pat: &str, rpt: &str) -> bool {
        let (status, body) =
            self.form("/introspect", &format!("Bearer {pat}"), &[("token", rpt)]).await;
        assert_eq!(status, 200, "{body}");
        body["active"] == true
    }
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// A member of an answer of this status.
#[track_caller]
fn member((status, body): &Answer, expected: u16, name: &str) -> String {
    assert_eq!(*status, expected, "{body}");
    body[name].as_str().unwrap_or_else(|| unreachable!("{name}: {body}")).to_owned()
}

#[track_caller]
fn refused((status, body): &Answer, expected: u16, error: &str) {
    assert_eq!((*status, body["error"].as_str()), (expected, Some(error)), "{body}");
}

/// Bob, in a browser at his console.
struct Bob(Browser);

impl Bob {
    async fn signs_in(world: &World) -> Self {
        let browser = Browser::new(Arc::clone(&world.http));
        let leaves = browser.get(&format!("{}/console/sign-in", names::UMA)).await;
        let page = browser.get(browser::location(&leaves)).await;
        let fields = [("username", "bob"), ("password", names::ALICE_PASSWORD)];
        let back = browser.submit(names::BOBS_PROVIDER, &page, "username", &fields).await;
        let console = browser.get(browser::location(&back)).await;
        assert_eq!(browser::location(&console), format!("{}/console", names::UMA));
        Self(browser)
    }

    async fn page(&self, path: &str) -> String {
        let page = self.0.get(&format!("{}{path}", names::UMA)).await;
        assert_eq!(page.status(), 200);
        browser::text(&page)
    }

    /// Where the only person is whom he knows.
    async fn person(&self) -> String {
        let people = self.page("/console/people").await;
        assert_eq!(people.matches("class=\"person\"").count(), 1, "{people}");
        attribute(people.split_once("class=\"person\"").unwrap().1, "href")
    }

    /// Sends a form as it stands, with a verdict.
    async fn says(&self, path: &str, form: &str, verdict: &str) -> Response<Bytes> {
        let stands = fields(&self.page(path).await, form);
        let mut fields: Vec<_> = stands.iter().map(|(name, it)| (&**name, &**it)).collect();
        fields.push(("verdict", verdict));
        let done = self.0.post(&format!("{}{path}", names::UMA), &fields).await;
        assert!(browser::location(&done).ends_with(path), "{done:?}");
        done
    }

    /// How often something stands in the history.
    async fn happened(&self, what: &str) -> usize {
        self.page("/console/history").await.matches(what).count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_get_lost_and_the_server_is_killed_in_between() {
    let mut world = World::start().await;
    let pat = world.pat().await;
    let description = json!({ "resource_scopes": ["get"], "name": names::RS_API_NAME });
    let resource = member(&world.json("/resources", &pat, &description).await, 201, "_id");

    // Alice asks. That Bob is asked she does not hear, nor the ticket to come back with.
    let first = world.ticket(&pat, &resource).await;
    let submitted = world.redeem(&first, true).await;
    refused(&submitted, 403, "request_submitted");
    world.lost(submitted).await;
    refused(&world.redeem(&first, true).await, 400, "invalid_grant");
    refused(&world.redeem(&first, false).await, 400, "invalid_grant");
    let second = world.ticket(&pat, &resource).await;
    let submitted = world.redeem(&second, true).await;
    let waiting = member(&submitted, 403, "ticket");
    refused(&submitted, 403, "request_submitted");

    // Bob was asked once. That he is heard he does not hear.
    let bob = Bob::signs_in(&world).await;
    assert_eq!(bob.happened("<strong>Asked</strong>").await, 1);
    let person = bob.person().await;
    let approved = bob.says(&person, "decide-1", "approve").await;
    world.lost(approved).await;

    // Her last ticket outlived both, and goes round the loop. What it is worth she does not hear.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = world.redeem(&waiting, false).await;
    refused(&answer, 403, "need_info");
    let rotated = member(&answer, 403, "ticket");
    let granted = world.redeem(&rotated, true).await;
    assert_eq!(granted.0, 200, "{granted:?}");
    world.lost(granted).await;
    for spent in [&waiting, &rotated] {
        refused(&world.redeem(spent, true).await, 400, "invalid_grant");
    }
    // The approval stands, so that she begins anew and is in.
    let third = world.ticket(&pat, &resource).await;
    let rpt = member(&world.redeem(&third, true).await, 200, "access_token");
    assert!(world.is_active(&pat, &rpt).await);

    // Bob takes it back, and does not hear that either.
    let bob = Bob::signs_in(&world).await;
    let revoked = bob.says(&person, "revoke", "revoke").await;
    world.lost(revoked).await;
    assert!(!world.is_active(&pat, &rpt).await);
    let last = world.ticket(&pat, &resource).await;
    refused(&world.redeem(&last, true).await, 403, "request_denied");

    // Everything happened once.
    let bob = Bob::signs_in(&world).await;
    for (what, times) in [("Asked", 1), ("Allowed by", 1), ("Everything taken back by", 1)] {
        assert_eq!(bob.happened(&format!("<strong>{what}")).await, times, "{what}");
    }
}
