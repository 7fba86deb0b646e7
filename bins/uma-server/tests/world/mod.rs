//! The program, over TLS, with Alice's provider and Bob's: it can be killed, and is another one
//! then.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign_faults_tests::process::Server;
use countersign_fetch::{Fetch, FetchError, Limits, Request};
use countersign_host::Seams;
use countersign_permission_ticket::TicketChallenge;
use countersign_testkit::deployment::Builder;
use countersign_testkit::directory::only_for_its_owner;
use countersign_testkit::{Deployment, Party, keys, names};
use countersign_types::EndpointUrl;
use countersign_types::secret::TicketHandle;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use tokio::process::Command;
use toml::Table;

const UMA_TICKET: &str = "urn:ietf:params:oauth:grant-type:uma-ticket";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Bob is asked about everybody, and the log says when the server listens.
const ASKING: &str = r#"
    log = { format = "json", filter = "error,countersign_host::server=info" }
    lifetimes = { poll_interval = 1 }
    policy = [{ resource = "*", scopes = ["get"], domains = ["alice.example"], ask = true }]
"#;

/// Alice's provider and Bob's, and Bob's UMA server as a program.
pub(crate) struct World {
    pub(crate) deployment: Deployment,
    pub(crate) http: Arc<dyn Fetch>,
    pub(crate) seams: Seams,
    pub(crate) server: Option<Server>,
}

/// Status and body of an answer that arrived.
pub(crate) type Answer = (u16, Value);

impl World {
    /// What the builder makes, with more in the configuration of the UMA server, and files beside
    /// it.
    pub(crate) async fn start(
        builder: Builder,
        more: fn(&mut Table),
        files: &[(&str, String)],
    ) -> Self {
        let seams = Seams::system();
        let configure = move |config: &mut Table| {
            let mut asking: Table = ASKING.parse().unwrap();
            config["resource_servers"][0]["policy"] = asking.remove("policy").unwrap();
            config.extend(asking);
            more(config);
        };
        let mut deployment = builder
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
        for (name, text) in files {
            world.write(name, text);
        }
        world.run().await;
        world
    }

    pub(crate) async fn run(&mut self) {
        let file = self.deployment.write_configuration(Party::UmaServer);
        let program = env!("CARGO_BIN_EXE_uma-server");
        self.server = Some(Server::start(program.as_ref(), &file).await.unwrap());
    }

    /// What it just said never arrives, and it is another one.
    pub(crate) async fn lost<T>(&mut self, answer: T) {
        drop(answer);
        self.kill().await;
        self.run().await;
    }

    pub(crate) async fn kill(&mut self) {
        self.server.take().unwrap().kill().await.unwrap();
    }

    /// Writes a file beside the configuration, for its owner alone.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.deployment.directory().join(name);
        std::fs::write(&file, text).unwrap();
        only_for_its_owner(&file).unwrap();
    }

    /// Has it read its files again.
    pub(crate) async fn hang_up(&self) {
        let id = self.server.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-HUP", &id]).status().await.unwrap();
        assert!(sent.success());
    }

    /// A resource of Bob's.
    pub(crate) async fn resource(&self, pat: &str) -> String {
        let description = json!({ "resource_scopes": ["get"], "name": names::RS_API_NAME });
        member(&self.json("/resources", pat, &description).await, 201, "_id")
    }

    /// A public document.
    pub(crate) async fn document(&self, path: &str) -> Value {
        let url = EndpointUrl::parse(&format!("{}{path}", names::UMA)).unwrap();
        let (status, body) = self.send(Request::get(url, Limits::jwks())).await.unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn send(&self, request: Request) -> Result<Answer, FetchError> {
        let response = self.http.fetch(request).await?;
        let body = serde_json::from_slice(response.body()).unwrap_or_default();
        Ok((response.status().as_u16(), body))
    }

    async fn form(
        &self,
        path: &str,
        authorization: &str,
        form: &[(&str, &str)],
    ) -> Result<Answer, FetchError> {
        let url = EndpointUrl::parse(&format!("{}{path}", names::UMA)).unwrap();
        let mut request = Request::post_form(url, form, Limits::resource());
        request.headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        self.send(request).await
    }

    pub(crate) async fn json(&self, path: &str, pat: &str, body: &Value) -> Answer {
        let url = EndpointUrl::parse(&format!("{}{path}", names::UMA)).unwrap();
        let mut request = Request::new(http::Method::POST, url, Limits::resource())
            .with_body(Bytes::from(body.to_string()));
        request.headers.insert(AUTHORIZATION, format!("Bearer {pat}").parse().unwrap());
        request.headers.insert("content-type", "application/json".parse().unwrap());
        self.send(request).await.unwrap()
    }

    pub(crate) async fn pat(&self) -> String {
        let form = [("grant_type", "client_credentials"), ("scope", "uma_protection")];
        let basic = basic(names::RS_CLIENT, names::RS_SECRET);
        member(&self.form("/token", &basic, &form).await.unwrap(), 200, "access_token")
    }

    pub(crate) async fn ticket(&self, pat: &str, resource: &str) -> String {
        let permission = json!({ "resource_id": resource, "resource_scopes": ["get"] });
        member(&self.json("/permission", pat, &permission).await, 201, "ticket")
    }

    /// A client presents a ticket, with claims about whom this address is of, or without any.
    pub(crate) async fn redeem(&self, ticket: &str, about: Option<&str>) -> Answer {
        self.try_to_redeem(ticket, about).await.unwrap()
    }

    /// The same, where the server may be killed meanwhile.
    pub(crate) async fn try_to_redeem(
        &self,
        ticket: &str,
        about: Option<&str>,
    ) -> Result<Answer, FetchError> {
        let claims_token = about.map(|email| self.claims_token(ticket, email));
        let mut form =
            vec![("grant_type", UMA_TICKET), ("ticket", ticket), ("resource", names::RS)];
        if let Some(claims_token) = &claims_token {
            form.extend([("claim_token", claims_token.as_str()), ("claim_token_format", JWT)]);
        }
        self.form("/token", &basic(names::RQP_CLIENT, names::RQP_SECRET), &form).await
    }

    /// What Alice's provider says of whom it knows by this address, for a ticket.
    fn claims_token(&self, ticket: &str, email: &str) -> String {
        let now = self.seams.clock.now().as_unix();
        let claims = json!({
            "iss": names::STS, "sub": email, "aud": names::UMA,
            "exp": now + 120, "iat": now, "jti": ticket,
            "email": email, "email_verified": true, "resource": names::RS,
            "ticket_challenge": TicketChallenge::of(&TicketHandle::new(ticket)).to_string(),
        });
        countersign_jwt::sign("uma-claims+jwt", &keys::signing(keys::ES256_A), &claims).unwrap()
    }

    pub(crate) async fn is_active(&self, pat: &str, rpt: &str) -> bool {
        let form = [("token", rpt)];
        let answer = self.form("/introspect", &format!("Bearer {pat}"), &form).await;
        let (status, body) = answer.unwrap();
        assert_eq!(status, 200, "{body}");
        body["active"] == true
    }
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// A member of an answer of this status.
#[track_caller]
pub(crate) fn member((status, body): &Answer, expected: u16, name: &str) -> String {
    assert_eq!(*status, expected, "{body}");
    body[name].as_str().unwrap_or_else(|| unreachable!("{name}: {body}")).to_owned()
}

#[track_caller]
pub(crate) fn refused((status, body): &Answer, expected: u16, error: &str) {
    assert_eq!((*status, body["error"].as_str()), (expected, Some(error)), "{body}");
}
