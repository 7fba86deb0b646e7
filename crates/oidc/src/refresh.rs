//! Refresh tokens. [RFC 6749 §6], [RFC 9700 §4.14.2]
//!
//! A confidential client proves itself whenever it refreshes, so that its token stays the same for
//! as long as the grant does. A public client's token is good once: its answer brings the next one,
//! and a token that was replaced and is shown again was stolen, from the client or by it, which
//! ends the grant.
//!
//! An answer can be lost on its way. Where the tokens are bound to a key of the client
//! ([RFC 9449 §5]), the same request gives the same successor once more for a short while, since
//! whoever stole the token cannot make that request. The successor is not kept for that: it follows
//! from the token that was presented and from a seed that is kept, neither of which tells it alone.
//!
//! [RFC 6749 §6]: https://www.rfc-editor.org/rfc/rfc6749#section-6
//! [RFC 9449 §5]: https://www.rfc-editor.org/rfc/rfc9449#section-5
//! [RFC 9700 §4.14.2]: https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2

use countersign_jwt::cnf::Confirmation;
use countersign_types::digest::Digest;
use countersign_types::random::{self, Random};
use countersign_types::replay::Seen;
use countersign_types::secret::RefreshToken;
use countersign_types::{ClientId, Lifetime, Params, ScopeSet, Timestamp};
use serde::{Deserialize, Serialize};

use crate::grant::Grant;

mod error;

pub use error::RefreshError;

/// The grant type.
pub const GRANT_TYPE: &str = "refresh_token";

/// The scope by which a client asks for a refresh token. [OpenID Connect Core §11]
///
/// [OpenID Connect Core §11]: https://openid.net/specs/openid-connect-core-1_0.html#OfflineAccess
pub const OFFLINE_ACCESS: &str = "offline_access";

/// For so long the same successor is given once more.
pub const RETRY: Lifetime = Lifetime::from_secs(10);

/// How far a grant was renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// The generation of the refresh token that is good now.
    pub generation: u32,
    /// When the grant gave tokens for the last time.
    pub used: Timestamp,
    /// The thumbprint of the key that the refresh tokens are bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
}

/// What a refresh token stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshRecord {
    /// Who allowed it.
    pub subject: String,
    /// The grant.
    pub grant_id: String,
    /// How many there were before it.
    pub generation: u32,
    /// What its successor is made of, if it can be given twice: where it was given out bound to a
    /// key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
}

/// A request to refresh.
#[derive(Debug)]
pub struct RefreshRequest {
    /// The token.
    pub refresh_token: RefreshToken,
    /// What is asked for, if it is less than was granted.
    pub scope: Option<ScopeSet>,
}

/// What has been established before deciding.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who asks: authenticated or, if public, identified.
    pub client: &'a ClientId,
    /// Whether it cannot prove who it is.
    pub is_public: bool,
    /// What its registration lets it ask for by now.
    pub allowed: &'a ScopeSet,
    /// The key that the request proves.
    pub proved: Option<Confirmation>,
    /// A grant that gave no tokens for so long gives none any more.
    pub idle: Lifetime,
    /// The time of the request.
    pub now: Timestamp,
}

/// What a request is worth as far as can be told without writing anything.
#[derive(Debug)]
pub enum Admitted {
    /// It is granted.
    Done(Refreshed),
    /// It is granted if the token was not used before.
    OnceOnly(Rotating),
}

/// A token that is good once.
#[derive(Debug)]
pub struct Rotating {
    presented: RefreshToken,
    record: RefreshRecord,
    refreshed: Refreshed,
    expires: Timestamp,
}

/// A request that is granted.
#[derive(Debug)]
pub struct Refreshed {
    /// What the access token may allow.
    pub scope: ScopeSet,
    /// The grant as it is from now on.
    pub grant: Grant,
    /// Whether that is what is kept already.
    pub is_repeated: bool,
    /// The token that replaces the one that was presented.
    pub successor: Option<Successor>,
}

/// A refresh token to be kept and given out.
#[derive(Debug)]
pub struct Successor {
    /// The token.
    pub token: RefreshToken,
    /// What it stands for.
    pub record: RefreshRecord,
    /// When it ends, used or not.
    pub expires: Timestamp,
}

/// Parses a request to refresh.
///
/// # Errors
/// [`RefreshError::Params`], [`RefreshError::Scope`].
pub fn parse(params: &Params) -> Result<RefreshRequest, RefreshError> {
    let scope = params.get("scope").map(ScopeSet::parse).transpose();
    Ok(RefreshRequest {
        refresh_token: RefreshToken::new(params.require("refresh_token")?),
        scope: scope.map_err(|_| RefreshError::Scope)?,
    })
}

/// The first refresh token of a grant. A public client's is bound to the key that it proved
/// ([RFC 9449 §5]).
///
/// [RFC 9449 §5]: https://www.rfc-editor.org/rfc/rfc9449#section-5
pub fn begin(grant: &mut Grant, facts: &Facts<'_>, random: &dyn Random) -> Successor {
    let jkt = facts.proved.filter(|_| facts.is_public).map(thumbprint);
    let seed = jkt.is_some().then(|| seed(random));
    grant.renewal = Some(Renewal { generation: 0, used: facts.now, jkt });
    let record = RefreshRecord {
        subject: grant.subject.clone(),
        grant_id: grant.id.clone(),
        generation: 0,
        seed,
    };
    let token = RefreshToken::generate(random);
    Successor { token, record, expires: ends(grant, facts) }
}

