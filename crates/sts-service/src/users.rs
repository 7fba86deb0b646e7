//! Who may sign in: the people of this provider, behind a seam.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_claims_token::VerifiedEmail;
use countersign_oidc::SignIn;
use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_token_exchange::trusted_issuer::ROLES;
use countersign_types::Issuer;
use countersign_types::digest::Digest;
use serde_json::{Map, Value};

use crate::passwords::PasswordHash;

/// A person with an account here.
#[derive(Clone, Debug)]
pub struct User {
    /// The identifier of the account. It never changes, and is never given to anyone else.
    pub subject: String,
    /// The name with which the person signs in.
    pub username: String,
    /// The person's name.
    pub name: Option<String>,
    /// The person's address, if it was verified.
    pub email: Option<VerifiedEmail>,
    /// The hash of the person's password; without one, nobody signs in to the account by one.
    pub password: Option<PasswordHash>,
    /// Further claims about the person. Access tokens carry `roles`, a list of texts
    /// ([RFC 9068 §2.2.3.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.2.3.1)).
    pub claims: Map<String, Value>,
    /// Where the account comes from, if it was made for somebody who came through another provider.
    pub origin: Option<Origin>,
}

/// The identity elsewhere whose provider has the word on the person: the one that the account was
/// made for, or, if its link was ended, one that is linked still.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The provider.
    pub issuer: Issuer,
    /// Who the person is there.
    pub sub: String,
    /// The claims by which the person was let in, when they last signed in there.
    pub required: Map<String, Value>,
}

impl User {
    /// The person's roles, if they are a list of texts.
    pub(crate) fn roles(&self) -> Option<&Value> {
        let roles = self.claims.get(ROLES)?;
        let is_list = |roles: &Vec<Value>| !roles.is_empty() && roles.iter().all(Value::is_string);
        roles.as_array().is_some_and(is_list).then_some(roles)
    }

    /// What the person can prove themselves with here, as a digest that another password changes.
    pub(crate) fn credential(&self) -> String {
        let hash = self.password.as_ref().map(ToString::to_string).unwrap_or_default();
        Digest::of_parts(&[b"password", hash.as_bytes()]).to_base64url()
    }

    /// Whether a sign-in still counts by the person's password: not if it is another now, since
    /// whoever signed in may be why.
    pub(crate) fn stands_by(&self, sign_in: &SignIn) -> bool {
        sign_in.credential.as_ref() == Some(&self.credential())
    }
}

/// Where people are found. The least that signing in needs: nobody can be listed or searched for.
pub trait Users: Send + Sync {
    /// The person who signs in by this name, which is untrusted.
    fn by_username<'a>(
        &'a self,
        username: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<User>>, StoreError>>;

    /// The person of this subject, if the account still exists.
    fn by_subject<'a>(
        &'a self,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<User>>, StoreError>>;
}

/// People who are known from the start.
#[derive(Debug, Default)]
pub struct StaticUsers {
    by_username: BTreeMap<String, Arc<User>>,
    by_subject: BTreeMap<String, Arc<User>>,
}

impl StaticUsers {
    /// These people. Each signs in by user name or by e-mail address.
    #[must_use]
    pub fn new(users: impl IntoIterator<Item = User>) -> Self {
        let mut known = Self::default();
        for user in users {
            let user = Arc::new(user);
            if let Some(email) = &user.email {
                let address = email.address().as_str().to_owned();
                known.by_username.insert(address, Arc::clone(&user));
            }
            known.by_subject.insert(user.subject.clone(), Arc::clone(&user));
            known.by_username.insert(user.username.clone(), user);
        }
        known
    }

    /// Each of them, by subject.
    pub fn iter(&self) -> impl Iterator<Item = &User> {
        self.by_subject.values().map(AsRef::as_ref)
    }

    /// Whether this is the subject of one of them.
    #[must_use]
    pub fn has_subject(&self, subject: &str) -> bool {
        self.by_subject.contains_key(subject)
    }

    /// Whether one of them signs in by this name.
    #[must_use]
    pub fn is_known(&self, username: &str) -> bool {
        self.by_username.contains_key(username)
    }
}

impl Users for StaticUsers {
    fn by_username<'a>(
        &'a self,
        username: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<User>>, StoreError>> {
        Box::pin(async move { Ok(self.by_username.get(username).cloned()) })
    }

    fn by_subject<'a>(
        &'a self,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<User>>, StoreError>> {
        Box::pin(async move { Ok(self.by_subject.get(subject).cloned()) })
    }
}
