//! A configuration, a server that has it, and what one does at it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use countersign_host::Seams;
use countersign_sts::{compose, load};
use countersign_sts_service::LogAudit;
use countersign_testkit::Directory;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Request};
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) const CONFIG: &str = r#"
issuer = "https://sts.alice.example"
name = "alice.example"
email_domains = ["alice.example"]
listen = "127.0.0.1:0"

[keys]
directory = "keys"

[accounts]
directory = "accounts"

[[users]]
username = "listed"
subject = "1"
password = "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

[[clients]]
id = "other"
name = "Other"
public = true
redirect_uris = ["https://app.example/cb"]
grants = ["authorization_code"]
scopes = ["openid"]

[[clients]]
id = "app"
name = "App"
public = true
redirect_uris = ["https://app.example/cb"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "email", "offline_access"]

[danger]
plain_http = true
memory_store = true
"#;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A configuration and a server that has it.
pub(crate) struct World {
    pub(crate) file: PathBuf,
    pub(crate) router: Router,
    _place: Directory,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn header(&self, name: http::HeaderName) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let place = Directory::new().unwrap();
        let file = place.write("sts.toml", CONFIG).unwrap();
        let composed = compose(load(&file).unwrap(), &Seams::system(), Arc::new(LogAudit)).unwrap();
        Self { router: composed.router(), file, _place: place }
    }

    /// Runs `sts user`: whether it went well, and what it said.
    pub(crate) fn user(&self, command: &str, arguments: &[&str], password: &str) -> (bool, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sts"))
            .args(["user", command])
            .arg(&self.file)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Whoever refuses before it reads has closed its end.
        drop(child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()));
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub(crate) async fn post(&self, path: &str, cookie: &str, form: String) -> Answer {
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(COOKIE, cookie);
        self.send(request.body(form.into()).unwrap()).await
    }

    /// Starts anew, with the configuration of now.
    pub(crate) fn restart(&mut self) {
        // The store has one engine at a time.
        self.router = Router::new();
        let config = load(&self.file).unwrap();
        self.router = compose(config, &Seams::system(), Arc::new(LogAudit)).unwrap().router();
    }

    /// The authorization request with a cookie and more parameters.
    pub(crate) async fn authorize(&self, cookie: &str, more: &str) -> Answer {
        let more = format!("%20email%20offline_access{more}");
        self.authorize_for("app", cookie, &more).await
    }

    pub(crate) async fn authorize_for(&self, client: &str, cookie: &str, more: &str) -> Answer {
        let url = format!(
            "/authorize?response_type=code&client_id={client}&redirect_uri=https://app.example/cb\
             &scope=openid{more}\
             &code_challenge={CHALLENGE}&code_challenge_method=S256"
        );
        self.send(Request::get(url).header(COOKIE, cookie).body(Body::empty()).unwrap()).await
    }

    /// What signing in at the page is answered with.
    pub(crate) async fn log_in(&self, name: &str, password: &str) -> Answer {
        self.submit(self.authorize("", "").await, name, password).await
    }

    /// The same for another client.
    pub(crate) async fn log_in_to(&self, client: &str, name: &str, password: &str) -> Answer {
        self.submit(self.authorize_for(client, "", "").await, name, password).await
    }

    pub(crate) async fn submit(&self, page: Answer, name: &str, password: &str) -> Answer {
        let (_, rest) = page.text.split_once("name=\"form_token\" value=\"").unwrap();
        let token = rest.split('"').next().unwrap();
        let cookie = page.header(SET_COOKIE).split(';').next().unwrap().to_owned();
        let name = name.replace('@', "%40");
        let form = format!("form_token={token}&username={name}&password={password}");
        self.post("/login", &cookie, form).await
    }

    /// Signs in: the token response, or the status of the page that says no.
    pub(crate) async fn sign_in(&self, name: &str, password: &str) -> Result<Value, u16> {
        let answer = self.log_in(name, password).await;
        if answer.status != 303 {
            return Err(answer.status);
        }
        let (_, code) = answer.header(LOCATION).split_once("code=").unwrap();
        let code = code.split('&').next().unwrap();
        let form = format!(
            "grant_type=authorization_code&client_id=app&code={code}&code_verifier={VERIFIER}\
             &redirect_uri=https://app.example/cb"
        );
        let answer = self.post("/token", "", form).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Ok(answer.json())
    }

    pub(crate) async fn refresh(&self, tokens: &Value) -> Answer {
        let token = tokens["refresh_token"].as_str().unwrap();
        let form = format!("grant_type=refresh_token&client_id=app&refresh_token={token}");
        self.post("/token", "", form).await
    }

    pub(crate) async fn userinfo(&self, tokens: &Value) -> Answer {
        let token = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        let request = Request::get("/userinfo").header(AUTHORIZATION, token);
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

/// The cookie of the session that an answer begins.
pub(crate) fn session_of(answer: &Answer) -> String {
    let mut cookies = answer.headers.get_all(SET_COOKIE).iter().map(|it| it.to_str().unwrap());
    let session = cookies.find(|it| it.starts_with("__Host-session=")).unwrap();
    session.split(';').next().unwrap().to_owned()
}
