//! The configuration files of flow 001's parties, as they would be written by hand.

use std::io;
use std::path::Path;

use super::world::{BROKER as BROKER_URL, COLLEGE as COLLEGE_URL, IDP as IDP_URL};
use crate::demo::place::{Place, values};
use crate::demo::results::API as API_URL;
use crate::demo::results::grounds::{self, Made, write_files};

pub(super) const IDP: &str = "idp.toml";
pub(super) const COLLEGE: &str = "college.toml";
pub(super) const BROKER: &str = "broker.toml";
pub(super) const API: &str = "results-service.toml";
pub(super) const CLIENT: &str = "client.toml";
/// The API at the broker.
pub(super) const API_SECRET: &str = "results-api.secret";
/// The broker at both providers.
pub(super) const BROKER_SECRET: &str = "broker.secret";

/// Alice is of the university, Carol of the college.
pub(super) const PEOPLE: [&str; 2] = ["alice", "carol"];

/// Where everybody is.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(super) idp: Place,
    pub(super) college: Place,
    pub(super) broker: Place,
    pub(super) api: Place,
}

impl Places {
    /// For servers that are started by hand.
    pub(super) fn by_hand() -> Self {
        Self {
            idp: Place::by_hand("idp", 8451),
            college: Place::by_hand("college", 8453),
            broker: Place::by_hand("broker", 8452),
            api: Place::by_hand("results", 8450),
        }
    }
}

impl grounds::Places<4> for Places {
    const URLS: [&'static str; 4] = [IDP_URL, COLLEGE_URL, BROKER_URL, API_URL];

    fn of([idp, college, broker, api]: [Place; 4]) -> Self {
        Self { idp, college, broker, api }
    }

    fn all(&self) -> [&Place; 4] {
        [&self.idp, &self.college, &self.broker, &self.api]
    }

    fn write(&self, folder: &Path, made: &Made, password_hash: &str) -> io::Result<()> {
        let mut filled = vec![("PASSWORD_HASH", password_hash.to_owned())];
        filled.extend(values(["IDP", "IDP_PORT", "IDP_HOST"], &self.idp));
        filled.extend(values(["COLLEGE", "COLLEGE_PORT", "COLLEGE_HOST"], &self.college));
        filled.extend(values(["BROKER", "BROKER_PORT", "BROKER_HOST"], &self.broker));
        filled.extend(values(["API", "API_PORT", "API_HOST"], &self.api));
        let idp = provider("IDP", "University", "university.example", "university", PEOPLE[0]);
        let college = provider("COLLEGE", "College", "college.example", "college", PEOPLE[1]);
        let texts = [
            (IDP, idp.as_str()),
            (COLLEGE, &college),
            (BROKER, BROKER_TOML),
            (API, API_TOML),
            (CLIENT, CLIENT_TOML),
        ];
        let secrets = [(API_SECRET, made.client.as_str()), (BROKER_SECRET, &made.broker)];
        let people = (PEOPLE, made.password.as_str());
        write_files(folder, &self.connect_to(), &filled, &texts, &secrets, people)
    }
}

/// A provider with one person, and one client: the broker.
fn provider(key: &str, name: &str, domain: &str, alias: &str, person: &str) -> String {
    let (first, rest) = person.split_at(1);
    let shown = format!("{}{rest}", first.to_uppercase());
    format!(
        r#"# A provider where people have their accounts.
issuer = "@{key}@"
name = "{name}"
email_domains = ["{domain}"]
listen = "127.0.0.1:@{key}_PORT@"

[tls]
certificate = "@{key}_HOST@.pem"
key = "@{key}_HOST@.key.pem"

[store]
path = "{alias}.db"

[keys]
directory = "{alias}-keys"

[[users]]
username = "{person}"
subject = "{alias}-1001"
name = "{shown} of the {name}"
email = "{person}@{domain}"
email_verified = true
password = "@PASSWORD_HASH@"

# The broker, which people come from and go back to.
[[clients]]
id = "results-broker"
name = "Benchmark results"
secret = {{ file = "broker.secret" }}
redirect_uris = ["@BROKER@/login/callback/{alias}"]
grants = ["authorization_code"]
scopes = ["openid", "profile", "email"]
"#
    )
}

const BROKER_TOML: &str = r#"# The broker: people sign in through providers of their choice, and applications know the broker alone.
issuer = "@BROKER@"
name = "results.example"
email_domains = []
users = []
passwords = false
listen = "127.0.0.1:@BROKER_PORT@"

[tls]
certificate = "@BROKER_HOST@.pem"
key = "@BROKER_HOST@.key.pem"

[store]
path = "broker.db"

[keys]
directory = "broker-keys"

# Who comes for the first time gets an account here.
[accounts]
directory = "accounts"

[outbound]
roots = "ca.pem"

# The dashboard: a page in a browser keeps no secret. Its tokens are for the API, too.
[[clients]]
id = "dashboard"
name = "Benchmark results"
public = true
redirect_uris = ["@API@/callback"]
post_logout_redirect_uris = ["@API@/"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "profile", "email", "offline_access"]
audiences = ["@API@"]

# The API, which asks about the tokens that it is shown.
[[clients]]
id = "results-api"
name = "The API of the results"
secret = { file = "results-api.secret" }
grants = []
scopes = []
introspect = ["@API@"]

[[upstreams]]
alias = "university"
name = "the University"
issuer = "@IDP@"
client_id = "results-broker"
client_secret = { file = "broker.secret" }
scopes = ["openid", "profile", "email"]
email_domains = ["university.example"]
everyone = ["curator", "reader"]

[[upstreams]]
alias = "college"
name = "the College"
issuer = "@COLLEGE@"
client_id = "results-broker"
client_secret = { file = "broker.secret" }
scopes = ["openid", "profile", "email"]
email_domains = ["college.example"]
everyone = ["reader"]

[danger]
connect_to = @CONNECT_TO@
"#;

const API_TOML: &str = r#"# The API and its dashboard: examples/results-service.
listen = "127.0.0.1:@API_PORT@"
identifier = "@API@"
issuer = "@BROKER@"
modules = "node_modules"
roots = "ca.pem"

[tls]
certificate = "@API_HOST@.pem"
key = "@API_HOST@.key.pem"

# What was revoked is refused at once.
[introspection]
client_id = "results-api"
client_secret = { file = "results-api.secret" }

[sign_in]
issuer = "@BROKER@"
client_id = "dashboard"
scopes = ["openid", "profile", "email", "offline_access"]

[danger]
connect_to = @CONNECT_TO@
"#;

const CLIENT_TOML: &str = r#"# Where the command line finds everybody.
[provider]
issuer = "@BROKER@"
client_id = "dashboard"
scope = "openid email"

[outbound]
roots = "ca.pem"

[danger]
connect_to = @CONNECT_TO@
"#;
