//! DISC-4 where an address decides: the machine of the server itself, which has good documents.

use std::collections::HashMap;

use countersign_testkit::{Page, keys};
use serde_json::{Value, json};

use super::{
    OPENID, STS_ONE, WEBFINGER, check, eve, jrd, open_to_all_with, provider, publish, webfinger,
};
use crate::bed::Bed;
use crate::near::{Guard, Near};

/// What a domain points to on the machine of the server, at any hop, is not fetched, however good
/// it is. That it is the address guard, and it alone, shows where an operator lets the network be
/// reached.
#[tokio::test]
async fn disc_4_good_documents_on_the_servers_own_machine() {
    type Publish = fn(&Bed, &str);
    let issuer_there: Publish = |bed, there| webfinger(bed, there);
    let webfinger_there: Publish = |bed, there| {
        provider(bed, STS_ONE);
        let there = format!("{there}/webfinger");
        bed.deployment.web().publish(WEBFINGER, Page::redirect(&there));
    };
    let keys_there: Publish = |bed, there| {
        webfinger(bed, STS_ONE);
        let metadata = json!({"issuer": STS_ONE, "jwks_uri": format!("{there}/jwks")});
        publish(bed, &format!("{STS_ONE}{OPENID}"), &metadata);
    };
    for (name, host, publish, issuer) in [
        ("DISC-4 loopback", "127.0.0.1", issuer_there, None),
        ("DISC-4 loopback as one number", "2130706433", issuer_there, None),
        ("DISC-4 loopback in hexadecimal", "0x7f.1", issuer_there, None),
        ("DISC-4 a redirect of WebFinger to loopback", "127.0.0.1", webfinger_there, Some(STS_ONE)),
        ("DISC-4 keys at loopback", "127.0.0.1", keys_there, Some(STS_ONE)),
    ] {
        for guard in Guard::BOTH {
            let (bed, near) = with_near(guard).await;
            let there = near.origin(host);
            publish(&bed, &there);
            let issuer = issuer.unwrap_or(&there);
            if guard == Guard::On {
                check(name, &eve(&bed, issuer).await, 403, "need_info");
                near.saw_nobody(name);
            } else {
                near.serve(documents_of(issuer, &there));
                check(name, &eve(&bed, issuer).await, 200, "");
            }
        }
    }
}

/// Names of this machine that no network of an operator's can be meant by.
#[tokio::test]
async fn disc_4_other_names_of_the_servers_own_machine() {
    for host in ["localhost", "a.localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let (bed, near) = with_near(Guard::On).await;
        let there = near.origin(host);
        webfinger(&bed, &there);
        check(host, &eve(&bed, &there).await, 403, "need_info");
        near.saw_nobody(host);
    }
}

async fn with_near(guard: Guard) -> (Bed, Near) {
    let builder = open_to_all_with(move |config| guard.configure(config));
    let mut deployment = Near::reserve(builder).start().await;
    let near = Near::take(&mut deployment);
    (Bed::of(deployment), near)
}

/// What there is to say of an issuer whose keys are `there`.
fn documents_of(issuer: &str, there: &str) -> HashMap<&'static str, Value> {
    HashMap::from([
        ("/webfinger", jrd(issuer)),
        (OPENID, json!({"issuer": issuer, "jwks_uri": format!("{there}/jwks")})),
        ("/jwks", json!({"keys": [keys::signing(keys::ES256_B).public().to_jwk()]})),
    ])
}
