//! J29, X-3: every token offered at every place that takes one. Only the diagonal passes.
//!
//! A cell is measured with everything but the kind of the token as right as it can be. A token
//! comes *as it was minted*, by the code that mints it; and *dressed*: with the claims that the
//! place asks for laid over its own, signed by the very key that the place expects, so that `typ`
//! alone tells it from the token that belongs there. That it is `typ` alone is measured too: the
//! same claims under the `typ` of the place are accepted.
//!
//! [`TABLE`] and [`OF_ISSUERS`] are what is expected; they name every token and every place, and
//! what is measured is printed in their form.

mod about_people;
mod answers;
mod at_resource_servers;
mod at_sts;
mod at_uma;
mod brokered;
mod doors;
mod kinds;
mod of_bob;
mod received;
mod world;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use countersign_testkit::{Deployment, Party, names};
use serde_json::Value;

use self::answers::Answer;
use self::doors::Door;
use self::kinds::Kind;
use self::world::World;
use crate::acting::{apply, signed, signed_with_own_key};
use crate::bed::Bed;

/// `+` where a token is at home, `.` where it is refused. The places:
///
/// | | |
/// |---|---|
/// | `subj` | `subject_token` at the STS, as an access token |
/// | `othr` | the same, said to be a JWT, an ID token, a refresh token or a SAML assertion |
/// | `actr` | `actor_token` at the STS |
/// | `sts` | `client_assertion` at the STS |
/// | `uma` | `client_assertion` at the UMA server |
/// | `dpop` | `DPoP` at the STS |
/// | `clm` | `claim_token` at the UMA server |
/// | `tick` | `ticket` at the UMA server |
/// | `pat` | `Authorization` at the protection API |
/// | `intr` | `token` at the introspection endpoint |
/// | `rpt` | `Authorization` at a resource server under UMA |
/// | `api` | `Authorization` at a resource server that takes access tokens |
/// | `id` | `Authorization` at a relying party, beside a client proof for it |
/// | `prf` | `Client-Assertion` at a relying party, beside an identity token |
/// | `dpRP` | `DPoP` at a relying party, beside an identity token that is bound to a key, and a client proof |
/// | `dpIR` | `DPoP` at a resource server that asks the issuer about a token, beside one that is bound |
/// | `oidc` | the `id_token` that an OpenID client is given |
/// | `brok` | the `id_token` by which another provider signs somebody in at the broker |
/// | `gotC` | the claims token that a client is given by its STS |
/// | `gotI` | the identity token that a client is given by its STS |
/// | `clEP` | `Authorization` at the claims endpoint of the STS |
/// | `user` | `Authorization` at the user query of the STS |
/// | `note` | the notice that an owner's endpoint is given by the UMA server |
const TABLE: &str = "\
token                     subj othr actr sts  uma  dpop clm  tick pat  intr rpt  api  id   prf  dpRP dpIR oidc brok gotC gotI clEP user note
client assertion          .    .    .    +    +    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
client proof              .    .    .    .    .    .    .    .    .    .    .    .    .    +    .    .    .    .    .    .    .    .    .
actor token for a target  .    .    +    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
actor token for the STS   .    .    +    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
access token              +    .    .    .    .    .    .    .    .    .    .    +    .    .    .    .    .    .    .    .    +    +    .
delegated access token    +    .    .    .    .    .    .    .    .    .    .    +    .    .    .    .    .    .    .    .    +    +    .
own access token          +    .    .    .    .    .    .    .    .    .    .    +    .    .    .    .    .    .    .    .    +    +    .
claims token              .    .    .    .    .    .    +    .    .    .    .    .    .    .    .    .    .    .    +    .    .    .    .
identity token            .    .    .    .    .    .    .    .    .    .    .    .    +    .    .    .    .    .    .    +    .    .    .
ID token                  .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    +    +    .    .    .    .    .
DPoP proof                .    .    .    .    .    +    .    .    .    .    .    .    .    .    +    +    .    .    .    .    .    .    .
RPT                       .    .    .    .    .    .    .    .    .    +    +    .    .    .    .    .    .    .    .    .    .    .    .
PAT                       .    .    .    .    .    .    .    .    +    .    .    .    .    .    .    .    .    .    .    .    .    .    .
permission ticket         .    .    .    .    .    .    .    +    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
waiting ticket            .    .    .    .    .    .    .    +    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
refresh token             .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
refresh token of an RPT   .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
code                      .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
PAT of a person           .    .    .    .    .    .    .    .    +    .    .    .    .    .    .    .    .    .    .    .    .    .    .
refresh token of a PAT    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
code for a PAT            .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
opaque access token       .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    +    .
ID-JAG                    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
logout token              .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
request object            .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
introspection response    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
security event            .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    +
JWT without typ           .    .    +    +    +    .    .    .    .    .    .    .    .    .    .    .    +    +    .    .    .    .    .
";

