//! A university where people sign in, and the domain of the results, which has never heard of it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use countersign::adapters::fetch::{
    ConnectTo, Danger, Fetch, FetchConfig, HttpFetch, Limits, Request, Roots,
};
use countersign::adapters::host::Seams;
use countersign::adapters::host::server::{self, TlsConfig, Transport};
use countersign::client_auth::Proof;
use countersign::types::secret::{AccessToken, Password};
use countersign::types::{ClientId, EndpointUrl, Issuer, RedirectUri, ScopeSet};
use countersign_example_results_service::{Config, app};
use countersign_login::headless::{Through, sign_in_through};
use countersign_login::{Credentials, Registration, RelyingParty, headless};
use countersign_sts_service::{LogAudit, PasswordHash};
use countersign_testkit::{CertificateAuthority, Directory, FixedClock, SeededRandom, keys};
use http::header::{AUTHORIZATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use serde_json::Value;
use tokio::sync::oneshot;

pub(crate) const IDP: &str = "https://idp.university.example";
pub(crate) const STS: &str = "https://sts.results.example";
pub(crate) const API: &str = "https://results.example";
const PASSWORD: &str = "correct horse battery staple";
const SECRET: &str = "the secret of the results' own client";
const HOSTS: [&str; 3] = ["idp.university.example", "sts.results.example", "results.example"];

static HASH: LazyLock<String> = LazyLock::new(|| {
    PasswordHash::of(&Password::new(PASSWORD), &SeededRandom::new(7)).unwrap().to_string()
});

/// Everybody, running. Everything ends with the test's runtime.
pub(crate) struct World {
    pub(crate) clock: FixedClock,
    pub(crate) fetch: Arc<dyn Fetch>,
    seams: Seams,
    files: Directory,
    idp: Option<oneshot::Sender<()>>,
}

/// An answer, read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The cookie as it is sent back.
    pub(crate) fn cookie(&self) -> String {
        self.header(SET_COOKIE).split(';').next().unwrap().to_owned()
    }

    pub(crate) fn access_token(&self) -> String {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()["access_token"].as_str().unwrap().to_owned()
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_, text| text).await
    }

    /// With configurations that are changed before anybody reads them.
    pub(crate) async fn with(change: impl Fn(&str, String) -> String) -> Self {
        let files = Directory::new().unwrap();
        let authority = CertificateAuthority::generate().unwrap();
        files.write("ca.pem", authority.certificate()).unwrap();
        for (name, text) in [
            ("es256-a.jwk", keys::ES256_A),
            ("es256-b.jwk", keys::ES256_B),
            ("rs256-a.jwk", keys::RS256_A),
            ("rs256-b.jwk", keys::RS256_B),
            ("api.secret", SECRET),
        ] {
            files.write(name, text).unwrap();
        }
        let mut places = BTreeMap::new();
        for host in HOSTS {
            let issued = authority.issue(&[host]).unwrap();
            files.write(&format!("{host}.pem"), &issued.certificate).unwrap();
            files.write(&format!("{host}.key"), &issued.key).unwrap();
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            places.insert(host, (listener.local_addr().unwrap(), listener));
        }
        let connect_to: Vec<_> =
            places.iter().map(|(host, (address, _))| format!("{host}:443={address}")).collect();
        for (host, text) in [(HOSTS[0], idp()), (HOSTS[1], sts()), (HOSTS[2], api())] {
            let (address, _) = &places[host];
            let text = text
                .replace("@LISTEN@", &address.to_string())
                .replace("@HOST@", host)
                .replace("@PASSWORD@", &HASH)
                .replace("@CONNECT_TO@", &serde_json::to_string(&connect_to).unwrap());
            files.write(&format!("{host}.toml"), &change(host, text)).unwrap();
        }
        let clock = FixedClock::default();
        let seams =
            Seams { clock: Arc::new(clock.clone()), random: Arc::new(SeededRandom::new(1)) };
        let danger = Danger::default()
            .with_connect_to(ConnectTo::parse(connect_to.iter().map(String::as_str)).unwrap());
        let outbound = FetchConfig::default()
            .with_roots(Roots::File(files.path().join("ca.pem")))
            .with_danger(danger);
        let fetch: Arc<dyn Fetch> = Arc::new(HttpFetch::new(&outbound).unwrap());
        let mut world = Self { clock, fetch, seams, files, idp: None };
        for (host, (_, listener)) in places {
            let stop = world.serve(host, listener);
            if host == HOSTS[0] {
                world.idp = Some(stop);
            }
        }
        world
    }

    fn serve(&self, host: &str, listener: TcpListener) -> oneshot::Sender<()> {
        let file = self.file(&format!("{host}.toml"));
        let (stop, stopped) = oneshot::channel::<()>();
        let router = if host == "results.example" {
            let config = Config::load(&file).unwrap();
            app(config, Arc::clone(&self.fetch), &self.seams).unwrap()
        } else {
            let config = countersign_sts::load(&file).unwrap();
            countersign_sts::compose(config, &self.seams, Arc::new(LogAudit)).unwrap().router()
        };
        let (certificate, key) =
            (self.file(&format!("{host}.pem")), self.file(&format!("{host}.key")));
        let transport = Transport::tls(&TlsConfig { certificate, key }).unwrap();
        tokio::spawn(server::serve(listener, transport, router, async move {
            // Who drops the sender stops nothing: the server ends with the runtime.
            if stopped.await.is_err() {
                std::future::pending().await
            }
        }));
        stop
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.files.path()
    }

    /// The university's provider answers no more.
    pub(crate) fn stop_provider(&mut self) {
        self.idp.take().unwrap().send(()).unwrap();
    }

    /// An access token of the university, for the dashboard.
    pub(crate) async fn brought(&self, username: &str) -> String {
        self.signed_in(username, "dashboard", "openid profile email claims-provider").await
    }

    pub(crate) async fn signed_in(&self, username: &str, client: &str, scope: &str) -> String {
        self.signs_in(username, (IDP, client, scope), None).await
    }

    /// An access token of the API's own server, where it is a broker, by a sign-in at the
    /// university.
    pub(crate) async fn through_broker(&self, username: &str) -> String {
        let provider = Issuer::parse(IDP).unwrap();
        let through = Through { alias: "university", provider: &provider };
        self.signs_in(username, (STS, "notes", "openid"), Some(through)).await
    }

    async fn signs_in(
        &self,
        username: &str,
        (issuer, client, scope): (&str, &str, &str),
        through: Option<Through<'_>>,
    ) -> String {
        let registration = Registration::new(ClientId::parse(client).unwrap(), Proof::None);
        let issuer = Issuer::parse(issuer).unwrap();
        let fetch = Arc::clone(&self.fetch);
        let provider = RelyingParty::discover(fetch, &issuer, registration).await.unwrap();
        let callback = RedirectUri::parse(&format!("{API}/callback")).unwrap();
        let scope = ScopeSet::parse(scope).unwrap();
        let (random, fetch) = (self.seams.random.as_ref(), self.fetch.as_ref());
        let (url, pending) = provider.begin(&callback, &scope, random).unwrap();
        let who = Credentials { username: username.to_owned(), password: Password::new(PASSWORD) };
        let query = match through {
            None => headless::sign_in(fetch, &url, &callback, &who).await,
            Some(through) => sign_in_through(fetch, &url, &callback, through, &who).await,
        };
        let now = self.seams.clock.now();
        let tokens = provider.finish(pending, &query.unwrap(), now, random).await.unwrap();
        tokens.access_token.expose().to_owned()
    }

    /// A request to anybody.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        let response: Response<Bytes> = self.fetch.fetch(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// A request to the API: method and path, headers, body.
    pub(crate) async fn api(&self, what: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (method, path) = what.split_once(' ').unwrap();
        let url = EndpointUrl::parse(&format!("{API}{path}")).unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = Request::new(method, url, Limits::resource()).with_body(body.to_owned());
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        self.send(request).await
    }

    pub(crate) async fn with_token(&self, what: &str, token: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let json = ("content-type", "application/json");
        self.api(what, &[(AUTHORIZATION.as_str(), &bearer), json], body).await
    }

    /// A token of the API's own server, for a person of the university.
    pub(crate) async fn internal(&self, username: &str) -> Answer {
        let brought = self.brought(username).await;
        self.with_token("POST /api/v1/pbench-token", &brought, "").await
    }
}

