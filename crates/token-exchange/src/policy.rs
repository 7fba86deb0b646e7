//! What is allowed: the server's rules and each client's.

use std::collections::BTreeSet;

use countersign_claims_token::ClaimsToken;
use countersign_identity_propagation::{ActorAudience, IdentityToken};
use countersign_jwt::act::MAX_DEPTH;
use countersign_types::identifier::is_at_or_below;
use countersign_types::{ClientId, EndpointUrl, Issuer, Lifetime, ResourceIdentifier, ScopeSet};

use crate::delegation::DelegationPolicy;

/// The scope by which a person agreed that a client may speak for them at other servers.
pub const CLAIMS_PROVIDER: &str = "claims-provider";

/// A target or a family of targets: a URL, `https://*.domain` with an optional port and path, or
/// `*`.
///
/// ```
/// use countersign_token_exchange::TargetPattern;
/// let pattern = TargetPattern::parse("https://*.bob.example")?;
/// assert!(pattern.matches("https://uma.bob.example"));
/// assert!(!pattern.matches("https://bob.example"));
/// assert!(!pattern.matches("https://uma.bob.example.evil.example"));
/// assert!(!pattern.matches("https://evil.example/x.bob.example"));
/// # Ok::<(), countersign_token_exchange::policy::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPattern(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    Exact(String),
    Subdomains { suffix: String, path: String },
}

/// A text is no pattern for targets.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a URL, https://*.domain or *")]
pub struct PatternError;

impl TargetPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self(Pattern::Any));
        }
        if !text.contains('*') {
            ResourceIdentifier::parse(text).map_err(|_| PatternError)?;
            return Ok(Self(Pattern::Exact(text.to_owned())));
        }
        let rest = text.strip_prefix("https://*.").ok_or(PatternError)?;
        let (domain, path) = split_path(rest);
        // What the star stands for must be a label of this very URL.
        ResourceIdentifier::parse(&format!("https://{rest}")).map_err(|_| PatternError)?;
        if rest.contains('*') || !domain.contains('.') {
            return Err(PatternError);
        }
        Ok(Self(Pattern::Subdomains { suffix: format!(".{domain}"), path: path.to_owned() }))
    }

    /// Whether `target`, an `https` URL, is meant.
    #[must_use]
    pub fn matches(&self, target: &str) -> bool {
        match &self.0 {
            Pattern::Any => true,
            Pattern::Exact(exact) => exact == target,
            Pattern::Subdomains { suffix, path } => {
                let Some(rest) = target.strip_prefix("https://") else { return false };
                let (authority, target_path) = split_path(rest);
                let labels = authority.strip_suffix(suffix.as_str()).unwrap_or_default();
                let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
                !labels.is_empty() && labels.bytes().all(is_name) && target_path == path
            }
        }
    }

    /// Whether `target` is meant where the pattern stands for what is refused: in every spelling of
    /// the URL, and below it, too. What [`matches`](Self::matches) is denied as well.
    ///
    /// ```
    /// use countersign_token_exchange::TargetPattern;
    /// let pattern = TargetPattern::parse("https://*.evil.example")?;
    /// assert!(pattern.denies("https://AS.Evil.example:443/tenant"));
    /// assert!(!pattern.denies("https://evil.example"));
    /// # Ok::<(), countersign_token_exchange::policy::PatternError>(())
    /// ```
    #[must_use]
    pub fn denies(&self, target: &str) -> bool {
        match &self.0 {
            Pattern::Any => true,
            Pattern::Exact(exact) => is_at_or_below(target, exact),
            Pattern::Subdomains { suffix, path } => {
                let domain = suffix.split_once(':').map_or(suffix.as_str(), |(name, _)| name);
                let domain = domain.to_ascii_lowercase();
                let host = host_of(target);
                let labels = host.trim_end_matches('.').strip_suffix(&domain).unwrap_or_default();
                !labels.is_empty()
                    && is_at_or_below(target, &format!("https://{labels}{suffix}{path}"))
            }
        }
    }
}

impl std::str::FromStr for TargetPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

/// The host of a URL, in lower case.
fn host_of(target: &str) -> String {
    let url = EndpointUrl::parse(target).ok();
    url.and_then(|url| url.as_url().host_str().map(str::to_owned)).unwrap_or_default()
}

