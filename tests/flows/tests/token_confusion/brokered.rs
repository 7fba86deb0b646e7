//! The callback of Alice's provider where it is a broker: the ID token of another one, by which
//! somebody signs in.

use std::sync::Arc;

use countersign_testkit::names;
use serde_json::{Value, json};
use toml::Table;

use super::answers::Answer;
use super::world::{Open, PROVIDER, World, with};
use crate::browser::{Browser, param};

/// What the broker is told of the provider that says whatever a test makes it say.
const UPSTREAM: &str = r#"
    accounts = { directory = "accounts" }

    [[upstreams]]
    alias = "two"
    name = "Two"
    issuer = "https://sts.two.example"
    client_id = "broker"
    client_secret = { file = "rqp-client.secret" }
    scopes = ["openid"]
"#;

/// A sign-in that waits for the other provider's answer, and where that is brought.
pub(super) struct SignIn {
    browser: Browser,
    callback: String,
}

/// People may sign in at Alice's provider through the other one.
pub(super) fn may_broker(config: &mut Table) {
    config.extend(UPSTREAM.parse::<Table>().unwrap());
}

impl World {
    /// Chooses the other provider on the sign-in page.
    pub(super) async fn open_at_broker(&self) -> Open {
        let bed = &self.acting.bed;
        let browser = Browser::new(bed);
        let endpoint = bed.sts("authorization_endpoint").await;
        let page = browser.get(&crate::sts::authorization(&endpoint, "openid", &[])).await;
        let choice = [("upstream", "two")];
        let sent = browser.submit(names::STS, &page, "upstream", &choice).await.location();
        let asked = |name| param(&sent, name).unwrap();
        let callback = format!("{}?code=a&state={}", asked("redirect_uri"), asked("state"));
        let said = json!({
            "iss": PROVIDER, "sub": "alice", "aud": "broker", "nonce": asked("nonce"),
            "at_hash": null, "azp": null, "c_hash": null,
        });
        let open = Open::for_jwt(with(&self.fresh(), &said), Arc::clone(&self.provider));
        Open { sign_in: Some(SignIn { browser, callback }), ..open }
    }

    /// Comes back with the token as what the other provider says of the person.
    pub(super) async fn sign_in_by(&self, open: Open, token: &str) -> Answer {
        let Some(SignIn { browser, callback }) = open.sign_in else {
            return Answer::Odd("nobody was on the way".to_owned());
        };
        self.provider_gives(token);
        let reply = browser.get(&callback).await;
        match reply.status {
            303 if reply.location().contains("?code=") => Answer::Accepted,
            // The page that says so, and no session.
            502 if !browser.has_cookie("sts.alice.example", "__Host-session") => Answer::Refused,
            _ => Answer::Odd(format!("{reply:?}")),
        }
    }

    /// What the other provider's token endpoint answers from now on.
    pub(super) fn provider_gives(&self, id_token: &str) {
        let response: Value = json!({ "access_token": "opaque", "token_type": "Bearer",
            "expires_in": 60, "id_token": id_token });
        self.acting.publish(&format!("{PROVIDER}/token"), &response);
    }
}
