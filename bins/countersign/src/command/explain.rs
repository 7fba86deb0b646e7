//! `--explain`: the arrows of the flow, as they happen.

use countersign_client::propagation::{PropagationEvent, PropagationObserver};
use countersign_client::{Event, Observer};
use countersign_jwt::Unverified;
use countersign_types::secret::AccessToken;
use serde_json::json;

use crate::failure::one_line;
use crate::output::Output;

/// Tells on standard error what the client does. Credentials are shortened, since a terminal's
/// history is no place for them; claims are shown.
pub(crate) struct Explain(Output);

impl Explain {
    pub(crate) const fn new(out: Output) -> Self {
        Self(out)
    }

    fn say(&self, arrow: Option<u8>, text: &str) {
        let number = arrow.map_or_else(|| " ".to_owned(), |arrow| arrow.to_string());
        let text = one_line(text);
        self.0.event(
            &format!("{number} {text}"),
            &json!({ "arrow": arrow, "text": text.trim_start() }),
        );
    }

    fn params(&self, params: &[(&str, &str)]) {
        for (name, value) in params {
            let value = if is_credential(name) { shortened(value) } else { (*value).to_owned() };
            self.say(None, &format!("    {name}={value}"));
        }
    }
}

impl Observer for Explain {
    fn on(&self, event: &Event<'_>) {
        let arrow = event.arrow();
        match event {
            Event::Requested { method, url } => self.say(arrow, &format!("-> {method} {url}")),
            Event::Challenged { challenge } => {
                let ticket = shortened(challenge.ticket.expose());
                self.say(arrow, &format!("<- 401 UMA as_uri={} ticket={ticket}", challenge.as_uri));
            }
            Event::Checked { what, section, value } => {
                self.checked(what, section, value);
            }
            Event::ChallengeMade { ticket_challenge } => {
                self.say(arrow, &format!("   ticket_challenge={ticket_challenge}"));
            }
            Event::ExchangeRequested { endpoint, params } => {
                self.say(arrow, &format!("-> POST {endpoint}"));
                self.params(params);
            }
            Event::ClaimsRequested { endpoint, access_token, params } => {
                let token = shortened(access_token.expose());
                self.say(arrow, &format!("-> POST {endpoint} Authorization: Bearer {token}"));
                self.params(params);
            }
            Event::ClaimsTokenReceived { claims_token } => {
                self.say(arrow, "<- a claims token");
                self.claims(claims_token);
            }
            Event::GrantRequested { endpoint, params } => {
                self.say(arrow, &format!("-> POST {endpoint}"));
                self.params(params);
            }
            Event::GrantRefused { error } => self.say(arrow, &format!("<- {error}")),
            Event::RptReceived { rpt } => {
                self.say(
                    arrow,
                    &format!("<- a requesting party token {}", shortened(rpt.expose())),
                );
            }
            Event::RequestedWithRpt { method, url, rpt } => {
                let rpt = shortened(rpt.expose());
                self.say(arrow, &format!("-> {method} {url} Authorization: Bearer {rpt}"));
            }
            Event::Answered { status } => self.say(arrow, &format!("<- {status}")),
            _ => {}
        }
    }
}

impl PropagationObserver for Explain {
    fn on(&self, event: &PropagationEvent<'_>) {
        let arrow = event.arrow();
        match event {
            PropagationEvent::ActorToken { actor_token } => {
                self.say(arrow, "   an actor token");
                self.claims(actor_token);
            }
            PropagationEvent::ClientAssertion { client_assertion } => {
                self.say(arrow, "   a client assertion");
                self.claims(&AccessToken::new(*client_assertion));
            }
            PropagationEvent::ExchangeRequested { endpoint, params, dpop_proof } => {
                self.say(arrow, &format!("-> POST {endpoint}"));
                self.params(params);
                if let Some(proof) = dpop_proof {
                    self.say(None, &format!("    DPoP: {}", shortened(proof.expose())));
                    self.claims(proof);
                }
            }
            PropagationEvent::NonceAsked { url, nonce } => {
                let what = "wants a nonce in the DPoP proof; once more, with";
                self.say(arrow, &format!("<- {url} {what} {}", shortened(nonce)));
            }
            PropagationEvent::IdentityToken { identity_token } => {
                self.say(arrow, "<- an identity token");
                self.claims(identity_token);
            }
            PropagationEvent::Checked { what, section, value } => {
                self.checked(what, section, value);
            }
            PropagationEvent::ClientProof { client_proof } => {
                self.say(arrow, "   a client proof");
                self.claims(client_proof);
            }
            PropagationEvent::Requested {
                method,
                url,
                identity_token,
                client_proof,
                dpop_proof,
            } => {
                let token = shortened(identity_token.expose());
                let scheme = if dpop_proof.is_some() { "DPoP" } else { "Bearer" };
                self.say(arrow, &format!("-> {method} {url} Authorization: {scheme} {token}"));
                let proof = shortened(client_proof.expose());
                self.say(None, &format!("    Client-Assertion: {proof}"));
                if let Some(proof) = dpop_proof {
                    self.say(None, &format!("    DPoP: {}", shortened(proof.expose())));
                }
            }
            PropagationEvent::DpopProof { dpop_proof } => {
                self.say(arrow, "   a DPoP proof");
                self.claims(dpop_proof);
            }
            PropagationEvent::Answered { status } => self.say(arrow, &format!("<- {status}")),
            _ => {}
        }
    }
}

impl Explain {
    /// Something that was compared and found to be right.
    pub(crate) fn checked(&self, what: &str, section: &str, value: &str) {
        self.say(None, &format!("   ok {what}: {value} ({section})"));
    }

    /// What was sent, by its parameters.
    pub(crate) fn sent(&self, endpoint: &str, params: &[(&str, &str)]) {
        self.say(None, &format!("-> POST {endpoint}"));
        self.params(params);
    }

    /// What a token says.
    pub(crate) fn received(&self, what: &str, token: &AccessToken) {
        self.say(None, &format!("<- {what}"));
        self.claims(token);
    }

    fn claims(&self, token: &AccessToken) {
        let Ok(token) = Unverified::parse(token.expose()) else { return };
        for (name, value) in token.claims().as_map() {
            self.say(None, &format!("    {name}: {value}"));
        }
    }
}

fn is_credential(name: &str) -> bool {
    matches!(name, "subject_token" | "actor_token" | "claim_token" | "ticket" | "rpt" | "pct")
}

/// The first characters of a credential: enough to recognise it, not enough to use it.
fn shortened(credential: &str) -> String {
    let shown: String = credential.chars().take(8).collect();
    if shown.len() == credential.len() { "…".to_owned() } else { format!("{shown}…") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_shortened() {
        assert_eq!(shortened("016f84e8-f9b9-11e0"), "016f84e8…");
        assert_eq!(shortened("short"), "…");
        for name in ["subject_token", "claim_token", "ticket"] {
            assert!(is_credential(name));
        }
        for name in ["subject_token_type", "audience", "resource", "ticket_challenge"] {
            assert!(!is_credential(name));
        }
    }
}
