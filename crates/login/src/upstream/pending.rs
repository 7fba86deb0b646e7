//! What is remembered of a login until its answer comes.

use countersign_types::digest::Digest;
use countersign_types::secret::CodeVerifier;
use countersign_types::{Params, RedirectUri, ScopeSet};
use zeroize::Zeroizing;

use super::Wishes;

/// A login that has begun: what must be remembered, by the very browser or process that began it,
/// until the answer comes.
pub struct Pending {
    pub(super) state: Zeroizing<String>,
    pub(super) nonce: Zeroizing<String>,
    pub(super) verifier: CodeVerifier,
    pub(super) redirect_uri: RedirectUri,
    pub(super) scope: ScopeSet,
    pub(super) wishes: Wishes,
}

impl Pending {
    /// The `state` that the answer has to bring.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Tells whether a query is an answer to this login, for a task that outlives the reference.
    pub(crate) fn recognizer(&self) -> impl Fn(&str) -> bool + Send + Sync + 'static {
        let state = Digest::of(self.state.as_bytes());
        move |query| {
            Params::parse(query.as_bytes(), &[]).is_ok_and(|params| has_state(&params, &state))
        }
    }

    pub(super) fn has_state_of(&self, params: &Params) -> bool {
        has_state(params, &Digest::of(self.state.as_bytes()))
    }

    #[cfg(test)]
    pub(crate) fn for_tests(state: &str) -> Self {
        Self {
            state: Zeroizing::new(state.to_owned()),
            nonce: Zeroizing::new("nonce".to_owned()),
            verifier: CodeVerifier::new("verifier"),
            redirect_uri: RedirectUri::parse("http://127.0.0.1/callback").unwrap(),
            scope: ScopeSet::empty(),
            wishes: Wishes::default(),
        }
    }
}

fn has_state(params: &Params, expected: &Digest) -> bool {
    params.get("state").is_some_and(|given| Digest::of(given.as_bytes()).ct_eq(expected))
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}
