//! Whose identity at another provider is whose here. An identity is an issuer with its `sub`,
//! compared octet by octet; two issuers that use one `sub` mean two people. [OpenID Connect Core
//! §5.7](https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability)

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::digest::Digest;
use countersign_types::{Issuer, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::engine::{Change, Changer, Engine, RecordTable};
use crate::error::StoreError;
use crate::record;

const TABLE: RecordTable = RecordTable::LinkedIdentities;

/// Links do not expire, so any moment serves to read them.
const ALWAYS: Timestamp = Timestamp::from_unix(0);

/// Identities at other providers, each with the subject here that it is linked to and a record `R`
/// of the link.
///
/// INVARIANT: an identity is linked to one subject at most, over all races and restarts.
#[derive(Clone)]
pub struct LinkedIdentities<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

/// A link as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked<R> {
    /// Whose it is here.
    pub subject: String,
    /// What is kept of it.
    pub record: R,
}

impl<R: Serialize + DeserializeOwned> LinkedIdentities<R> {
    /// Links kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Links the identity (`issuer`, `sub`), which was verified, to a subject here; `false` if it
    /// is linked already, to whomever, and stays so. Of simultaneous calls for one identity, one is
    /// told `true`. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_new(
        &self,
        issuer: &Issuer,
        sub: &str,
        linked: &Linked<R>,
    ) -> Result<bool, StoreError> {
        let identity = Digest::of_parts(&[issuer.as_str().as_bytes(), sub.as_bytes()]);
        // First where the subject's are listed: what is cut off in between is a line that leads
        // nowhere, never a link that nobody sees.
        let line = by_subject(&linked.subject, &identity);
        self.engine.put(TABLE, &line, Vec::new(), None).await?;
        let value = record::encode(linked)?;
        self.change(&identity, move |found| match found {
            Some(_) => (Change::Keep, Ok(false)),
            None => (Change::Put(value, None), Ok(true)),
        })
        .await
    }

    /// Whom the identity is linked to.
    ///
    /// # Errors
    /// [`StoreError`]; nobody must then be taken for new.
    pub async fn find(&self, issuer: &Issuer, sub: &str) -> Result<Option<Linked<R>>, StoreError> {
        self.get(&Digest::of_parts(&[issuer.as_str().as_bytes(), sub.as_bytes()])).await
    }

    /// Every link of `subject`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, subject: &str) -> Result<Vec<R>, StoreError> {
        let prefix = lines_of(subject);
        let mut found = Vec::new();
        for (line, _) in self.engine.list(TABLE, &prefix, ALWAYS).await? {
            let identity = line.get(prefix.len()..).unwrap_or_default();
            let key = [&[BY_IDENTITY], identity].concat();
            let value = self.engine.get(TABLE, &key, ALWAYS).await?;
            let linked: Option<Linked<R>> = value.map(|it| record::decode(&it)).transpose()?;
            // The link has the last word on whose it is.
            found.extend(linked.filter(|it| it.subject == subject).map(|it| it.record));
        }
        Ok(found)
    }

    /// Ends the link of the identity to `subject`; `false` if there is none. Durable before it
    /// answers.
    ///
    /// # Errors
    /// [`StoreError`]; the end must then not be acknowledged.
    pub async fn remove(
        &self,
        issuer: &Issuer,
        sub: &str,
        subject: &str,
    ) -> Result<bool, StoreError> {
        let identity = Digest::of_parts(&[issuer.as_str().as_bytes(), sub.as_bytes()]);
        let whose = subject.to_owned();
        // The line stays where the subject's are listed: whoever links the identity again meanwhile
        // has written it already, and it leads nowhere without the link.
        self.change(&identity, move |found| {
            let linked = found.map(record::decode::<Linked<R>>).transpose();
            match linked.map(|linked| linked.is_some_and(|linked| linked.subject == whose)) {
                Ok(true) => (Change::Remove, Ok(true)),
                other => (Change::Keep, other),
            }
        })
        .await
    }

    /// Looks at the link of an identity and changes it, in one atomic step.
    async fn change(
        &self,
        identity: &Digest,
        change: impl FnOnce(Option<&[u8]>) -> (Change, Result<bool, StoreError>) + Send + 'static,
    ) -> Result<bool, StoreError> {
        let (tell, told) = oneshot::channel();
        let changer: Changer = Box::new(move |found: Option<&[u8]>| {
            let (change, outcome) = change(found);
            // A caller that went away is told nothing, and its change stands.
            drop(tell.send(outcome));
            change
        });
        self.engine.update(TABLE, &by_identity(identity), ALWAYS, changer).await?;
        told.await.unwrap_or(Err(StoreError::Stopped))
    }

    async fn get(&self, identity: &Digest) -> Result<Option<Linked<R>>, StoreError> {
        let value = self.engine.get(TABLE, &by_identity(identity), ALWAYS).await?;
        value.map(|value| record::decode(&value)).transpose()
    }
}

/// What the keys of links begin with, and those of the lines that list a subject's.
const BY_IDENTITY: u8 = b'i';
const BY_SUBJECT: u8 = b's';

fn by_identity(identity: &Digest) -> Vec<u8> {
    [&[BY_IDENTITY], identity.as_bytes().as_slice()].concat()
}

/// A subject's links are listed together.
fn lines_of(subject: &str) -> Vec<u8> {
    [&[BY_SUBJECT], Digest::of(subject.as_bytes()).as_bytes().as_slice()].concat()
}

fn by_subject(subject: &str, identity: &Digest) -> Vec<u8> {
    [lines_of(subject).as_slice(), identity.as_bytes()].concat()
}
