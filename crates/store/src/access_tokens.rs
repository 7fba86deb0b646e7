//! Opaque access tokens: RPTs and PATs.
//!
//! An index of digests is written all over: every record of a commit changes a page of its own, and
//! the log gets all of them. So a token of ours begins with the moment of its issue, and so does the
//! key of its record: what is issued together lies together, at the end of the index.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_types::Timestamp;
use countersign_types::random::Random;
use countersign_types::secret::AccessToken;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Engine, RecordTable};
use crate::error::StoreError;
use crate::horizon::steady_now;
use crate::record;

/// Octets of the moment of issue: four of the wall clock's seconds, two of the steady clock's
/// milliseconds.
const MOMENT: usize = 6;

/// Characters of base64url that say it.
const MOMENT_TEXT: usize = 8;

/// Characters of a token from [`AccessTokens::generate`].
const TOKEN_TEXT: usize = MOMENT_TEXT + 43;

/// Opaque access tokens under their digests, each with the record `R` of what it stands for.
#[derive(Clone)]
pub struct AccessTokens<R> {
    engine: Arc<dyn Engine>,
    /// From when on milliseconds are counted.
    begun: Instant,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> AccessTokens<R> {
    /// Tokens kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, begun: steady_now(), record: PhantomData }
    }

    /// A fresh token: 256 random bits, behind eight characters that say when it was made.
    ///
    /// Only the order of the records comes from these, and no check trusts them. They are
    /// milliseconds and not a count, so that a token does not tell how many others there are.
    #[must_use]
    pub fn generate(&self, random: &dyn Random, now: Timestamp) -> AccessToken {
        let [.., a, b, c, d] = now.as_unix().to_be_bytes();
        let [.., e, f] = self.begun.elapsed().as_millis().to_be_bytes();
        let mut text = String::with_capacity(TOKEN_TEXT);
        URL_SAFE_NO_PAD.encode_string([a, b, c, d, e, f], &mut text);
        text.push_str(AccessToken::generate(random).expose());
        AccessToken::new(text)
    }

    /// Keeps a fresh token. Durable before it answers, so that no token leaves that a restart
    /// would forget.
    ///
    /// # Errors
    /// [`StoreError`]; the token must then not be given out.
    pub async fn insert(
        &self,
        token: &AccessToken,
        record: &R,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let value = record::encode(record)?;
        self.engine.put(RecordTable::AccessTokens, &key(token), value, Some(expires)).await
    }

    /// What an untrusted token stands for, if it is live.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, token: &AccessToken, now: Timestamp) -> Result<Option<R>, StoreError> {
        let value = self.engine.get(RecordTable::AccessTokens, &key(token), now).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Revokes a token; `false` if there is none. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke(&self, token: &AccessToken) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::AccessTokens, &key(token)).await
    }
}

/// The digest of the whole token, behind the moment that a token of ours begins with.
///
/// Whoever makes up a moment, or takes it away, has another token with another digest. Tokens of
/// any other form, such as those that older versions issued, stand under their digest alone.
fn key(token: &AccessToken) -> Vec<u8> {
    let digest = token.digest();
    let mut key = Vec::with_capacity(MOMENT + digest.as_bytes().len());
    key.extend(moment(token.expose()).unwrap_or_default());
    key.extend(digest.as_bytes());
    key
}

fn moment(token: &str) -> Option<Vec<u8>> {
    let text = token.as_bytes().get(..MOMENT_TEXT).filter(|_| token.len() == TOKEN_TEXT)?;
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::MemoryEngine;

    struct Zeros;

    impl Random for Zeros {
        fn fill(&self, out: &mut [u8]) {
            out.fill(0);
        }
    }

    fn generated(tokens: &AccessTokens<String>, second: i64) -> AccessToken {
        tokens.generate(&Zeros, Timestamp::from_unix(second))
    }

    #[test]
    fn keys_stand_in_the_order_of_issue() {
        let mut tokens = AccessTokens::new(Arc::new(MemoryEngine::new()));
        let mut keys = Vec::new();
        for second in [1, 255, 256, 1_800_000_000, i64::from(u32::MAX)] {
            for seconds in [0, 10, 60] {
                tokens.begun = steady_now() - Duration::from_secs(seconds);
                keys.push(key(&generated(&tokens, second)));
            }
        }
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|key| key.len() == MOMENT + 32));
    }

    #[test]
    fn what_is_random_is_whole_and_at_the_end() {
        let tokens = AccessTokens::new(Arc::new(MemoryEngine::new()));
        let token = generated(&tokens, 1);
        let (moment, random) = token.expose().split_at(MOMENT_TEXT);
        assert_eq!(random, AccessToken::generate(&Zeros).expose());
        assert!(moment.starts_with("AAAAA"), "{moment}");
    }

    #[test]
    fn a_token_of_another_form_stands_under_its_digest() {
        let random = AccessToken::generate(&Zeros);
        let long = "a".repeat(TOKEN_TEXT + 1);
        let foreign = "é".repeat(TOKEN_TEXT / 2) + "a";
        let unwritable = "!".repeat(TOKEN_TEXT);
        for text in ["", "t", random.expose(), &long, &foreign, &unwritable] {
            let token = AccessToken::new(text);
            assert_eq!(key(&token), token.digest().as_bytes(), "{text}");
        }
    }
}