/// Decides whether a client gets new tokens for a refresh token that the store knows, on a grant
/// that is live. Nobody but the client itself, with its key where the token was given out bound to
/// one, can do the token any harm: what fails before that leaves it as it was.
///
/// # Errors
/// [`RefreshError::Unknown`], [`RefreshError::Idle`], [`RefreshError::Key`],
/// [`RefreshError::Reused`], [`RefreshError::Scope`].
pub fn admit(
    request: RefreshRequest,
    record: RefreshRecord,
    grant: Grant,
    facts: &Facts<'_>,
) -> Result<Admitted, RefreshError> {
    let RefreshRequest { refresh_token: presented, scope } = request;
    let renewal = grant.renewal.as_ref().ok_or(RefreshError::Unknown)?;
    if grant.client_id != *facts.client || grant.expires <= facts.now {
        return Err(RefreshError::Unknown);
    }
    if renewal.used.after(facts.idle) <= facts.now {
        return Err(RefreshError::Idle);
    }
    let is_former = record.generation < renewal.generation;
    // One that was given out unbound has whoever shows it for its bearer. A key that the grant was
    // bound to meanwhile may be a thief's, and must not keep the reuse from being seen.
    if is_former && record.seed.is_none() {
        return Err(RefreshError::Reused);
    }
    let proved = facts.proved.map(thumbprint);
    if renewal.is_bound() && renewal.jkt != proved {
        return Err(RefreshError::Key);
    }
    let can_be_repeated = is_former
        && record.generation.checked_add(1) == Some(renewal.generation)
        && facts.now < renewal.used.after(RETRY);
    if is_former && !can_be_repeated {
        return Err(RefreshError::Reused);
    }
    let granted = grant.scope.intersection(facts.allowed);
    let scope = scope.unwrap_or_else(|| granted.clone());
    if scope.is_empty() || !scope.is_subset(&granted) {
        return Err(RefreshError::Scope);
    }

    let refreshed = Refreshed { scope, grant, is_repeated: can_be_repeated, successor: None };
    let expires = ends(&refreshed.grant, facts);
    let rotating = Rotating { presented, record, refreshed, expires };
    if can_be_repeated {
        return rotating.repeated().map(Admitted::Done);
    }
    Ok(if facts.is_public {
        Admitted::OnceOnly(rotating.used(proved, facts.now))
    } else {
        Admitted::Done(rotating.used(None, facts.now).refreshed)
    })
}

impl Rotating {
    /// What the store is to remember, if it is new, and until when at least.
    #[must_use]
    pub fn once(&self) -> (Digest, Timestamp) {
        let key = Digest::of_parts(&[b"refresh_token", self.presented.digest().as_bytes()]);
        (key, self.expires)
    }

    /// The new tokens, given what the store says. Whoever proves the key that the token is bound to
    /// was not answered: what was begun is finished.
    ///
    /// # Errors
    /// [`RefreshError::Reused`].
    pub fn if_new(self, seen: Seen, random: &dyn Random) -> Result<Refreshed, RefreshError> {
        if seen == Seen::Again {
            return self.repeated();
        }
        let (token, seed) = match self.derived() {
            Some((token, seed)) => (token, Some(seed)),
            None => {
                let is_bound = self.refreshed.grant.renewal.as_ref().is_some_and(Renewal::is_bound);
                (RefreshToken::generate(random), is_bound.then(|| seed(random)))
            }
        };
        Ok(self.succeeded_by(token, seed))
    }

    fn used(mut self, proved: Option<String>, now: Timestamp) -> Self {
        if let Some(renewal) = &mut self.refreshed.grant.renewal {
            renewal.used = now;
            renewal.jkt = renewal.jkt.take().or(proved);
        }
        self
    }

    /// The answer that was given before, if it can be told.
    fn repeated(self) -> Result<Refreshed, RefreshError> {
        let (token, seed) = self.derived().ok_or(RefreshError::Reused)?;
        Ok(Refreshed { is_repeated: true, ..self.succeeded_by(token, Some(seed)) })
    }

    /// The token and the seed that follow from these.
    fn derived(&self) -> Option<(RefreshToken, String)> {
        let seed = self.record.seed.as_ref()?;
        let of = |what: &[u8]| {
            let parts = [what, seed.as_bytes(), self.presented.expose().as_bytes()];
            Digest::of_parts(&parts).to_base64url()
        };
        Some((RefreshToken::new(of(b"refresh_token")), of(b"seed")))
    }

    fn succeeded_by(self, token: RefreshToken, seed: Option<String>) -> Refreshed {
        let Self { record, mut refreshed, expires, .. } = self;
        let generation = record.generation.saturating_add(1);
        if let Some(renewal) = &mut refreshed.grant.renewal {
            renewal.generation = generation;
        }
        let record = RefreshRecord { generation, seed, ..record };
        refreshed.successor = Some(Successor { token, record, expires });
        refreshed
    }
}

impl Renewal {
    const fn is_bound(&self) -> bool {
        self.jkt.is_some()
    }
}

/// When a refresh token ends that is given out now. A public client's next one comes with its use;
/// a confidential client's has to last.
fn ends(grant: &Grant, facts: &Facts<'_>) -> Timestamp {
    if facts.is_public { facts.now.after(facts.idle).min(grant.expires) } else { grant.expires }
}

fn seed(random: &dyn Random) -> String {
    random::handle(random).as_str().to_owned()
}

fn thumbprint(key: Confirmation) -> String {
    let Confirmation::Jkt(thumbprint) = key;
    thumbprint.to_base64url()
}

#[cfg(test)]
mod tests;
