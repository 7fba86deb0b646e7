//! What this server gave out is told to no other issuer, whatever its holder calls it.

use serde_json::json;

use super::network::{Answer as Says, INTROSPECTION};
use super::{ALIAS, Case, foreign_claims};
use crate::refresh::{CONFIDENTIAL, SCOPE, begin, text};
use crate::support::*;

#[tokio::test]
async fn nobody_is_asked_about_a_token_of_our_own() {
    let alias = [("subject_token_type", ACCESS_TOKEN), ("subject_issuer", ALIAS)];
    let case = Case::opaque();
    // An issuer that would stand by whatever it is shown.
    case.network.set(INTROSPECTION, Says::Says(foreign_claims(&[("active", json!(true))])));
    let ours = begin(&case.world, CONFIDENTIAL, None, SCOPE).await;
    for name in ["access_token", "refresh_token"] {
        case.refuses(name, text(&ours, name), &alias, "invalid_request").await;
    }
    assert_eq!(case.network.asked().len(), 0);
    let theirs = case.exchange(JWT, "an-opaque-token", &alias).await;
    assert_eq!(theirs.status.as_u16(), 200, "{}", theirs.text);
    assert!(!text(&theirs.json(), "access_token").contains('.'), "and what is issued is opaque");
    assert_eq!(case.network.count(INTROSPECTION), 1);
}