/// The endpoints of the issuers that take a token as a parameter of its own, and PATs:
///
/// | | |
/// |---|---|
/// | `info` | `Authorization` at UserInfo |
/// | `dpUI` | `DPoP` there, beside an access token that is bound to a key |
/// | `hntA` | `id_token_hint` at the authorization endpoint, where Alice is signed in |
/// | `hntL` | `id_token_hint` at the end of her session |
/// | `intS`, `revS` | `token` at introspection and revocation of the STS |
/// | `asIS`, `asRS` | `client_assertion` there |
/// | `code`, `codU` | `code` at the STS and at the UMA server |
/// | `refS`, `refU` | `refresh_token` at the STS and at the UMA server |
/// | `clPR` | `Authorization` at a claims provider of its own |
/// | `revU` | `token` at the revocation endpoint of the UMA server |
/// | `asRU` | `client_assertion` there |
/// | `patP`, `patI` | `Authorization` at the permission endpoint and at the introspection endpoint of the UMA server |
const OF_ISSUERS: &str = "\
token                     info dpUI hntA hntL intS revS asIS asRS code refS clPR codU refU revU asRU patP patI
client assertion          .    .    .    .    .    .    +    +    .    .    .    .    .    .    +    .    .
client proof              .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
actor token for a target  .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
actor token for the STS   .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
access token              +    .    .    .    +    +    .    .    .    .    +    .    .    .    .    .    .
delegated access token    +    .    .    .    +    +    .    .    .    .    +    .    .    .    .    .    .
own access token          +    .    .    .    +    +    .    .    .    .    +    .    .    .    .    .    .
claims token              .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
identity token            .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
ID token                  .    .    +    +    .    .    .    .    .    .    .    .    .    .    .    .    .
DPoP proof                .    +    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
RPT                       .    .    .    .    .    .    .    .    .    .    .    .    .    +    .    .    .
PAT                       .    .    .    .    .    .    .    .    .    .    .    .    .    +    .    +    +
permission ticket         .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
waiting ticket            .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
refresh token             .    .    .    .    .    +    .    .    .    +    .    .    .    .    .    .    .
refresh token of an RPT   .    .    .    .    .    .    .    .    .    .    .    .    +    +    .    .    .
code                      .    .    .    .    .    .    .    .    +    .    .    .    .    .    .    .    .
PAT of a person           .    .    .    .    .    .    .    .    .    .    .    .    .    +    .    +    +
refresh token of a PAT    .    .    .    .    .    .    .    .    .    .    .    .    +    +    .    .    .
code for a PAT            .    .    .    .    .    .    .    .    .    .    .    +    .    .    .    .    .
opaque access token       .    .    .    .    +    .    .    .    .    .    .    .    .    .    .    .    .
ID-JAG                    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
logout token              .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
request object            .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
introspection response    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
security event            .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    .
JWT without typ           .    .    .    .    .    .    +    +    .    .    .    .    .    .    +    .    .
";

