//! Both domains with everything that the drawing has, and its arrows one by one.

use std::collections::BTreeMap;
use std::sync::Mutex;

use countersign_client::{Client, Registration};
use countersign_client_auth::Proof;
use countersign_testkit::{Deployment, Heard, Party, keys, names};
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, EndpointUrl, Issuer};
use http::Method;
use serde_json::{Value, json};
use toml::Table;

use crate::bed::{Attempt, Bed, Credentials, Form, Reply, bearer, challenge_of, check_not_stored};
use crate::inbox::{self, INBOX};

/// Bob is asked about everybody of Alice's domain.
pub(crate) const ASKING: &str = r#"{ resource = "Bob's Incoming", scopes = ["message:create"], domains = ["alice.example"], ask = true }"#;

/// About looking into his inbox, too.
pub(crate) const ASKING_ABOUT_ALL: &str = r#"{ resource = "Bob's Incoming", scopes = ["message:create", "message:view"], domains = ["alice.example"], ask = true }"#;

/// Alice, or whoever acts for her, may leave messages.
pub(crate) const LETTING: &str = r#"{ resource = "Bob's Incoming", scopes = ["message:create"], emails = ["alice@alice.example"] }"#;

/// Bob reads what is left, himself.
pub(crate) const READING: &str = r#"{ resource = "Bob's Incoming", scopes = ["message:view", "message:delete"], emails = ["bob@bob.example"], present = true }"#;

/// The two ways through the drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Branch {
    /// Alice is involved.
    Present,
    /// Alice is not involved: her agent names her.
    Agent,
}

impl Branch {
    pub(crate) const ALL: [Self; 2] = [Self::Present, Self::Agent];

    /// Whom the client names.
    pub(crate) const fn address(self) -> &'static str {
        match self {
            Self::Present => "",
            Self::Agent => names::ALICE,
        }
    }
}

/// The deployment, and how much of what was heard belongs to what came before.
pub(crate) struct Scene {
    pub(crate) bed: Bed,
    heard_before: Mutex<usize>,
    /// Access tokens that there are, and since when.
    signed_in: Mutex<BTreeMap<Branch, (i64, String)>>,
}

impl Scene {
    /// With these rules of Bob's.
    pub(crate) async fn start(rules: &[&str]) -> Self {
        Self::changed(rules, |_| {}).await
    }

    /// The same, with his UMA server changed.
    pub(crate) async fn changed(
        rules: &[&str],
        change: impl FnOnce(&mut Table) + Send + 'static,
    ) -> Self {
        let rules = policy(rules);
        let deployment = Deployment::builder()
            .with_claims_provider()
            .with_console()
            .overheard()
            .with(Party::Sts, authn_server)
            .with(Party::ResourceServer, |table| {
                inbox::add(table);
                let resources = table["resources"].as_array_mut().unwrap();
                resources.last_mut().unwrap()["inbox"]["max_messages"] = 100.into();
            })
            .with(Party::UmaServer, move |table| {
                table["resource_servers"][0]["policy"] = rules;
                change(table);
            });
        let scene = Self {
            bed: Bed::of(deployment.start().await),
            heard_before: Mutex::default(),
            signed_in: Mutex::default(),
        };
        // The resource server has registered what it has.
        let ready = scene.post(None).await;
        assert_eq!(ready.status, 401, "{ready:?}");
        scene.forget();
        scene
    }

    /// What was heard so far does not count.
    pub(crate) fn forget(&self) {
        *self.heard_before.lock().unwrap() = self.bed.deployment.heard().len();
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.bed.deployment.heard().split_off(*self.heard_before.lock().unwrap())
    }

    pub(crate) async fn post(&self, rpt: Option<&str>) -> Reply {
        self.call(Method::POST, INBOX, rpt, "Hello Bob").await
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        url: &str,
        rpt: Option<&str>,
        body: &'static str,
    ) -> Reply {
        let authorization = rpt.map(bearer);
        let mut headers = vec![("content-type", "text/plain")];
        headers.extend(authorization.as_ref().map(|(name, value)| (*name, value.as_str())));
        self.bed.request(method, url, &headers, body).await
    }

    /// Arrows 1 and 2.
    pub(crate) async fn ticket(&self) -> String {
        let reply = self.post(None).await;
        assert_eq!((reply.status, reply.challenge("as_uri")), (401, names::UMA.to_owned()));
        reply.challenge("ticket")
    }

    /// Arrows 3 and 4.
    pub(crate) async fn access_token(&self, branch: Branch) -> String {
        match branch {
            Branch::Present => {
                let code = crate::sts::code(&self.bed, "alice").await;
                crate::sts::redeem(&self.bed, &code).await.member("access_token")
            }
            Branch::Agent => {
                let params = [
                    ("grant_type", "client_credentials"),
                    ("scope", "claims-provider"),
                    ("resource", names::CLAIMS_PROVIDER),
                ];
                let form = Form::new(&params, application());
                let reply = self.bed.post(&self.bed.sts("token_endpoint").await, &form).await;
                assert_eq!(reply.status, 200, "{reply:?}");
                reply.member("access_token")
            }
        }
    }

