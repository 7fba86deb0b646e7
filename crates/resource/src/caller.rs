//! Who is calling, established: what a handler behind the layer finds among a request's extensions.

use std::sync::{Arc, OnceLock};

use countersign_jwt::Claims;
use countersign_jwt::act::ActorChain;
use countersign_jwt::cnf::Confirmation;
use countersign_types::{EmailAddress, Issuer, ScopeSet, Timestamp};
use serde_json::Value;

use crate::introspect::Permission;
use crate::proxy::Told;

/// A caller whose credentials were verified and suffice for the request at hand. Only this crate
/// makes one. A clone is cheap.
///
/// ```
/// use countersign_resource::VerifiedCaller;
///
/// /// What a handler does with it.
/// fn greeting(caller: &VerifiedCaller) -> String {
///     let through = caller.actors().map(|actors| actors.current().sub.as_str());
///     format!("{} through {}", caller.subject().unwrap_or("nobody"), through.unwrap_or("nobody"))
/// }
/// ```
#[derive(Clone)]
pub struct VerifiedCaller(Arc<Known>);

struct Known {
    content: Content,
    /// What the service behind a proxy is told: written once for all requests of a token.
    told: OnceLock<Told>,
}

pub(crate) struct Content {
    pub(crate) issuer: Issuer,
    pub(crate) subject: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) email: Option<EmailAddress>,
    pub(crate) actors: Option<ActorChain>,
    pub(crate) scopes: Arc<ScopeSet>,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) token_id: Option<String>,
    pub(crate) expires: Option<Timestamp>,
    /// The key that the token is bound to.
    pub(crate) confirmation: Option<Confirmation>,
    pub(crate) claims: Claims,
    /// The octets of what the claims were read from.
    pub(crate) size: usize,
}

impl VerifiedCaller {
    pub(crate) fn new(content: Content) -> Self {
        Self(Arc::new(Known { content, told: OnceLock::new() }))
    }

    /// What the service behind a proxy is told of this caller, written at the first time.
    pub(crate) fn told(&self, write: impl FnOnce() -> Told) -> &Told {
        self.0.told.get_or_init(write)
    }

    pub(crate) fn size(&self) -> usize {
        self.0.content.size
    }

    /// Who says so: the issuer in whose name space [`subject`](Self::subject) and
    /// [`client_id`](Self::client_id) are.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.0.content.issuer
    }

    /// On whose behalf the request is made. A token of the client's own names the client here:
    /// see [`is_client`](Self::is_client).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.0.content.subject.as_deref()
    }

    /// The client that obtained the token.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.0.content.client_id.as_deref()
    }

    /// Whether the client calls on its own behalf, and no person is involved
    /// ([RFC 9068 §5](https://www.rfc-editor.org/rfc/rfc9068#section-5)). True also where nobody is
    /// named.
    #[must_use]
    pub fn is_client(&self) -> bool {
        self.subject().is_none() || self.subject() == self.client_id()
    }

    /// The subject's e-mail address, if the issuer says that it has verified it; of an identity
    /// token, whose issuer speaks for the address's domain, always. An access token's issuer may be
    /// any that is trusted: where there are several, its word for an address is worth what
    /// [`issuer`](Self::issuer) is.
    #[must_use]
    pub fn email(&self) -> Option<&EmailAddress> {
        self.0.content.email.as_ref()
    }

    /// Who acts for the subject, and who did before. Decisions rest on the current actor alone.
    #[must_use]
    pub fn actors(&self) -> Option<&ActorChain> {
        self.0.content.actors.as_ref()
    }

    /// What the token allows, which may be more than the request needed.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.0.content.scopes
    }

    /// The roles that the token names ([RFC 9068 §2.2.3.1]): an array of strings in `roles`, or
    /// none.
    ///
    /// [RFC 9068 §2.2.3.1]: https://www.rfc-editor.org/rfc/rfc9068#section-2.2.3.1
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        let named = self.claims().get("roles").and_then(Value::as_array);
        named.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Scopes by resource, where the authorization server grants them so.
    #[must_use]
    pub fn permissions(&self) -> &[Permission] {
        &self.0.content.permissions
    }

    /// The token's own identifier (`jti`), by which its issuer revokes it.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.0.content.token_id.as_deref()
    }

    /// When the token expires.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.0.content.expires
    }

    /// The key that the token is bound to, and that the caller proved ([RFC 9449 §6]); a token
    /// without one is good in whoever's hands it is.
    ///
    /// [RFC 9449 §6]: https://www.rfc-editor.org/rfc/rfc9449#section-6
    #[must_use]
    pub fn confirmation(&self) -> Option<Confirmation> {
        self.0.content.confirmation
    }

    /// Everything the issuer says, for what has no method here: `email`, `roles`, `auth_time`.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0.content.claims
    }
}

/// Without the claims: they are personal data.
impl std::fmt::Debug for VerifiedCaller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedCaller")
            .field("issuer", self.issuer())
            .field("subject", &self.subject())
            .field("client_id", &self.client_id())
            .field("scopes", self.scopes())
            .finish_non_exhaustive()
    }
}