#[tokio::test(flavor = "multi_thread")]
async fn j29_x3_only_the_diagonal_passes() {
    let world = World::start().await;
    let mut notes = String::new();
    let first = Door::ALL.iter().position(|door| *door == Door::UserInfo).unwrap();
    let (places, of_issuers) = Door::ALL.split_at(first);
    let mut measured = Vec::new();
    for doors in [places, of_issuers] {
        measured.push(measure(&world, doors, &mut notes).await);
    }
    let all = measured.join("\n");
    assert!(measured == [TABLE, OF_ISSUERS] && notes.is_empty(), "measured:\n{all}\n{notes}");
    world.nothing_was_used_up().await;
}

/// A table of these places.
async fn measure(world: &World, doors: &[Door], notes: &mut String) -> String {
    let mut measured = format!("{:26}", "token");
    for door in doors {
        write!(measured, "{:5}", door.column()).unwrap();
    }
    measured = measured.trim_end().to_owned() + "\n";
    for kind in Kind::ALL {
        let mut line = format!("{:26}", kind.name());
        for door in doors {
            let cell = match cell(world, kind, *door).await {
                Cell::Accepted => '+',
                Cell::Refused => '.',
                Cell::Odd(what) => {
                    writeln!(notes, "{} at {}: {what}", kind.name(), door.column()).unwrap();
                    '?'
                }
            };
            write!(line, "{cell:<5}").unwrap();
        }
        writeln!(measured, "{}", line.trim_end()).unwrap();
    }
    measured
}

/// Members of metadata that are no place for a token: what is only read, and the page at which an
/// owner is asked, who is signed in at their provider.
const TAKES_NONE: [(&str, &str); 7] = [
    (names::STS, "issuer"),
    (names::STS, "jwks_uri"),
    (names::UMA, "issuer"),
    (names::UMA, "jwks_uri"),
    (names::UMA, "authorization_endpoint"),
    (names::CLAIMS_PROVIDER, "issuer"),
    (names::CLAIMS_PROVIDER, "jwks_uri"),
];

/// A place that a server publishes and that no door is at has no column in the table.
#[tokio::test]
async fn every_endpoint_that_is_published_is_a_place_of_the_table() {
    let builder = Deployment::builder().with_claims_provider().with_console();
    let builder = builder.with(Party::UmaServer, of_bob::may_be_asked_for);
    let bed = Bed::of(builder.start().await);
    for (issuer, document) in [
        (names::STS, "openid-configuration"),
        (names::UMA, "uma2-configuration"),
        (names::CLAIMS_PROVIDER, "claims-provider-configuration"),
    ] {
        let metadata = bed.get(&format!("{issuer}/.well-known/{document}"), &[]).await.json();
        let published = metadata.as_object().unwrap().iter().filter(|(name, value)| {
            let url = value.as_str().is_some_and(|url| url.starts_with(issuer));
            url && !TAKES_NONE.contains(&(issuer, name.as_str()))
        });
        let published: BTreeSet<_> = published.map(|(name, _)| name.as_str()).collect();
        let doors = Door::ALL.iter().filter_map(|door| door.endpoint());
        let doors: BTreeSet<_> =
            doors.filter(|(of, _)| *of == issuer).map(|(_, member)| member).collect();
        assert_eq!(published, doors, "{issuer}");
    }
}

/// What came of a token at a place.
enum Cell {
    Accepted,
    Refused,
    /// Something that is neither, or a check of the measurement that failed.
    Odd(String),
}

