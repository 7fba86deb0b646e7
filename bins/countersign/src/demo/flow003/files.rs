//! The configuration files of flow 003, as they would be written by hand.

use std::io;
use std::path::Path;

use countersign_types::random::{self, Random};

use super::world::Places;
use crate::demo::files;
use crate::demo::place::values;
use crate::private_file;

pub(super) const AUTHN: &str = "sts.toml";
pub(super) const CLAIMS: &str = "claims-provider.toml";
pub(super) const UMA: &str = "uma-server.toml";
pub(super) const RS: &str = "resource-server.toml";
pub(super) const IDP: &str = "bobs-provider.toml";
pub(super) const CLIENT: &str = "client.toml";
pub(super) const AGENT: &str = "agent.toml";
pub(super) const PASSWORD: &str = "alice.password";
pub(super) const SIGNING: &str = "uma-server.jwk";
pub(super) const BOBS_PASSWORD: &str = "bob.password";
pub(super) const LETTER: &str = "letter.txt";

/// What Alice leaves for Bob.
pub(super) const MESSAGE: &str = "Hello Bob, this is Alice.\n";

/// Secrets made for one run.
pub(super) struct Secrets {
    pub(super) password: String,
    pub(super) bobs_password: String,
    pub(super) client: String,
    pub(super) agent: String,
    pub(super) reader: String,
    provider: String,
    console: String,
    resource_server: String,
}

impl Secrets {
    pub(super) fn generate(random: &dyn Random) -> Self {
        let secret = || random::handle(random).as_str().to_owned();
        Self {
            password: secret(),
            bobs_password: secret(),
            client: secret(),
            agent: secret(),
            reader: secret(),
            provider: secret(),
            console: secret(),
            resource_server: secret(),
        }
    }
}

/// Writes the files, and the secrets that they name.
pub(super) fn write(
    folder: &Path,
    places: &Places,
    secrets: &Secrets,
    [hash, bobs_hash]: [&str; 2],
) -> io::Result<()> {
    let mut all = vec![
        ("AUTHN_PORT", places.authn.to_string()),
        ("CLAIMS_PORT", places.claims.to_string()),
        ("RS_PORT", places.rs.to_string()),
        ("NOTICES", places.hooks.map_or_else(String::new, |_| NOTICES.to_owned())),
        ("HASH", hash.to_owned()),
        ("BOBS_HASH", bobs_hash.to_owned()),
    ];
    all.extend(values(["UMA_URL", "UMA_PORT", "UMA_HOST"], &places.uma));
    all.extend(values(["IDP_URL", "IDP_PORT", "IDP_HOST"], &places.idp));
    let texts = [
        (AUTHN, AUTHN_TOML),
        (CLAIMS, CLAIMS_TOML),
        (UMA, UMA_TOML),
        (RS, RS_TOML),
        (IDP, IDP_TOML),
        (CLIENT, CLIENT_TOML),
        (AGENT, AGENT_TOML),
        (LETTER, MESSAGE),
    ];
    files::write(folder, &places.connect_to(), &all, &texts)?;
    for (name, secret) in [
        (PASSWORD, &secrets.password),
        (BOBS_PASSWORD, &secrets.bobs_password),
        ("client.secret", &secrets.client),
        ("agent.secret", &secrets.agent),
        ("reader.secret", &secrets.reader),
        ("provider.secret", &secrets.provider),
        ("console.secret", &secrets.console),
        ("resource-server.secret", &secrets.resource_server),
    ] {
        private_file::write(&folder.join(name), secret.as_bytes())?;
    }
    Ok(())
}

const AUTHN_TOML: &str = r#"# The AuthN server of Alice's domain.
issuer = "https://sts.alice.example"
name = "alice.example"
email_domains = ["alice.example"]
listen = "127.0.0.1:@AUTHN_PORT@"

[tls]
certificate = "sts.alice.example.pem"
key = "sts.alice.example.key.pem"

[store]
path = "sts.db"

[keys]
directory = "keys"

[exchange]
user_claims = ["department"]

[[users]]
username = "alice"
subject = "5ba31a4e-alice"
email = "alice@alice.example"
email_verified = true
password = "@HASH@"
claims = { department = "research" }

[[users]]
username = "eve"
subject = "9c41d2b7-eve"
email = "eve@alice.example"
email_verified = true
password = "@HASH@"

# Alice's application: its access tokens are for the claims provider.
[[clients]]
id = "rqp-client"
name = "Alice's application"
secret = { file = "client.secret" }
redirect_uris = ["http://127.0.0.1/callback"]
grants = ["authorization_code"]
scopes = ["openid", "email", "claims-provider"]
audiences = ["https://alice.example"]

# Alice's agent, which acts alone. Whom it may name, the claims provider knows.
[[clients]]
id = "night-agent"
name = "Alice's agent"
secret = { file = "agent.secret" }
grants = ["client_credentials"]
scopes = ["claims-provider"]
exchange = { access_token_audiences = ["https://alice.example"], people = {} }

# The claims provider: it may ask who has an address, and nothing else.
[[clients]]
id = "claims-provider"
name = "The claims provider"
secret = { file = "provider.secret" }
grants = ["client_credentials"]
scopes = ["query-users"]
"#;

const CLAIMS_TOML: &str = r#"# The claims provider of Alice's domain.
issuer = "https://alice.example"
listen = "127.0.0.1:@CLAIMS_PORT@"
claims = ["department"]

[tls]
certificate = "alice.example.pem"
key = "alice.example.key.pem"

[keys]
directory = "claims-keys"

