//! The configuration files of the three servers and the client, as they would be written by hand.

use std::io;
use std::path::Path;

use countersign_types::random::{self, Random};
use serde_json::{Value, json};

use super::world::Ports;
use crate::demo::files;
use crate::private_file;

pub(super) const STS: &str = "sts.toml";
pub(super) const UMA: &str = "uma-server.toml";
pub(super) const RS: &str = "resource-server.toml";
pub(super) const CLIENT: &str = "client.toml";
pub(super) const PASSWORD: &str = "alice.password";

/// What Bob's resource is, in the configuration.
const DATA: &str = r#"{ message = "Hello Alice, this is Bob's data.", deliveries = [3, 1, 4] }"#;

/// What Bob's resource is, as the flow has to bring it.
pub(super) fn data() -> Value {
    json!({ "message": "Hello Alice, this is Bob's data.", "deliveries": [3, 1, 4] })
}

/// Secrets made for one run.
pub(super) struct Secrets {
    pub(super) password: String,
    pub(super) client_at_sts: String,
    pub(super) client_at_uma: String,
    pub(super) resource_server: String,
}

impl Secrets {
    pub(super) fn generate(random: &dyn Random) -> Self {
        let secret = || random::handle(random).as_str().to_owned();
        Self {
            password: secret(),
            client_at_sts: secret(),
            client_at_uma: secret(),
            resource_server: secret(),
        }
    }
}

/// Writes the four files and the secrets they name.
pub(super) fn write(folder: &Path, ports: Ports, secrets: &Secrets, hash: &str) -> io::Result<()> {
    let values = [
        ("STS_PORT", ports.sts.to_string()),
        ("UMA_PORT", ports.uma.to_string()),
        ("RS_PORT", ports.rs.to_string()),
        ("PASSWORD_HASH", hash.to_owned()),
        ("DATA", DATA.to_owned()),
    ];
    let files = [(STS, STS_TOML), (UMA, UMA_TOML), (RS, RS_TOML), (CLIENT, CLIENT_TOML)];
    files::write(folder, &ports.connect_to(), &values, &files)?;
    for (name, secret) in [
        (PASSWORD, &secrets.password),
        ("client-at-sts.secret", &secrets.client_at_sts),
        ("client-at-uma.secret", &secrets.client_at_uma),
        ("resource-server.secret", &secrets.resource_server),
    ] {
        private_file::write(&folder.join(name), secret.as_bytes())?;
    }
    Ok(())
}

const STS_TOML: &str = r#"# Alice's identity provider and its security token service.
issuer = "https://sts.alice.example"
name = "alice.example"
email_domains = ["alice.example"]
listen = "127.0.0.1:@STS_PORT@"

[tls]
certificate = "sts.alice.example.pem"
key = "sts.alice.example.key.pem"

[store]
path = "sts.db"

[keys]
directory = "keys"

[[users]]
username = "alice"
subject = "5ba31a4e-alice"
name = "Alice"
email = "alice@alice.example"
email_verified = true
password = "@PASSWORD_HASH@"

[[clients]]
id = "rqp-client"
name = "Alice's application"
secret = { file = "client-at-sts.secret" }
redirect_uris = ["http://127.0.0.1/callback"]
grants = ["authorization_code", "token_exchange"]
scopes = ["openid", "email", "claims-provider"]

[clients.exchange]
claims_token_audiences = ["*"]
"#;

const RS_TOML: &str = r#"# Bob's resource server.
listen = "127.0.0.1:@RS_PORT@"
identifier = "https://rs.bob.example"
realm = "Bob's records"

[tls]
certificate = "rs.bob.example.pem"
key = "rs.bob.example.key.pem"

[authorization_server]
issuer = "https://uma.bob.example"
client_id = "rs-bob"
client_secret = { file = "resource-server.secret" }

[outbound]
roots = "ca.pem"

[store]
path = "resource-server.db"

[[resources]]
path = "/rs-api"
name = "RS API"
scopes = ["get"]
methods = { GET = ["get"] }
json = @DATA@

[danger]
connect_to = @CONNECT_TO@
"#;

const CLIENT_TOML: &str = r#"# Alice's client.
[provider]
issuer = "https://sts.alice.example"
client_id = "rqp-client"
client_secret = { file = "client-at-sts.secret" }

[[authorization_server]]
issuer = "https://uma.bob.example"
client_id = "rqp-client"
client_secret = { file = "client-at-uma.secret" }

[outbound]
roots = "ca.pem"

[danger]
connect_to = @CONNECT_TO@
"#;

const UMA_TOML: &str = r#"# Bob's UMA server.
issuer = "https://uma.bob.example"
listen = "127.0.0.1:@UMA_PORT@"

[tls]
certificate = "uma.bob.example.pem"
key = "uma.bob.example.key.pem"

[store]
path = "uma-server.db"

[outbound]
roots = "ca.pem"

[[resource_servers]]
id = "rs-bob"
secret = { file = "resource-server.secret" }
owner = "bob"
resource_identifiers = ["https://rs.bob.example"]

[[resource_servers.policy]]
resource = "RS API"
scopes = ["get"]
emails = ["alice@alice.example"]

[[clients]]
id = "rqp-client"
secret = { file = "client-at-uma.secret" }

[danger]
connect_to = @CONNECT_TO@
"#;
