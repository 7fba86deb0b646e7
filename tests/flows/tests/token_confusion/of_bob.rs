//! What Bob lets his resource server do in his own name: a code, and the PAT and the refresh token
//! that come of it.

use countersign_testkit::names;
use countersign_types::EndpointUrl;
use toml::Table;

use super::answers::RS;
use super::world::{Open, World};
use crate::bed::{Bed, Form, Reply};
use crate::browser::{Browser, fields};
use crate::uma_wide_ecosystem::bob::Bob;

const BACK: &str = "https://rs.bob.example/owners/callback";

/// His resource server may ask him.
pub(super) fn may_be_asked_for(config: &mut Table) {
    let server = config["resource_servers"][0].as_table_mut().unwrap();
    server.insert("redirect_uris".to_owned(), vec![BACK].into());
}

/// Bob, in front of his console.
pub(super) async fn browser(bed: &Bed) -> Browser {
    Bob::signs_in(bed).await.browser
}

/// A code for a PAT in his name.
pub(super) async fn code(bed: &Bed, bob: &Browser) -> String {
    let endpoint = bed.uma("authorization_endpoint").await;
    let mut url = EndpointUrl::parse(&endpoint).unwrap().as_url().clone();
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", names::RS_CLIENT),
        ("redirect_uri", BACK),
        ("scope", "uma_protection"),
        ("state", "a state"),
        ("code_challenge", crate::sts::CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let page = bob.get(url.as_str()).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let stands = fields(&page.text(), "mandate");
    let (_, form_token) = stands.iter().find(|(name, _)| name == "form_token").unwrap();
    let form = [("form_token", form_token.as_str()), ("decision", "allow"), ("owner", "bob")];
    bob.post(&endpoint, &form).await.answered("code").expect("a code")
}

/// What a code for a PAT gives.
pub(super) async fn redeem(bed: &Bed, code: &str) -> Reply {
    let params = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", crate::sts::VERIFIER),
    ];
    bed.post(&bed.uma("token_endpoint").await, &Form::new(&params, RS)).await
}

/// A code that Bob's resource server has not shown anywhere, a PAT of his, and what renews it.
pub(super) struct Mandate {
    pub(super) code: String,
    pub(super) pat: String,
    pub(super) refresh_token: String,
}

impl Mandate {
    pub(super) async fn of(bed: &Bed, bob: &Browser) -> Self {
        let tokens = redeem(bed, &code(bed, bob).await).await;
        assert_eq!(tokens.status, 200, "{tokens:?}");
        Self {
            pat: tokens.member("access_token"),
            refresh_token: tokens.member("refresh_token"),
            code: code(bed, bob).await,
        }
    }
}

impl World {
    /// A code for a PAT, another one if it is about to be used up.
    pub(super) async fn mandate_code(&self, open: &Open) -> String {
        if open.uses_up {
            code(&self.acting.bed, &self.bob).await
        } else {
            self.mandate.code.clone()
        }
    }

    /// A PAT in Bob's name and what renews it; of another mandate if they are about to be revoked.
    pub(super) async fn mandate(&self, open: &Open) -> (String, String) {
        if !open.uses_up {
            return (self.mandate.pat.clone(), self.mandate.refresh_token.clone());
        }
        let bed = &self.acting.bed;
        let tokens = redeem(bed, &code(bed, &self.bob).await).await;
        (tokens.member("access_token"), tokens.member("refresh_token"))
    }
}