    /// Arrow 5: where the domain says that claims are had.
    pub(crate) async fn ask(&self, access_token: &str, ticket: &str, address: &str) -> Reply {
        let url = format!("{}/.well-known/claims-provider-configuration", names::CLAIMS_PROVIDER);
        let endpoint = self.bed.get(&url, &[]).await.member("claims_endpoint");
        let mut question = json!({
            "ticket_digest": challenge_of(ticket), "audience": names::UMA, "resource": names::RS,
        });
        if !address.is_empty() {
            question["email_address"] = address.into();
        }
        let reply = self.bed.json(Method::POST, &endpoint, access_token, &question).await;
        check_not_stored("claims", &reply);
        reply
    }

    /// Arrows 5 and 6.
    pub(crate) async fn claims_token(
        &self,
        access_token: &str,
        ticket: &str,
        address: &str,
    ) -> String {
        let reply = self.ask(access_token, ticket, address).await;
        assert_eq!((reply.status, reply.json()["expires_in"].clone()), (200, json!(120)));
        reply.member("claims_token")
    }

    /// Arrows 5 and 6, with the access token that there is: whoever has signed in a moment ago does
    /// not sign in again.
    pub(crate) async fn claims_of(&self, branch: Branch, ticket: &str) -> String {
        let now = self.bed.now();
        let kept = self.signed_in.lock().unwrap().get(&branch).cloned();
        let access_token = match kept.filter(|(since, _)| now < since + 200) {
            Some((_, access_token)) => access_token,
            None => {
                let access_token = self.access_token(branch).await;
                self.signed_in.lock().unwrap().insert(branch, (now, access_token.clone()));
                access_token
            }
        };
        self.claims_token(&access_token, ticket, branch.address()).await
    }

    /// Arrow 7.
    pub(crate) async fn redeem(
        &self,
        ticket: &str,
        claims_token: Option<&str>,
        more: &[(&str, &str)],
    ) -> Reply {
        let mut attempt = self.bed.attempt_with(ticket);
        match claims_token {
            Some(token) => attempt.form.set("claim_token", token),
            None => attempt.push_nothing(),
        }
        for (name, value) in more {
            attempt.form.set(name, value);
        }
        let reply = self.bed.redeem(&attempt).await;
        check_not_stored("redeem", &reply);
        reply
    }

    /// Arrow 7 with this answer: the newest ticket, if there is one.
    pub(crate) async fn refused(
        &self,
        ticket: &str,
        claims_token: Option<&str>,
        status: u16,
        error: &str,
    ) -> Reply {
        let reply = self.redeem(ticket, claims_token, &[]).await;
        assert_eq!((reply.status, reply.error().as_str()), (status, error), "{reply:?}");
        let goes_on = matches!(error, "need_info" | "request_submitted");
        assert_eq!(reply.json()["ticket"].is_string(), goes_on, "{reply:?}");
        assert_ne!(reply.member("ticket"), ticket);
        reply
    }

    /// Bob is asked: the next ticket.
    pub(crate) async fn submitted(&self, ticket: &str, claims_token: Option<&str>) -> String {
        let reply = self.refused(ticket, claims_token, 403, "request_submitted").await;
        assert_eq!(reply.json()["interval"], 5, "{reply:?}");
        reply.member("ticket")
    }

    /// Claims are asked for: the next ticket.
    pub(crate) async fn need_info(&self, ticket: &str, claims_token: Option<&str>) -> String {
        let reply = self.refused(ticket, claims_token, 403, "need_info").await;
        assert!(reply.json()["required_claims"].is_array(), "{reply:?}");
        reply.member("ticket")
    }

    /// Arrows 7 and 8.
    pub(crate) async fn granted(&self, ticket: &str, claims_token: &str) -> String {
        let reply = self.redeem(ticket, Some(claims_token), &[]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.json().get("scope").is_none(), "{reply:?}");
        reply.member("access_token")
    }

    /// Arrows 9 and 10: where the message is.
    pub(crate) async fn posted(&self, rpt: &str, message: &'static str) -> String {
        let reply = self.call(Method::POST, INBOX, Some(rpt), message).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let location = reply.header("location");
        assert!(location.starts_with("/incoming/"), "{reply:?}");
        format!("{}{location}", names::RS)
    }

    /// What the AS tells the RS of a token. UF §5
    pub(crate) async fn permissions(&self, rpt: &str) -> Value {
        let pat = self.bed.pat(names::RS_CLIENT, names::RS_SECRET).await;
        let form = Form::new(&[("token", rpt)], Credentials::Bearer(pat));
        let reply = self.bed.post(&self.bed.uma("introspection_endpoint").await, &form).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let body = reply.json();
        assert!(body["active"] == true || body == json!({ "active": false }), "{body}");
        body["permissions"][0]["resource_scopes"].clone()
    }

    pub(crate) async fn is_active(&self, rpt: &str) -> bool {
        !self.permissions(rpt).await.is_null()
    }