fn split_path(rest: &str) -> (&str, &str) {
    rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at))
}

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
    /// ([`TargetPattern::denies`]).
    pub denied: Vec<TargetPattern>,
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
    /// Clients that are told by which rules of the delegation policy their requests were decided. By
    /// default nobody: the names of rules say something about who may act for whom.
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
}

/// One client's rules. The default allows nothing.
#[derive(Clone, Debug, Default)]
pub struct ClientPolicy {
    /// Whether it may use the grant.
    pub may_exchange: bool,
    /// The authorization servers it may obtain claims tokens for.
    pub claims_token_audiences: Vec<TargetPattern>,
    /// The resource servers it may obtain access tokens for.
    pub access_token_audiences: Vec<TargetPattern>,
    /// The scopes it may have.
    pub scopes: ScopeSet,
    /// Clients whose subject tokens it may exchange beside its own.
    pub subjects_of: BTreeSet<ClientId>,
    /// Whether it may present an actor token.
    pub may_act: bool,
    /// Whether an access token may speak as the subject without naming who acts.
    pub may_impersonate: bool,
    /// The relying parties it may obtain identity tokens for.
    pub identity_token_audiences: Vec<TargetPattern>,
    /// Whom its actor tokens may be made out to.
    pub actor_audience: ActorAudience,
    /// Whether its access tokens carry the person's verified e-mail address whatever their scope.
    pub email_in_access_token: bool,
    /// Whether it may obtain access tokens that the party they are for exchanges here once more, by
    /// naming this server as one more target.
    pub may_delegate_onward: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, target: &str, expected: bool) {
        let pattern = TargetPattern::parse(pattern).unwrap();
        assert_eq!(pattern.matches(target), expected, "{pattern:?} {target}");
    }

    #[test]
    fn a_pattern_matches_whole_urls() {
        check("*", "https://any.example", true);
        check("https://uma.bob.example", "https://uma.bob.example", true);
        check("https://uma.bob.example", "https://uma.bob.example/", false);
        check("https://*.bob.example", "https://a.b.bob.example", true);
        check("https://*.bob.example", "https://.bob.example", false);
        check("https://*.bob.example", "https://xbob.example", false);
        check("https://*.bob.example", "https://uma.bob.example/tenant", false);
        check("https://*.bob.example/t", "https://uma.bob.example/t", true);
        check("https://*.bob.example", "https://uma.bob.example:8443", false);
        check("https://*.bob.example:8443", "https://uma.bob.example:8443", true);
        check("https://*.bob.example", "https://evil.example?.bob.example", false);
        check("https://*.bob.example", "https://evil.example#.bob.example", false);
        check("https://*.bob.example", "https://evil.example\\.bob.example", false);
        check("https://*.bob.example", "https://me@uma.bob.example", false);
        check("https://*.bob.example", "http://uma.bob.example", false);
    }

    #[test]
    fn no_spelling_escapes_a_denial() {
        for (pattern, denied) in [
            ("*", "https://any.example"),
            ("https://uma.evil.example", "https://UMA.evil.example/"),
            ("https://uma.evil.example", "https://uma.evil.example.:443/tenant?x"),
            ("https://*.evil.example", "https://a.b.EVIL.example"),
            ("https://*.Evil.example", "https://uma.evil.example/tenant"),
            ("https://*.evil.example", "https://uma.evil.example."),
            ("https://*.evil.example", "https://uma.evil.example?x"),
            ("https://*.evil.example:8443/t", "https://uma.evil.example:8443/t/1"),
        ] {
            assert!(TargetPattern::parse(pattern).unwrap().denies(denied), "{pattern} {denied}");
        }
        for (pattern, other) in [
            ("https://uma.evil.example/t", "https://uma.evil.example"),
            ("https://*.evil.example", "https://evil.example"),
            ("https://*.evil.example", "https://notevil.example"),
            ("https://*.evil.example", "https://uma.evil.example:8443"),
            ("https://*.evil.example", "https://good.example?.evil.example"),
        ] {
            assert!(!TargetPattern::parse(pattern).unwrap().denies(other), "{pattern} {other}");
        }
    }

    #[test]
    fn a_star_stands_for_labels_only() {
        for text in [
            "",
            "**",
            "https://*",
            "https://*.example",
            "https://uma.*.example",
            "http://*.b.example",
            "https://*.*.example",
            "bob",
            "https://*.bob.example#x",
            "https://*bob.example",
        ] {
            assert_eq!(TargetPattern::parse(text), Err(PatternError), "{text}");
        }
    }
}
