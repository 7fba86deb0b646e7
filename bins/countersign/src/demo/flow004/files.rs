//! The configuration files of flow 004's parties, as they would be written by hand.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::world::Ports;
use crate::demo::files;
use crate::private_file;

pub(super) const STS: &str = "sts.toml";
pub(super) const RP: &str = "resource-server.toml";
pub(super) const DELEGATION: &str = "delegation.cedar";
pub(super) const ACCESS: &str = "access.cedar";
pub(super) const CLIENT: &str = "client.toml";
pub(super) const PASSWORD: &str = "alice.password";

/// Alice's letters at Bob's, as the flow has to bring them.
pub(super) fn letters() -> Vec<Value> {
    vec![json!({ "from": "bob@bob.example", "text": "Hello Alice, this is Bob." })]
}

/// Writes the files, and the password that one of them has the hash of.
pub(super) fn write(folder: &Path, ports: Ports, password: &str, hash: &str) -> io::Result<()> {
    let values = [
        ("STS_PORT", ports.sts.to_string()),
        ("RP_PORT", ports.rp.to_string()),
        ("LETTERS_PORT", ports.letters.to_string()),
        ("PASSWORD_HASH", hash.to_owned()),
    ];
    let files = [
        (STS, STS_TOML),
        (RP, RP_TOML),
        (DELEGATION, DELEGATION_CEDAR),
        (ACCESS, ACCESS_CEDAR),
        (CLIENT, CLIENT_TOML),
    ];
    files::write(folder, &ports.connect_to(), &values, &files)?;
    private_file::write(&folder.join(PASSWORD), password.as_bytes())
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

[outbound]
roots = "ca.pem"

[[users]]
username = "alice"
subject = "5ba31a4e-alice"
name = "Alice"
email = "alice@alice.example"
email_verified = true
password = "@PASSWORD_HASH@"

# What Alice signs in with at a terminal; the services below may act on its tokens, too.
[[clients]]
id = "alice-cli"
name = "Alice's terminal"
public = true
redirect_uris = ["http://127.0.0.1/callback"]
grants = ["authorization_code"]
scopes = ["openid", "email"]

# Services that nobody registered: their keys are at their URLs.
[[url_clients]]
id = "https://mail.example/client"
grants = ["authorization_code", "token_exchange"]
scopes = ["openid", "email"]

[url_clients.exchange]
actor_token = true
identity_token_audiences = ["https://*.bob.example"]
subjects_of = ["alice-cli"]
email_in_access_token = true

[[url_clients]]
id = "https://news.example/client"
grants = ["authorization_code", "token_exchange"]
scopes = ["openid", "email"]

[url_clients.exchange]
actor_token = true
identity_token_audiences = ["https://*.bob.example"]
subjects_of = ["alice-cli"]
email_in_access_token = true

# Who of them may act for whom, and who is told by which rule.
[delegation]
policies = ["delegation.cedar"]
explain_to = ["https://mail.example/client", "https://news.example/client"]

[danger]
connect_to = @CONNECT_TO@
"#;

const DELEGATION_CEDAR: &str = r#"// Who may act for Alice's people.

@id("mail acts for people of alice.example at Bob's")
permit (
    principal == Client::"https://mail.example/client",
    action == Action::"delegate",
    resource
) when {
    resource.host like "*.bob.example" && context.issued == "identity_token" &&
    context.subject has domain && context.subject.domain == "alice.example"
};
"#;

const ACCESS_CEDAR: &str = r#"// What Bob's relying party lets people do through services.

@id("people of alice.example read letters through mail")
permit (principal is Person, action == Action::"read", resource)
when {
    principal has domain && principal.domain == "alice.example" &&
    context has actor && context.actor == "https://mail.example/client"
};

@id("they write letters, too")
permit (principal is Person, action == Action::"write", resource)
when {
    principal has domain && principal.domain == "alice.example" &&
    context has actor && context.actor == "https://mail.example/client"
};

@id("nobody comes through more than two services")
forbid (principal, action, resource)
when { context.depth > 2 };
"#;

const RP_TOML: &str = r#"# Bob's relying party: in front of a service that knows nothing of tokens.
listen = "127.0.0.1:@RP_PORT@"
identifier = "https://rp.bob.example"

[tls]
certificate = "rp.bob.example.pem"
key = "rp.bob.example.key.pem"

[store]
path = "resource-server.db"

[outbound]
roots = "ca.pem"

[protect]
service = "http://127.0.0.1:@LETTERS_PORT@"
policies = ["access.cedar"]

# People of every domain, on the word of whom the domain names.
[protect.callers.identity_propagation]
any_domain = true

[[protect.rules]]
rule = "GET /letters"
action = "read"

[[protect.rules]]
rule = "POST /letters"
action = "write"

[danger]
connect_to = @CONNECT_TO@
"#;

const CLIENT_TOML: &str = r#"# Alice's terminal.
[provider]
issuer = "https://sts.alice.example"
client_id = "alice-cli"
scope = "openid email"

[outbound]
roots = "ca.pem"

[danger]
connect_to = @CONNECT_TO@
"#;