/// The claims of a token, for looking at.
pub(crate) fn claims(token: &str) -> Value {
    let token = AccessToken::new(token);
    let unverified = countersign::jwt::Unverified::parse(token.expose()).unwrap();
    Value::Object(unverified.claims().as_map().clone())
}

const COMMON: &str = r#"
listen = "@LISTEN@"
tls = { certificate = "@HOST@.pem", key = "@HOST@.key" }
"#;

fn idp() -> String {
    format!(
        r#"
issuer = "{IDP}"
name = "University"
email_domains = ["university.example"]
{COMMON}
danger = {{ memory_store = true, connect_to = @CONNECT_TO@ }}
outbound = {{ roots = "ca.pem" }}
exchange = {{ user_claims = ["groups"] }}
[keys]
es256 = {{ file = "es256-a.jwk" }}
rs256 = {{ file = "rs256-a.jwk" }}
[[users]]
username = "alice"
subject = "u-1001"
name = "Alice Liddell"
email = "alice@university.example"
email_verified = true
password = "@PASSWORD@"
claims = {{ groups = ["staff"] }}
[[users]]
username = "bob"
subject = "u-1002"
name = "Bob Sawyer"
password = "@PASSWORD@"
claims = {{ groups = ["student"] }}
[[clients]]
id = "dashboard"
name = "Benchmark results"
public = true
redirect_uris = ["{API}/callback"]
post_logout_redirect_uris = ["{API}/"]
grants = ["authorization_code"]
scopes = ["openid", "profile", "email", "claims-provider"]
audiences = ["{API}"]
# Another application of the university: its tokens are not for the results.
[[clients]]
id = "library"
name = "Library"
public = true
redirect_uris = ["{API}/callback"]
grants = ["authorization_code"]
scopes = ["openid", "profile", "email", "claims-provider"]
"#
    )
}

