//! The configuration files of flow 000's parties, as they would be written by hand.

use std::io;
use std::path::Path;

use super::world::{IDP as IDP_URL, STS as STS_URL};
use crate::demo::place::{Place, values};
use crate::demo::results::API as API_URL;
use crate::demo::results::grounds::{self, Made, write_files};

pub(super) const IDP: &str = "idp.toml";
pub(super) const STS: &str = "sts.toml";
pub(super) const API: &str = "results-service.toml";
pub(super) const CLIENT: &str = "client.toml";
pub(super) const SECRET: &str = "results-api.secret";

/// The people of the provider. Alice is of its staff, Bob is a student.
pub(super) const PEOPLE: [&str; 2] = ["alice", "bob"];

/// Where everybody is.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(super) idp: Place,
    pub(super) sts: Place,
    pub(super) api: Place,
}

impl Places {
    /// For servers that are started by hand: names that every browser takes for this machine.
    pub(super) fn by_hand() -> Self {
        Self {
            idp: Place::by_hand("idp", 8451),
            sts: Place::by_hand("sts", 8452),
            api: Place::by_hand("results", 8450),
        }
    }
}

impl grounds::Places<3> for Places {
    const URLS: [&'static str; 3] = [IDP_URL, STS_URL, API_URL];

    fn of([idp, sts, api]: [Place; 3]) -> Self {
        Self { idp, sts, api }
    }

    fn all(&self) -> [&Place; 3] {
        [&self.idp, &self.sts, &self.api]
    }

    fn write(&self, folder: &Path, made: &Made, password_hash: &str) -> io::Result<()> {
        let mut filled = vec![("PASSWORD_HASH", password_hash.to_owned())];
        filled.extend(values(["IDP", "IDP_PORT", "IDP_HOST"], &self.idp));
        filled.extend(values(["STS", "STS_PORT", "STS_HOST"], &self.sts));
        filled.extend(values(["API", "API_PORT", "API_HOST"], &self.api));
        let texts = [(IDP, IDP_TOML), (STS, STS_TOML), (API, API_TOML), (CLIENT, CLIENT_TOML)];
        let (secrets, people) =
            ([(SECRET, made.client.as_str())], (PEOPLE, made.password.as_str()));
        write_files(folder, &self.connect_to(), &filled, &texts, &secrets, people)
    }
}

const IDP_TOML: &str = r#"# The provider where people have their accounts: it has never heard of the results.
issuer = "@IDP@"
name = "University"
email_domains = ["university.example"]
listen = "127.0.0.1:@IDP_PORT@"

[tls]
certificate = "@IDP_HOST@.pem"
key = "@IDP_HOST@.key.pem"

[store]
path = "idp.db"

[keys]
directory = "idp-keys"

[outbound]
roots = "ca.pem"

# What its tokens say of a person beside the address, where the person agreed to that.
[exchange]
user_claims = ["groups"]

[[users]]
username = "alice"
subject = "u-1001"
name = "Alice Liddell"
email = "alice@university.example"
email_verified = true
password = "@PASSWORD_HASH@"
claims = { groups = ["staff"] }

[[users]]
username = "bob"
subject = "u-1002"
name = "Bob Sawyer"
email = "bob@university.example"
email_verified = true
password = "@PASSWORD_HASH@"
claims = { groups = ["student"] }

# The dashboard: a page in a browser keeps no secret. Its tokens are for the API, too.
[[clients]]
id = "dashboard"
name = "Benchmark results"
public = true
redirect_uris = ["@API@/callback"]
post_logout_redirect_uris = ["@API@/"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "profile", "email", "offline_access", "claims-provider"]
audiences = ["@API@"]

# Another application: its tokens are not for the API.
[[clients]]
id = "library"
name = "Library"
public = true
redirect_uris = ["@API@/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "profile", "email", "offline_access", "claims-provider"]

[danger]
connect_to = @CONNECT_TO@
"#;

const STS_TOML: &str = r#"# The API's own security token service. Nobody signs in here.
issuer = "@STS@"
name = "Benchmark results"
email_domains = []
users = []
listen = "127.0.0.1:@STS_PORT@"

[tls]
certificate = "@STS_HOST@.pem"
key = "@STS_HOST@.key.pem"

[store]
path = "sts.db"

[keys]
directory = "sts-keys"

[outbound]
roots = "ca.pem"

[[clients]]
id = "results-api"
name = "The API of the results"
secret = { file = "results-api.secret" }
grants = ["token_exchange", "refresh_token"]
scopes = []
introspect = ["@API@"]

[clients.exchange]
access_token_audiences = ["@API@"]
impersonate = true

# Whose word counts here, and for what.
[[trusted_issuers]]
alias = "university"
issuer = "@IDP@"
email_domains = ["university.example"]
claims = ["name"]
user_info = true

[[trusted_issuers.exchanges]]
client = "results-api"
audiences = ["@API@"]
refresh = 28800

[[trusted_issuers.roles]]
from = "groups"
roles = { staff = "curator" }

[[trusted_issuers.roles]]
from = "groups"
roles = { staff = "reader", student = "reader" }

[danger]
connect_to = @CONNECT_TO@
"#;

const API_TOML: &str = r#"# The API and its dashboard: examples/results-service.
listen = "127.0.0.1:@API_PORT@"
identifier = "@API@"
issuer = "@STS@"
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
issuer = "@IDP@"
client_id = "dashboard"
scopes = ["openid", "profile", "email", "claims-provider"]

[exchange]
client_id = "results-api"
client_secret = { file = "results-api.secret" }
user_info = true

[danger]
connect_to = @CONNECT_TO@
"#;

const CLIENT_TOML: &str = r#"# Where the command line finds everybody.
[provider]
issuer = "@IDP@"
client_id = "dashboard"
scope = "openid email"

[outbound]
roots = "ca.pem"

[danger]
connect_to = @CONNECT_TO@
"#;
