//! For whom the client speaks, and to whom.

use std::error::Error;

use countersign_claims_token::read::ExpectedPerson;
use countersign_client_auth::Proof;
use countersign_fetch::request::BoxFuture;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, EmailAddress, Issuer, ResourceIdentifier};

/// As whom this client is known at one authorization server or OpenID provider.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The server.
    pub issuer: Issuer,
    /// The client's identifier there.
    pub client_id: ClientId,
    /// What it proves itself with there.
    pub proof: Proof,
}

/// The person of a session and the access token that speaks for that person at the security token
/// service.
#[derive(Clone, Debug)]
pub struct Subject {
    /// An access token of the provider, for the provider.
    pub access_token: AccessToken,
    /// Who signed in.
    pub person: Person,
}

/// Who signed in. A claims token about anybody else is not used, and a requesting party token that
/// was issued for one person is never sent for another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Person {
    /// Known by the provider's subject identifier.
    Subject(String),
    /// Known by the e-mail address.
    Email(EmailAddress),
    /// Known by both.
    SubjectAndEmail(String, EmailAddress),
}

impl Person {
    pub(crate) fn expected(&self) -> ExpectedPerson<'_> {
        match self {
            Self::Subject(sub) => ExpectedPerson::Subject(sub),
            Self::Email(email) => ExpectedPerson::Email(email),
            Self::SubjectAndEmail(sub, email) => ExpectedPerson::SubjectAndEmail(sub, email),
        }
    }
}

/// Gives the access token of the person the client speaks for; it may refresh one on the way, and
/// it may be another person's from one call to the next.
///
/// It is asked once for each ticket, and before a request to an address that wanted a token before.
pub trait SubjectToken: Send + Sync {
    /// The person and that person's access token.
    ///
    /// # Errors
    /// Whatever keeps the application from having one; it reaches the caller as the source of
    /// [`ClientError::SubjectToken`](crate::ClientError::SubjectToken).
    fn subject_token(&self) -> BoxFuture<'_, Result<Subject, Box<dyn Error + Send + Sync>>>;
}

/// A token that does not change.
impl SubjectToken for Subject {
    fn subject_token(&self) -> BoxFuture<'_, Result<Subject, Box<dyn Error + Send + Sync>>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

/// Nobody's session: for a service that acts only for those it is called for
/// ([`IdentityPropagator::request_for`](crate::IdentityPropagator::request_for)). It has no token.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSession;

impl SubjectToken for NoSession {
    fn subject_token(&self) -> BoxFuture<'_, Result<Subject, Box<dyn Error + Send + Sync>>> {
        Box::pin(std::future::ready(Err("nobody has a session here".into())))
    }
}

/// An authorization server that the client is about to tell a person's verified address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudience {
    /// The authorization server.
    pub audience: Issuer,
    /// The resource server that named it.
    pub resource: ResourceIdentifier,
    /// Whose claims would go there.
    pub person: Person,
}

/// Asks whether a person's claims may go to an authorization server that the client has no
/// registration of its own for. Each server is asked about once for each person in a client's life.
///
/// Without this question any resource server could harvest verified addresses, since it is the
/// resource server that names the authorization server.
pub trait ApproveAudience: Send + Sync {
    /// Whether the claims may go there.
    fn approve<'a>(&'a self, new: &'a NewAudience) -> BoxFuture<'a, bool>;
}

/// Approves no server but those the client is registered at. The default.
#[derive(Clone, Copy, Debug, Default)]
pub struct RegisteredOnly;

impl ApproveAudience for RegisteredOnly {
    fn approve<'a>(&'a self, _: &'a NewAudience) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(false))
    }
}

/// Approves every server: for test beds, and where the security token service has its own list.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyAudience;

impl ApproveAudience for AnyAudience {
    fn approve<'a>(&'a self, _: &'a NewAudience) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(true))
    }
}
