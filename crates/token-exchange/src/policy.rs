//! What is allowed: the server's rules and each client's.

use std::collections::BTreeSet;

use countersign_claims_token::ClaimsToken;
use countersign_identity_propagation::{ActorAudience, IdentityToken};
use countersign_jwt::act::MAX_DEPTH;
use countersign_types::{ClientId, Issuer, Lifetime, ResourceIdentifier, ScopeSet, UrlPattern};

use crate::delegation::DelegationPolicy;
use crate::people::NamedPeople;

/// The scope by which a person agreed that a client may speak for them at other servers.
pub const CLAIMS_PROVIDER: &str = "claims-provider";

/// What a bare name stands for, and what a JWT for this target is.
#[derive(Clone, Debug)]
pub struct RegisteredTarget {
    /// The name that may be sent as `resource`, as `audience`, or as both.
    pub name: String,
    /// The authorization server.
    pub audience: Issuer,
    /// The resource server.
    pub resource: ResourceIdentifier,
    /// What `requested_token_type=…:jwt` means for it when the request does not say.
    pub jwt_profile: Option<JwtProfile>,
}

/// What a JWT for a target can be when neither a challenge nor an actor token says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtProfile {
    /// An access token of [RFC 9068](https://www.rfc-editor.org/rfc/rfc9068).
    AccessToken,
}

/// The server's rules, for every client.
#[derive(Clone, Debug)]
pub struct ServerPolicy {
    /// This server.
    pub issuer: Issuer,
    /// Whether public clients may exchange tokens at all.
    pub public_clients: bool,
    /// The targets that have a name.
    pub targets: Vec<RegisteredTarget>,
    /// Audiences and resources that no client obtains a token for, in any spelling
    /// ([`UrlPattern::denies`]).
    pub denied: Vec<UrlPattern>,
    /// The claims about a person, beside the e-mail address, that cross the border.
    pub user_claims: BTreeSet<String>,
    /// How long a claims token lives at most.
    pub claims_token_lifetime: Lifetime,
    /// How long an access token lives at most.
    pub access_token_lifetime: Lifetime,
    /// How long an identity token lives at most.
    pub identity_token_lifetime: Lifetime,
    /// How many actors a token names at most, the current one among them; never more than
    /// [`MAX_DEPTH`].
    pub max_actors: usize,
    /// Clients that are told by which rules of the delegation policy their requests were decided.
    /// By default nobody: the names of rules say something about who may act for whom.
    pub explain_to: BTreeSet<ClientId>,
}

impl ServerPolicy {
    /// The rules of a server that names no targets and denies none, with the lifetimes of the
    /// profile.
    #[must_use]
    pub const fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            public_clients: false,
            targets: Vec::new(),
            denied: Vec::new(),
            user_claims: BTreeSet::new(),
            claims_token_lifetime: ClaimsToken::LIFETIME,
            access_token_lifetime: Lifetime::from_secs(300),
            identity_token_lifetime: IdentityToken::LIFETIME,
            max_actors: MAX_DEPTH,
            explain_to: BTreeSet::new(),
        }
    }

    /// Whether no client obtains a token for this target.
    #[must_use]
    pub fn denies(&self, target: &str) -> bool {
        self.denied.iter().any(|pattern| pattern.denies(target))
    }
}

/// One client's rules. The default allows nothing.
#[derive(Clone, Debug, Default)]
pub struct ClientPolicy {
    /// Whether it may use the grant.
    pub may_exchange: bool,
    /// The authorization servers it may obtain claims tokens for.
    pub claims_token_audiences: Vec<UrlPattern>,
    /// The resource servers it may obtain access tokens for.
    pub access_token_audiences: Vec<UrlPattern>,
    /// The scopes it may have.
    pub scopes: ScopeSet,
    /// Clients whose subject tokens it may exchange beside its own.
    pub subjects_of: BTreeSet<ClientId>,
    /// Whether it may present an actor token.
    pub may_act: bool,
    /// Whether an access token may speak as the subject without naming who acts.
    pub may_impersonate: bool,
    /// The relying parties it may obtain identity tokens for.
    pub identity_token_audiences: Vec<UrlPattern>,
    /// Whom its actor tokens may be made out to.
    pub actor_audience: ActorAudience,
    /// Whether its access tokens carry the person's verified e-mail address whatever their scope.
    pub email_in_access_token: bool,
    /// Whether it may obtain access tokens that the party they are for exchanges here once more, by
    /// naming this server as one more target.
    pub may_delegate_onward: bool,
    /// Whether whoever shows an access token of the client, and no other proof, gets claims tokens
    /// on it.
    pub claims_endpoint: bool,
    /// The people that it may get claims tokens about without them; without a list, it may not so
    /// much as hold the scope for it.
    pub people: Option<NamedPeople>,
}

/// The rules that a request is decided by.
#[derive(Clone, Copy, Debug)]
pub struct ExchangePolicy<'a> {
    /// The server's.
    pub server: &'a ServerPolicy,
    /// The client's.
    pub client: &'a ClientPolicy,
    /// What is asked once the rest allows it.
    pub delegation: &'a dyn DelegationPolicy,
}
