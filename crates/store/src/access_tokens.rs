//! Opaque access tokens: RPTs and PATs.
//!
//! An index of digests is written all over: every record of a commit changes a page of its own, and
//! the log gets all of them. So a token of ours begins with the moment of its issue, and so does
//! the key of its record: what is issued together lies together, at the end of the index.

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

use crate::engine::{Engine, HandedOver, KeyedValue, Part, RecordTable};
use crate::error::StoreError;
use crate::horizon::steady_now;
use crate::record;

/// Octets of the moment of issue: four of the wall clock's seconds, two of the steady clock's
/// milliseconds.
const MOMENT: usize = 6;

/// Octets of the seconds among them.
const SECONDS: usize = 4;

/// Octets of a key at most.
const KEY: usize = MOMENT + 32;

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
        self.hand_over(token, record, expires).await?.written().await
    }

    /// Hands a fresh token over to be kept as by [`insert`](Self::insert), and may answer before it
    /// is durable: it must not leave before what this gives has been [waited
    /// for](HandedOver::written).
    ///
    /// # Errors
    /// [`StoreError`]; the token must then not be given out.
    pub async fn hand_over(
        &self,
        token: &AccessToken,
        record: &R,
        expires: Timestamp,
    ) -> Result<HandedOver, StoreError> {
        let value = record::encode(record)?;
        let key = TokenKey::of(token);
        self.engine.hand_over(RecordTable::AccessTokens, key.octets(), value, Some(expires)).await
    }

    /// What an untrusted token stands for, if it is live.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, token: &AccessToken, now: Timestamp) -> Result<Option<R>, StoreError> {
        self.find_by(&TokenKey::of(token), now).await
    }

    /// What the token of this key stands for, if it is live.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_by(&self, key: &TokenKey, now: Timestamp) -> Result<Option<R>, StoreError> {
        let value = self.engine.get(RecordTable::AccessTokens, key.octets(), now).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// What live tokens stand for that come after this key, in the order in which they were issued,
    /// `limit` of them at most and fewer only where there are no more. It reads no others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        after: &TokenKey,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(TokenKey, R)>, StoreError> {
        let part = Part::After(after.octets());
        let found = self.engine.page(RecordTable::AccessTokens, &[], part, limit, now).await?;
        let one = |(key, value): KeyedValue| {
            // INVARIANT: there is no record under a longer key.
            let key = TokenKey::from_octets(&key).unwrap_or_default();
            Ok((key, record::decode(&value)?))
        };
        found.into_iter().map(one).collect()
    }

    /// Revokes a token; `false` if there is none. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke(&self, token: &AccessToken) -> Result<bool, StoreError> {
        self.revoke_by(&TokenKey::of(token)).await
    }

    /// Revokes the token of this key; `false` if there is none. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_by(&self, key: &TokenKey) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::AccessTokens, key.octets()).await
    }
}

/// Where the record of a token is kept, which is no secret: the digest of the whole token, behind
/// the moment that a token of ours begins with.
///
/// Whoever makes up a moment, or takes it away, has another token with another digest. Tokens of
/// any other form, such as those that older versions issued, stand under their digest alone. The
/// default is before all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenKey {
    octets: [u8; KEY],
    length: u8,
}

impl Default for TokenKey {
    fn default() -> Self {
        Self { octets: [0; KEY], length: 0 }
    }
}

impl TokenKey {
    /// The key of this token.
    #[must_use]
    pub fn of(token: &AccessToken) -> Self {
        let moment = moment(token.expose());
        let mut key = Self::default();
        key.extend(moment.as_ref().map_or(&[], <[u8; MOMENT]>::as_slice));
        key.extend(token.digest().as_bytes());
        key
    }

    /// Before every token of ours that was issued at this moment or after, and behind all others.
    #[must_use]
    pub fn at(moment: Timestamp) -> Self {
        let [.., a, b, c, d] = moment.as_unix().max(0).to_be_bytes();
        let mut key = Self::default();
        key.extend(&[a, b, c, d]);
        key
    }

    /// When a token of ours was issued, by its key. No check trusts it.
    #[must_use]
    pub fn issued(&self) -> Timestamp {
        let seconds = self.octets.iter().take(SECONDS);
        Timestamp::from_unix(seconds.fold(0, |sum, octet| (sum << 8) | i64::from(*octet)))
    }

    /// The key that [`Display`](std::fmt::Display) wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_octets(&URL_SAFE_NO_PAD.decode(text).ok()?)
    }

    fn from_octets(octets: &[u8]) -> Option<Self> {
        let mut key = Self::default();
        (octets.len() <= KEY).then(|| key.extend(octets))?;
        Some(key)
    }

    /// INVARIANT: there are never more than there is room for.
    fn extend(&mut self, octets: &[u8]) {
        let free = self.octets.iter_mut().skip(usize::from(self.length));
        for (place, octet) in free.zip(octets) {
            *place = *octet;
            self.length += 1;
        }
    }

    fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl std::fmt::Display for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.octets()))
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKey({self})")
    }
}

fn moment(token: &str) -> Option<[u8; MOMENT]> {
    let text = token.as_bytes().get(..MOMENT_TEXT).filter(|_| token.len() == TOKEN_TEXT)?;
    let mut octets = [0; MOMENT];
    URL_SAFE_NO_PAD.decode_slice(text, &mut octets).ok()?;
    Some(octets)
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
                keys.push(TokenKey::of(&generated(&tokens, second)));
            }
        }
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|key| key.octets().len() == KEY));
        for key in keys {
            let (issued, next) = (key.issued(), Timestamp::from_unix(key.issued().as_unix() + 1));
            assert!(TokenKey::at(issued) < key && key.octets() > TokenKey::at(issued).octets());
            assert!(issued.as_unix() == i64::from(u32::MAX) || key < TokenKey::at(next));
            assert_eq!(TokenKey::parse(&key.to_string()), Some(key));
        }
        assert_eq!(TokenKey::parse(&"A".repeat(52)), None, "longer than any");
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
            assert_eq!(TokenKey::of(&token).octets(), token.digest().as_bytes(), "{text}");
        }
    }
}