[authn_server]
issuer = "https://sts.alice.example"

[user_query]
users = "https://sts.alice.example/scim/v2/Users"
verified_addresses = true
client = { client_id = "claims-provider", client_secret = { file = "provider.secret" } }

[[clients]]
id = "rqp-client"
claims_token_audiences = ["*"]

[[clients]]
id = "night-agent"
claims_token_audiences = ["*"]
people = { addresses = ["alice@alice.example"] }

[outbound]
roots = "ca.pem"

[danger]
connect_to = @CONNECT_TO@
"#;

const IDP_TOML: &str = r#"# The OpenID provider of Bob's domain.
issuer = "@IDP_URL@"
name = "bob.example"
email_domains = ["bob.example"]
listen = "127.0.0.1:@IDP_PORT@"

[tls]
certificate = "@IDP_HOST@.pem"
key = "@IDP_HOST@.key.pem"

[store]
path = "bobs-provider.db"

[keys]
directory = "bobs-keys"

[[users]]
username = "bob"
subject = "1f7e90aa-bob"
email = "bob@bob.example"
email_verified = true
password = "@BOBS_HASH@"

[[users]]
username = "carol"
subject = "60d2c4be-carol"
email = "carol@bob.example"
email_verified = true
password = "@BOBS_HASH@"

[[clients]]
id = "uma-console"
name = "Bob's console"
secret = { file = "console.secret" }
redirect_uris = ["@UMA_URL@/console/callback"]
post_logout_redirect_uris = ["@UMA_URL@/console/signed-out"]
grants = ["authorization_code"]
scopes = ["openid", "email"]

[[clients]]
id = "bobs-reader"
name = "Bob's reader"
secret = { file = "reader.secret" }
redirect_uris = ["http://127.0.0.1/callback"]
grants = ["authorization_code", "token_exchange"]
scopes = ["openid", "email", "claims-provider"]
exchange = { claims_token_audiences = ["*"] }
"#;

const UMA_TOML: &str = r#"# Bob's authorization server.
issuer = "@UMA_URL@"
listen = "127.0.0.1:@UMA_PORT@"

[tls]
certificate = "@UMA_HOST@.pem"
key = "@UMA_HOST@.key.pem"

[store]
path = "uma-server.db"

[outbound]
roots = "ca.pem"

[console]
name = "Bob's Countersign"
issuer = "@IDP_URL@"
provider_name = "bob.example"
client_id = "uma-console"
client_secret = { file = "console.secret" }

[[owners]]
id = "bob"
issuer = "@IDP_URL@"
email = "bob@bob.example"

@NOTICES@[[resource_servers]]
id = "rs-bob"
secret = { file = "resource-server.secret" }
owner = "bob"
resource_identifiers = ["https://rs.bob.example"]

# Whoever is there themselves, Bob is asked about. For anybody else, nothing is permitted but what he shares.
[[resource_servers.policy]]
resource = "Bob's Incoming"
scopes = ["message:create"]
emails = ["alice@alice.example"]
clients = ["rqp-client"]
present = true
ask = true

[[resource_servers.policy]]
resource = "Bob's Incoming"
scopes = ["message:view", "message:delete"]
emails = ["bob@bob.example"]
present = true

[[clients]]
id = "rqp-client"
secret = { file = "client.secret" }

[[clients]]
id = "night-agent"
secret = { file = "agent.secret" }

[[clients]]
id = "bobs-reader"
secret = { file = "reader.secret" }

[danger]
connect_to = @CONNECT_TO@
"#;

/// What of it is about the endpoint at which Bob is told who waits.
const NOTICES: &str = r#"# Where Bob is told of who waits, and the key that signs it.
[[webhooks]]
url = "https://hooks.bob.example/uma"
owners = ["bob"]
requesting_party = true

[keys]
signing = { file = "uma-server.jwk" }

"#;

const RS_TOML: &str = r#"# Bob's resource server.
listen = "127.0.0.1:@RS_PORT@"
identifier = "https://rs.bob.example"
realm = "Bob's letters"

[tls]
certificate = "rs.bob.example.pem"
key = "rs.bob.example.key.pem"

[authorization_server]
issuer = "@UMA_URL@"
client_id = "rs-bob"
client_secret = { file = "resource-server.secret" }

[outbound]
roots = "ca.pem"

[store]
path = "resource-server.db"

[[resources]]
path = "/incoming"
name = "Bob's Incoming"
scopes = ["message:create", "message:view", "message:delete"]
methods = { POST = ["message:create"], GET = ["message:view"], DELETE = ["message:delete"] }
inbox = { max_message = 100000, max_messages = 100 }

[danger]
connect_to = @CONNECT_TO@
"#;

const CLIENT_TOML: &str = r#"# Alice's client.
[provider]
issuer = "https://sts.alice.example"
client_id = "rqp-client"
client_secret = { file = "client.secret" }
claims_provider = "https://alice.example"

[[authorization_server]]
issuer = "@UMA_URL@"
client_id = "rqp-client"
client_secret = { file = "client.secret" }

[outbound]
roots = "ca.pem"

[danger]
connect_to = @CONNECT_TO@
"#;

const AGENT_TOML: &str = r#"# Alice's agent.
[provider]
issuer = "https://sts.alice.example"
client_id = "night-agent"
client_secret = { file = "agent.secret" }
claims_provider = "https://alice.example"

[[authorization_server]]
issuer = "@UMA_URL@"
client_id = "night-agent"
client_secret = { file = "agent.secret" }

[outbound]
roots = "ca.pem"

[danger]
connect_to = @CONNECT_TO@
"#;
