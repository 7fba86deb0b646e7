//! The example with `[protect]`, and what is refused of it.

use countersign_resource_server::protect::Callers;
use countersign_resource_server::{Serves, check};
use countersign_testkit::Directory;

use super::load_text;

const EXAMPLE: &str = include_str!("../../example-protect.toml");
const POLICY: &str = include_str!("../../example-protect.cedar");

const PROPAGATION: &str = "[protect.callers.identity_propagation]\ndomains = [\"a.example\"]\n";
const TOKENS: &str = "[protect.callers.access_tokens]\nissuers = [\"https://sts.bob.example\"]\n";
const SERVER: &str =
    "client_id = \"rs-bob\"\nclient_secret = { file = \"resource-server.secret\" }\n";

/// A small protection: these callers, and these rules.
fn small(callers: &str, rules: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\nidentifier = \"https://rs.bob.example\"\n\
         [danger]\nplain_http = true\nmemory_store = true\n\
         [protect]\nservice = \"http://127.0.0.1:3000\"\nPOLICIES\n{callers}{rules}"
    )
    .replace("POLICIES", if rules.contains("action") { "policies = [\"a.cedar\"]" } else { "" })
}

fn rule(members: &str) -> String {
    format!("[[protect.rules]]\nrule = \"GET /a/{{id}}\"\n{members}\n")
}

#[test]
fn the_example_is_loaded_with_its_policy() {
    let place = Directory::new().unwrap();
    let config = load_text(&place, EXAMPLE).unwrap();
    let Serves::Service(protection) = &config.serves else { panic!("own content") };
    assert_eq!(protection.service.to_string(), "http://127.0.0.1:3000");
    assert_eq!(protection.routes.iter().count(), 4);
    assert!(protection.policies[0].is_absolute());
    assert!(matches!(&protection.callers, Callers::IdentityPropagation(domains)
        if domains.entitled("alice.example").is_some() && domains.entitled("evil.example").is_none()));
    let without = |text: &str| {
        text.replacen("[tls]", "[danger]\nplain_http = true\n#", 1)
            .replace("certificate = \"rs.bob.example.pem\"\nkey = \"rs.bob.example.key\"", "")
    };
    let config = load_text(&place, &without(EXAMPLE)).unwrap();
    place.write("example-protect.cedar", POLICY).unwrap();
    check(&config).unwrap();
    let misspelt = POLICY.replace("letters.read", "letter.read");
    place.write("example-protect.cedar", &misspelt).unwrap();
    assert_eq!(check(&config).unwrap_err().key, "protect.policies");
}

/// Callers by UMA, and a rule for them.
fn uma() -> (String, String) {
    let callers = format!(
        "[protect.callers.uma]\nrealm = \"Bob\"\nresources = [{{ name = \"A\", scopes = [\"read\"] }}]\n\
         [protect.callers.uma.server]\nissuer = \"https://uma.bob.example\"\n{SERVER}"
    );
    (callers, rule("resource = \"A\"\nscopes = [\"read\"]"))
}

#[test]
fn every_way_to_call_is_loaded() {
    let place = Directory::new().unwrap();
    let introspection = format!(
        "[protect.callers.introspection]\nmax_age = 5\n[protect.callers.introspection.server]\n\
         issuer = \"https://sts.bob.example\"\n{SERVER}"
    );
    let (uma, at) = uma();
    let scoped = rule("scopes = [\"read\"]");
    for (callers, rule) in
        [(TOKENS, &scoped), (&introspection, &scoped), (PROPAGATION, &rule("")), (&uma, &at)]
    {
        let config = load_text(&place, &small(callers, rule));
        check(&config.unwrap()).unwrap();
    }
    let config = load_text(&place, &small(&uma, &at.replace("\"A\"", "\"B\""))).unwrap();
    assert_eq!(
        check(&config).unwrap_err().key,
        "protect.rules",
        "a resource that is not registered"
    );
    let config = load_text(&place, &small(PROPAGATION, &scoped)).unwrap();
    assert_eq!(check(&config).unwrap_err().key, "protect.rules", "an identity token has no scopes");
}

#[test]
fn what_means_nothing_is_refused_by_key() {
    let place = Directory::new().unwrap();
    let good = small(TOKENS, &rule("action = \"read\""));
    assert!(load_text(&place, &good).is_ok());
    let both = format!("{TOKENS}{PROPAGATION}");
    let twice = PROPAGATION.replace("domains", "any_domain = true\ndomains");
    let spelt = PROPAGATION.replace("domains", "refused = [\"evil.example.\"]\ndomains");
    let nobody = PROPAGATION.replace("domains = [\"a.example\"]\n", "");
    let (uma, at) = uma();
    let nonces = small(&uma, &at).replace("[protect]\n", "[protect]\ndpop_nonces = true\n");
    for (name, text, key) in [
        ("beside content", good.replace("[danger]", "realm = \"x\"\n[danger]"), "protect"),
        ("elsewhere", good.replace("127.0.0.1:3000", "192.0.2.1:3000"), "protect.service"),
        ("no policy", good.replace("policies = [\"a.cedar\"]", ""), "protect.policies"),
        ("no action", good.replace("action = \"read\"", ""), "protect.policies"),
        ("no such key", good.replace("action =", "acton ="), "protect.rules[0].acton"),
        ("a bad rule", good.replace("GET /a", "GET a"), "protect.rules"),
        (
            "open and not",
            good.replace("action =", "open = true\naction ="),
            "protect.rules[0].open",
        ),
        (
            "attributes for nobody",
            small(TOKENS, &rule("attributes = { a = \"b\" }")),
            "protect.rules[0].attributes",
        ),
        ("nobody calls", small("[protect.callers]\n", &rule("")), "protect.callers"),
        ("two ways", small(&both, &rule("")), "protect.callers"),
        (
            "no issuer",
            small(&TOKENS.replace("\"https://sts.bob.example\"", ""), &rule("")),
            "protect.callers.access_tokens.issuers",
        ),
        ("whose people", small(&nobody, &rule("")), "protect.callers.identity_propagation"),
        ("nonces where nobody proves a key", nonces, "protect.dpop_nonces"),
        ("no domain", small(&spelt, &rule("")), "protect.callers.identity_propagation"),
        ("said twice", small(&twice, &rule("")), "protect.callers.identity_propagation"),
        (
            "a header that is none",
            good.replace(
                "[protect.callers",
                "[protect.headers]\nactor = \"x y\"\n[protect.callers",
            ),
            "protect.headers.actor",
        ),
    ] {
        let error = load_text(&place, &text).unwrap_err();
        assert_eq!(error.key, key, "{name}: {error}");
    }
}