fn sts() -> String {
    format!(
        r#"
issuer = "{STS}"
name = "Benchmark results"
email_domains = []
{COMMON}
users = []
danger = {{ memory_store = true, connect_to = @CONNECT_TO@ }}
outbound = {{ roots = "ca.pem" }}
[keys]
es256 = {{ file = "es256-b.jwk" }}
rs256 = {{ file = "rs256-b.jwk" }}
[[clients]]
id = "results-api"
name = "The API of the results"
secret = {{ file = "api.secret" }}
grants = ["token_exchange", "refresh_token"]
scopes = []
introspect = ["{API}"]
exchange = {{ access_token_audiences = ["{API}"], impersonate = true }}
[[trusted_issuers]]
alias = "university"
issuer = "{IDP}"
email_domains = ["university.example"]
claims = ["name"]
user_info = true
[[trusted_issuers.exchanges]]
client = "results-api"
audiences = ["{API}"]
refresh = 28800
[[trusted_issuers.roles]]
from = "groups"
roles = {{ staff = "curator" }}
[[trusted_issuers.roles]]
from = "groups"
roles = {{ staff = "reader", student = "reader" }}
"#
    )
}

fn api() -> String {
    format!(
        r#"
{COMMON}
identifier = "{API}"
issuer = "{STS}"
roots = "ca.pem"
danger = {{ connect_to = @CONNECT_TO@ }}
[sign_in]
issuer = "{IDP}"
client_id = "dashboard"
scopes = ["openid", "profile", "email", "claims-provider"]
[exchange]
client_id = "results-api"
client_secret = {{ file = "api.secret" }}
user_info = true
"#
    )
}

/// The API's own server as a broker, too, whose accounts the people of the university are at the
/// API.
pub(crate) fn of_accounts(host: &str, text: String) -> String {
    match host {
        "idp.university.example" => format!(
            r#"{text}
[[clients]]
id = "broker"
name = "The server of the results"
secret = {{ file = "api.secret" }}
redirect_uris = ["{STS}/login/callback/university"]
grants = ["authorization_code"]
scopes = ["openid", "profile", "email"]
"#
        ),
        "sts.results.example" => {
            let text = text
                .replace("users = []", "accounts = { directory = \"accounts\" }")
                .replace("memory_store = true, ", "")
                .replace("[keys]", "[store]\npath = \"sts.db\"\n[keys]")
                .replace("refresh = 28800", "")
                .replace("\"token_exchange\", \"refresh_token\"", "\"token_exchange\"")
                .replace("user_info = true", "subject = \"linked\"");
            format!(
                r#"{text}
[[upstreams]]
alias = "university"
name = "the University"
issuer = "{IDP}"
client_id = "broker"
client_secret = {{ file = "api.secret" }}
scopes = ["openid", "profile", "email"]
email_domains = ["university.example"]
[[clients]]
id = "notes"
name = "Notes on results"
public = true
redirect_uris = ["{API}/callback"]
grants = ["authorization_code"]
scopes = ["openid"]
"#
            )
        }
        _ => text.replace("user_info = true", "refresh = false"),
    }
}