    /// Alice would read a message: what she is told.
    pub(crate) async fn refused_to_read(&self, access_token: &str, message: &str) -> (u16, String) {
        let ticket = self.call(Method::GET, message, None, "").await.challenge("ticket");
        let claims_token = self.claims_token(access_token, &ticket, "").await;
        let reply = self.redeem(&ticket, Some(&claims_token), &[]).await;
        (reply.status, reply.error())
    }

    /// A claims token that imitates what the claims provider would sign, to be changed.
    pub(crate) fn attempt_with(&self, branch: Branch, ticket: &str) -> Attempt {
        let mut attempt = self.bed.attempt_with(ticket);
        attempt.key = keys::ES256_C;
        attempt.claim("iss", names::CLAIMS_PROVIDER);
        match branch {
            Branch::Present => attempt.claim("amr", json!(["pwd"])),
            Branch::Agent => attempt.claim("act", json!({ "sub": names::RQP_CLIENT })),
        }
        attempt
    }

    /// Bob's reader: he signs in at his own provider, which exchanges tokens.
    pub(crate) async fn reader(&self) -> Reader {
        let deployment = &self.bed.deployment;
        let bob =
            deployment.signs_in(names::BOBS_PROVIDER, "bob", names::BOB_SUB, names::BOB).await;
        let seams = deployment.seams();
        let provider = registration(names::BOBS_PROVIDER);
        let subject = std::sync::Arc::new(bob);
        let client =
            Client::builder(deployment.http(), seams.clock, seams.random, provider, subject);
        Reader(client.with_registration(registration(names::UMA)).build())
    }
}

/// Bob, as he reads what was left for him.
pub(crate) struct Reader(Client);

impl Reader {
    async fn call(&self, method: Method, url: &str) -> http::Response<bytes::Bytes> {
        let request = http::Request::builder().method(method).uri(url);
        self.0.request(request.body(bytes::Bytes::new()).unwrap()).await.unwrap()
    }

    pub(crate) async fn read(&self, message: &str) -> String {
        let response = self.call(Method::GET, message).await;
        assert_eq!(response.status(), 200);
        String::from_utf8_lossy(response.body()).into_owned()
    }

    pub(crate) async fn delete(&self, message: &str) -> u16 {
        self.call(Method::DELETE, message).await.status().as_u16()
    }
}

/// Alice's application, as it is known everywhere.
pub(crate) fn registration(issuer: &str) -> Registration {
    Registration {
        issuer: Issuer::parse(issuer).unwrap(),
        client_id: ClientId::parse(names::RQP_CLIENT).unwrap(),
        proof: Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET)),
    }
}

pub(crate) const fn application() -> Credentials {
    Credentials::Basic(names::RQP_CLIENT, names::RQP_SECRET)
}

/// Rules in the form of the configuration.
pub(crate) fn policy(rules: &[&str]) -> toml::Value {
    let written: Table = format!("policy = [{}]", rules.join(", ")).parse().unwrap();
    written["policy"].clone()
}

/// Alice's application goes both ways, and its access tokens are for the claims provider. Her
/// provider knows where she works.
fn authn_server(config: &mut Table) {
    let client = config["clients"][0].as_table_mut().unwrap();
    client["grants"].as_array_mut().unwrap().push("client_credentials".into());
    client.insert("audiences".to_owned(), vec![names::CLAIMS_PROVIDER].into());
    let exchange = client["exchange"].as_table_mut().unwrap();
    exchange.insert("access_token_audiences".to_owned(), vec![names::CLAIMS_PROVIDER].into());
    exchange.insert("people".to_owned(), Table::new().into());
    let alice = config["users"][0].as_table_mut().unwrap();
    let claims = Table::from_iter([("department".to_owned(), "research".into())]);
    alice.insert("claims".to_owned(), claims.into());
}

/// What was heard, as far as it is drawn: neither metadata and keys, nor how Alice signs in, nor
/// what the resource server and the AS have to do with each other, nor Bob, who sends no message.
pub(crate) fn arrows(scene: &Scene) -> Vec<String> {
    scene.heard().iter().filter_map(arrow).collect()
}

fn arrow(heard: &Heard) -> Option<String> {
    let url = EndpointUrl::parse(&heard.request.url).unwrap();
    let body = String::from_utf8_lossy(&heard.request.body);
    let grant = body.split('&').find_map(|pair| pair.strip_prefix("grant_type="));
    let grant = grant.map(|grant| grant.rsplit("%3A").next().unwrap_or_default());
    let path = url.as_url().path();
    let party = match (url.as_url().host_str()?, path, grant) {
        ("rs.bob.example", path, _) if !path.starts_with("/.well-known/") => "rs",
        ("sts.alice.example", "/token" | "/scim/v2/Users", _) => "authn",
        ("alice.example", "/claims", _) => "cp",
        ("uma.bob.example", "/token", Some("uma-ticket")) => "as",
        _ => return None,
    };
    Some(match (heard.answer, grant) {
        (Some(status), _) => format!("{party} -> {}", status.as_u16()),
        (None, Some(grant)) => format!("{party} <- {} {path} {grant}", heard.request.method),
        (None, None) => format!("{party} <- {} {path}", heard.request.method),
    })
}
