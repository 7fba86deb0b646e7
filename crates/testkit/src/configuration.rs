//! The configuration files of the parties, as text. A test changes what it reads here as a table.

use std::io;
use std::sync::OnceLock;

use countersign_sts_service::PasswordHash;
use countersign_types::secret::Password;
use serde_json::json;
use toml::Table;

use crate::deployment::{Party, Place, Surroundings};
use crate::directory::Directory;
use crate::random::SeededRandom;
use crate::{keys, names};

/// Whom a provider knows, by user name and `sub`.
const ALICE: (&str, &str) = ("alice", names::ALICE_SUB);
const BOB: (&str, &str) = ("bob", names::BOB_SUB);

/// What everybody but Alice's provider signs with.
const OTHER_KEYS: [&str; 2] = ["es256-c", "rs256-b"];

/// Writes the secrets and keys that the configurations name.
pub(crate) fn write_files(directory: &Directory) -> io::Result<()> {
    for (name, secret) in [
        ("rqp-client.secret", names::RQP_SECRET),
        ("other-client.secret", names::OTHER_SECRET),
        ("plain-client.secret", names::PLAIN_SECRET),
        ("claims-provider.secret", names::CLAIMS_PROVIDER_SECRET),
        ("console.secret", names::CONSOLE_SECRET),
        ("rs-bob.secret", names::RS_SECRET),
        ("rs-olga.secret", names::OTHER_RS_SECRET),
        ("changed.secret", "another secret than before, as long as one has to be"),
        ("es256-a.jwk", keys::ES256_A),
        ("es256-c.jwk", keys::ES256_C),
        ("rs256-a.jwk", keys::RS256_A),
        ("rs256-b.jwk", keys::RS256_B),
    ] {
        directory.write(name, secret)?;
    }
    let public = json!({ "keys": [keys::signing(keys::ES256_B).public().to_jwk()] });
    directory.write("key-client.jwks", &public.to_string())?;
    Ok(())
}

/// The configuration of a party.
///
/// # Panics
/// If the text below is no TOML.
#[expect(clippy::expect_used, reason = "a test stops at once without its configuration")]
pub(crate) fn configuration(party: Party, around: &Surroundings<'_>) -> Table {
    let own = match party {
        Party::Sts => sts("alice.example", ALICE, ["es256-a", "rs256-a"]),
        Party::EvilSts => sts("evil.example", ALICE, OTHER_KEYS),
        Party::University => sts("university.example", ALICE, OTHER_KEYS),
        Party::BobsProvider => bobs_provider(),
        Party::ClaimsProvider => claims_provider(),
        Party::UmaServer => uma_server(names::UMA, names::RS),
        Party::EvilUmaServer => uma_server(names::EVIL_UMA, names::EVIL_RS),
        Party::ResourceServer => resource_server(names::RS, names::UMA),
        Party::EvilResourceServer => resource_server(names::EVIL_RS, names::EVIL_UMA),
    };
    let mut table: Table = own.parse().expect("TOML");
    let common: Table = common(party, around).parse().expect("TOML");
    table.extend(common);
    table
}

/// What every program is told: where it is, whom it trusts, where everybody else is.
fn common(party: Party, around: &Surroundings<'_>) -> String {
    let Place { address, tls, .. } = around.place(party);
    let outbound = format!(
        "outbound = {{ roots = \"ca.pem\" }}\ndanger = {{ connect_to = {} }}",
        json!(around.connect_to)
    );
    // A claims provider keeps nothing.
    let store = match party {
        Party::ClaimsProvider => String::new(),
        _ => format!("store = {{ path = \"{}.db\" }}", party.file()),
    };
    format!(
        r#"
        listen = "{address}"
        tls = {{ certificate = {certificate:?}, key = {key:?} }}
        {store}
        {outbound}
        "#,
        certificate = tls.certificate,
        key = tls.key,
    )
}