async fn cell(world: &World, kind: Kind, door: Door) -> Cell {
    let mut accepted = false;
    for token in [Offered::AsMinted, Offered::Dressed, Offered::UnderTheTypeOfThePlace] {
        let mut open = world.open(door).await;
        let minted = world.mint(kind, &open).await;
        let token_text = match token {
            Offered::AsMinted => {
                open.watched.clone_from(&minted.watched);
                minted.text
            }
            Offered::Dressed => minted.dressed(&open, kind.typ()),
            // Said to be another, it is refused even so.
            Offered::UnderTheTypeOfThePlace if door == Door::SubjectOtherwise => None,
            Offered::UnderTheTypeOfThePlace => minted.dressed(&open, door.typ()),
        };
        let Some(text) = token_text else { continue };
        let answer = world.offer(door, open, &text).await;
        match (token, answer) {
            (_, Answer::Odd(what)) => return Cell::Odd(format!("{token:?}: {what}")),
            (Offered::UnderTheTypeOfThePlace, Answer::Refused) => {
                return Cell::Odd("is refused for something else than its typ".to_owned());
            }
            (Offered::UnderTheTypeOfThePlace, Answer::Accepted) | (_, Answer::Refused) => {}
            (_, Answer::Accepted) => accepted = true,
        }
    }
    if accepted { Cell::Accepted } else { Cell::Refused }
}

/// How a token comes to a place.
#[derive(Clone, Copy, Debug)]
enum Offered {
    AsMinted,
    Dressed,
    /// Dressed, and with the `typ` that belongs there: it has to be accepted.
    UnderTheTypeOfThePlace,
}

/// A token as it was minted, and its claims if it is a JWT.
struct Minted {
    text: Option<String>,
    claims: Option<Value>,
    /// What ends together with it, where it is revoked.
    watched: Option<String>,
}

impl Minted {
    /// These claims under those that a place asks for, signed by whom it expects; nothing where
    /// either is no JWT.
    fn dressed(&self, open: &world::Open, typ: Option<&'static str>) -> Option<String> {
        let (claims, (asked, key)) = (self.claims.as_ref()?, open.right.as_ref()?);
        let sign = if open.takes_own_key { signed_with_own_key } else { signed };
        let mut claims = claims.clone();
        let asked = asked.as_object().unwrap().iter();
        let asked: Vec<_> = asked.map(|(name, value)| (name.as_str(), value.clone())).collect();
        apply(&mut claims, &asked);
        Some(sign(key, &(typ, claims)))
    }
}

/// A type of token that the project names in its sources is a row of the table.
#[test]
fn every_type_of_token_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut named = BTreeSet::new();
    let mut folders = vec![root.join("crates"), root.join("bins")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = entry.file_name().into_string().unwrap();
            if path.is_dir() && !matches!(name.as_str(), "tests" | "benches" | "examples") {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                named.extend(types_in(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    let rows: BTreeSet<String> =
        Kind::ALL.iter().filter_map(|kind| kind.typ()).map(str::to_owned).collect();
    assert!(named.len() >= 6, "{named:?}");
    let missing: Vec<_> = named.difference(&rows).collect();
    assert!(missing.is_empty(), "give them a row: {missing:?}");
}

/// What a source, its comments and the tests at its end aside, names as a `typ`: texts that end as
/// such names do, wherever they are, and constants that are called so.
fn types_in(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut types = BTreeSet::new();
    for line in lines {
        let is_constant = line.contains("const ") && line.contains("TYP: ");
        let texts = line.split('"').skip(1).step_by(2);
        let named = texts.filter(|text| is_constant || text.ends_with("+jwt"));
        // Sent as a body, a token has the same type by its long name. [RFC 7515 §4.1.9]
        let short = |name: &str| name.strip_prefix("application/").unwrap_or(name).to_owned();
        types.extend(named.map(short));
    }
    types
}

#[test]
fn a_type_is_found_wherever_it_is_named() {
    let source = "//! let token = sign(\"none+jwt\", &key, &claims);\n\
        pub const TYP: &str = \"a+jwt\";\nconst B_TYP: &str = \"JWT\";\n\
        let token = sign(\"c+jwt\", key, &json!({ \"iss\": \"x\" }));\n\
        const POLICY: Typ<'static> = Typ::Is(\"d+jwt\");\n\
        #[cfg(test)]\nmod tests {\n    const TYP: &str = \"none+jwt\";\n}\n";
    let found: Vec<_> = types_in(source).into_iter().collect();
    assert_eq!(found, ["JWT", "a+jwt", "c+jwt", "d+jwt"]);
}
