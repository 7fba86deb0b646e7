//! Where the accounts of people who came through another provider are kept, behind a seam.

use countersign_claims_token::VerifiedEmail;
use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_types::{EmailAddress, Issuer};
use serde_json::{Map, Value};

/// What is known of a person who came through another provider: what that is believed, and nothing
/// else.
#[derive(Clone, Debug)]
pub struct ImportedAccount {
    /// Who it is here, for ever.
    pub subject: String,
    /// What applications are told that the person is called (`preferred_username`). Nobody signs in
    /// by it.
    pub username: String,
    /// The person's name.
    pub name: Option<String>,
    /// The person's address, if the provider is believed to have verified it.
    pub email: Option<VerifiedEmail>,
    /// Further claims about the person, `roles` among them.
    pub claims: Map<String, Value>,
    /// The claims by which the person was let in.
    pub required: Map<String, Value>,
    /// The provider, by its alias.
    pub alias: String,
    /// The provider.
    pub issuer: Issuer,
    /// Who the person is there.
    pub sub: String,
}

/// The accounts of people who came through another provider. [`Users`](crate::Users) finds them by
/// their subject and by their address, without a password. Every change is durable before it
/// answers.
pub trait ImportedAccounts: Send + Sync {
    /// Makes an account under its subject, which is fresh. Its address is not looked at.
    fn make<'a>(&'a self, account: &'a ImportedAccount) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Replaces what is known of the person; `false` if there is no such account any more. Nothing
    /// changes, in one atomic step with this look, if another identity has the word on the person,
    /// since the link of this one may have been ended meanwhile. An account that is disabled stays
    /// so. An address that another account has is left out, and two accounts never get one address,
    /// however many calls come at once.
    fn refresh<'a>(
        &'a self,
        account: &'a ImportedAccount,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Gives the word on the person to the identity that `account` names. What was known of them
    /// goes, the address, too, and what `account` says takes its place, without an address. `false`
    /// if there is no such account any more; one that is disabled stays so.
    fn entrust<'a>(
        &'a self,
        account: &'a ImportedAccount,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Takes an account away, with its address: one that was made and that nobody has seen, or that
    /// its person closes. There is none of this subject from then on, unless it is disabled, which
    /// is looked at in the same atomic step: it stays, and the answer is `false`. Whoever is
    /// refused would come back as somebody new.
    fn forget<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Whether the address belongs to an account, be it one that is disabled.
    fn has<'a>(&'a self, address: &'a EmailAddress) -> BoxFuture<'a, Result<bool, StoreError>>;
}