fn resource_server(identifier: &str, issuer: &str) -> String {
    format!(
        r#"
        identifier = "{identifier}"
        realm = "Bob's records"
        resources = [
            {{ path = "/rs-api", name = "{name}", scopes = ["get", "put"], {get}, {rs_api} }},
            {{ path = "/department", name = "Department API", scopes = ["get"], {get}, {department} }},
            {{ path = "/no-policy", name = "No policy", scopes = ["get"], {get}, {no_policy} }},
            {{ path = "/local-rule", name = "Local rule", scopes = ["get"], {get}, {local_rule}, clients = ["{other}"] }},
        ]

        [authorization_server]
        issuer = "{issuer}"
        client_id = "{client}"
        client_secret = {{ file = "rs-bob.secret" }}
        "#,
        get = r#"methods = { GET = ["get"] }"#,
        rs_api = says("Hello from the RS API"),
        department = says("Hello, records department"),
        no_policy = says("Nobody reads this"),
        local_rule = says("Only for the other client"),
        client = names::RS_CLIENT,
        name = names::RS_API_NAME,
        other = names::OTHER_CLIENT,
    )
}

/// What a resource is.
fn says(message: &str) -> String {
    format!(r#"json = {{ message = "{message}" }}"#)
}

fn uma_server(issuer: &str, identifier: &str) -> String {
    format!(
        r#"
        issuer = "{issuer}"
        assessment = {{ refused_issuers = ["{denied}"] }}

        [[resource_servers]]
        id = "{rs}"
        secret = {{ file = "rs-bob.secret" }}
        owner = "bob"
        resource_identifiers = ["{identifier}"]
        policy = [
            {{ resource = "{name}", scopes = ["get"], emails = ["{alice}"] }},
            {{ resource = "Local rule", scopes = ["get"], emails = ["{alice}"] }},
            {{ resource = "Department API", scopes = ["get"], emails = ["{alice}", "{carol}"], claims = {{ department = "records" }} }},
        ]

        [[resource_servers]]
        id = "{other_rs}"
        secret = {{ file = "rs-olga.secret" }}
        owner = "olga"
        resource_identifiers = ["{other_identifier}"]
        policy = [{{ resource = "{name}", scopes = ["get"], emails = ["{alice}"] }}]

        [[clients]]
        id = "{client}"
        secret = {{ file = "rqp-client.secret" }}
        scopes = ["fly", "get"]

        [[clients]]
        id = "{other}"
        secret = {{ file = "other-client.secret" }}

        [[clients]]
        id = "{public}"
        public = true

        [[clients]]
        id = "{key_client}"
        keys = "key-client.jwks"
        "#,
        denied = names::DENIED_ISSUER,
        rs = names::RS_CLIENT,
        other_rs = names::OTHER_RS_CLIENT,
        other_identifier = names::OTHER_RS,
        name = names::RS_API_NAME,
        alice = names::ALICE,
        carol = names::CAROL,
        client = names::RQP_CLIENT,
        other = names::OTHER_CLIENT,
        public = names::RQP_PUBLIC,
        key_client = names::KEY_CLIENT,
    )
}

/// The provider of a domain, whose first user is this one.
fn sts(domain: &str, (first, subject): (&str, &str), [es256, rs256]: [&str; 2]) -> String {
    let users = [
        user(first, subject, &format!("{first}@{domain}"), true),
        user("carol", names::CAROL_SUB, &format!("carol@{domain}"), true),
        user(names::DAVE, names::DAVE_SUB, &format!("dave@{domain}"), false),
    ]
    .concat();
    let clients = [
        sts_client(names::RQP_CLIENT, r#"secret = { file = "rqp-client.secret" }"#, true),
        sts_client(names::OTHER_CLIENT, r#"secret = { file = "other-client.secret" }"#, true),
        sts_client(names::PLAIN_CLIENT, r#"secret = { file = "plain-client.secret" }"#, false),
        sts_client(names::RQP_PUBLIC, "public = true", true),
        claims_provider_client(),
    ]
    .concat();
    format!(
        r#"
        issuer = "https://sts.{domain}"
        name = "The provider of {domain}"
        email_domains = ["{domain}"]
        keys = {{ es256 = {{ file = "{es256}.jwk" }}, rs256 = {{ file = "{rs256}.jwk" }} }}

        [exchange]
        user_claims = ["department"]
        denied = ["{denied}"]

        [[exchange.targets]]
        name = "{name}"
        audience = "{uma}"
        resource = "{rs}"

        {users}
        {clients}
        "#,
        denied = names::DENIED_RS,
        name = names::RS_API_NAME,
        uma = names::UMA,
        rs = names::RS,
    )
}

fn user(username: &str, subject: &str, email: &str, email_verified: bool) -> String {
    format!(
        r#"
        [[users]]
        username = "{username}"
        subject = "{subject}"
        email = "{email}"
        email_verified = {email_verified}
        password = "{password}"
        "#,
        password = password(),
    )
}

/// In front of Alice's STS, at which it is [`names::CLAIMS_PROVIDER_CLIENT`].
fn claims_provider() -> String {
    format!(
        r#"
        issuer = "{issuer}"
        claims = ["department"]
        keys = {{ es256 = {{ file = "es256-c.jwk" }} }}

        [authn_server]
        issuer = "{sts}"

        [user_query]
        users = "{sts}/scim/v2/Users"
        verified_addresses = true
        client = {{ client_id = "{own}", client_secret = {{ file = "claims-provider.secret" }} }}

        [[clients]]
        id = "{client}"
        claims_token_audiences = ["*"]
        people = {{ addresses = ["{alice}"] }}
        "#,
        issuer = names::CLAIMS_PROVIDER,
        sts = names::STS,
        own = names::CLAIMS_PROVIDER_CLIENT,
        client = names::RQP_CLIENT,
        alice = names::ALICE,
    )
}

/// Bob's provider, at which the console of his UMA server is a client.
fn bobs_provider() -> String {
    let console = format!(
        r#"
        [[clients]]
        id = "{id}"
        name = "Bob's console"
        secret = {{ file = "console.secret" }}
        redirect_uris = ["{uma}/console/callback"]
        post_logout_redirect_uris = ["{uma}/console/signed-out"]
        grants = ["authorization_code"]
        scopes = ["openid", "email"]
        "#,
        id = names::CONSOLE_CLIENT,
        uma = names::UMA,
    );
    sts("bob.example", BOB, OTHER_KEYS) + &console
}

/// Has Bob sign in to a UMA server and decide there.
#[expect(clippy::expect_used, reason = "a test stops at once without its configuration")]
pub(crate) fn add_console(uma_server: &mut Table) {
    let console = format!(
        r#"
        [console]
        issuer = "{issuer}"
        provider_name = "bob.example"
        client_id = "{client}"
        client_secret = {{ file = "console.secret" }}

        [[owners]]
        id = "bob"
        issuer = "{issuer}"
        email = "{bob}"
        "#,
        issuer = names::BOBS_PROVIDER,
        client = names::CONSOLE_CLIENT,
        bob = names::BOB,
    );
    uma_server.extend(console.parse::<Table>().expect("TOML"));
}

fn sts_client(id: &str, credentials: &str, may_exchange: bool) -> String {
    let (grant, exchange) = if may_exchange {
        (r#", "token_exchange""#, r#"exchange = { claims_token_audiences = ["*"] }"#)
    } else {
        ("", "")
    };
    format!(
        r#"
        [[clients]]
        id = "{id}"
        name = "The application {id}"
        {credentials}
        redirect_uris = ["{redirect_uri}"]
        grants = ["authorization_code"{grant}]
        scopes = ["openid", "email", "claims-provider"]
        {exchange}
        "#,
        redirect_uri = names::REDIRECT_URI,
    )
}

/// The client that a claims provider of its own is at the STS: it asks who has an address, and
/// about tokens that are for it.
fn claims_provider_client() -> String {
    format!(
        r#"
        [[clients]]
        id = "{id}"
        name = "The claims provider"
        secret = {{ file = "claims-provider.secret" }}
        grants = ["client_credentials"]
        scopes = ["query-users"]
        introspect = ["{issuer}"]
        "#,
        id = names::CLAIMS_PROVIDER_CLIENT,
        issuer = names::CLAIMS_PROVIDER,
    )
}

/// The hash of everybody's password, made once: it takes its time.
#[expect(clippy::expect_used, reason = "a test stops at once without its users")]
fn password() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let password = Password::new(names::ALICE_PASSWORD);
        PasswordHash::of(&password, &SeededRandom::new(7)).expect("a hash").to_string()
    })
}
