//! What a resource owner is told when a request begins to wait for them: a security event token.
//! [RFC 8417 §2]
//!
//! The specification of UMA leaves open how an owner learns that they are asked ([UG §3.3.6]). A
//! [`Notice`] is kept from the moment in which the question is put until the owner's endpoint has
//! taken it; [`sign`] makes the token that is pushed there ([RFC 8935 §2.1]), and [`verify`] is for
//! who receives it. Whatever the attempt, a notice has one `jti`.
//!
//! Whoever has the token can do nothing with it: it holds no ticket and no other token, and the
//! page that it names asks who is there. The requesting party is in it only where the server was
//! told so.
//!
//! [RFC 8417 §2]: https://www.rfc-editor.org/rfc/rfc8417#section-2
//! [RFC 8935 §2.1]: https://www.rfc-editor.org/rfc/rfc8935#section-2.1
//! [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6

mod read;

use std::collections::BTreeMap;

use countersign_jwt::{Sign, SignError};
use countersign_types::{ClientId, EmailAddress, Issuer, ScopeSet, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::read::{NoticeError, Received, verify};
use crate::case::{Case, Happened, PersonId, add, one_by_one};
use crate::permission::Permission;
use crate::person::Person;
use crate::protection::{OwnerId, Protection};
use crate::resource::ResourceId;

/// The `typ` of the token. [RFC 8417 §2.3](https://www.rfc-editor.org/rfc/rfc8417#section-2.3)
pub const TYP: &str = "secevent+jwt";

/// What it is sent as. [RFC 8935 §2.1](https://www.rfc-editor.org/rfc/rfc8935#section-2.1)
pub const MEDIA_TYPE: &str = "application/secevent+jwt";

/// The event: a request waits for its owner. An identifier of this project's own, registered
/// nowhere.
pub const REQUEST_SUBMITTED: &str =
    "https://github.com/countersign/countersign/events/request-submitted";

/// So many characters the scopes, identifiers and names of a notice have together; the page has the
/// rest.
pub const MAX_TEXT: usize = 4096;

/// A request that began to wait, until its owner has been told. It serialises for the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    jti: String,
    at: Timestamp,
    protection: Protection,
    person: PersonId,
    shown: Vec<Shown>,
}

/// What is asked for, as an owner knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Shown {
    /// The resource.
    pub resource_id: ResourceId,
    /// The scopes that are asked for.
    pub resource_scopes: ScopeSet,
    /// What it is called, if its resource server said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Notice {
    /// The notice of what waits in a case that was asked last, under an identifier of its own;
    /// `None` if something else happened last. What was asked last comes first, and then what
    /// waited before: the notice takes the place of the one of that. `name` says what a resource is
    /// called.
    #[must_use]
    pub fn of(
        case: &Case,
        protection: &Protection,
        name: impl Fn(&ResourceId) -> Option<String>,
        jti: String,
    ) -> Option<Self> {
        let event = case.history().last().filter(|event| event.what == Happened::Asked)?;
        let mut asked = event.permissions.clone();
        for (resource_id, scope) in one_by_one(&case.waiting(event.at)) {
            add(&mut asked, resource_id, scope);
        }
        let mut room = MAX_TEXT;
        let shown = asked.into_iter().map_while(|permission| {
            let Permission { resource_id, resource_scopes } = permission;
            let name = name(&resource_id);
            let scopes: usize = resource_scopes.iter().map(|scope| scope.len() + 1).sum();
            let taken = resource_id.as_str().len() + scopes + name.as_deref().map_or(0, str::len);
            room = room.checked_sub(taken)?;
            Some(Shown { resource_id, resource_scopes, name })
        });
        Some(Self {
            jti,
            at: event.at,
            protection: protection.clone(),
            person: PersonId::of(case.person()),
            shown: shown.collect(),
        })
    }

    /// Its identifier, the same at each attempt. [RFC 7519
    /// §4.1.7](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.7)
    #[must_use]
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// When the request began to wait.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// Who is told, and of what is where.
    #[must_use]
    pub const fn protection(&self) -> &Protection {
        &self.protection
    }

    /// Whose case it is.
    #[must_use]
    pub const fn person(&self) -> &PersonId {
        &self.person
    }
}

/// What is said beside the notice itself.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// The server that says it.
    pub issuer: &'a Issuer,
    /// To whom.
    pub audience: &'a str,
    /// The page of the request, if there are pages.
    pub page: Option<&'a str>,
    /// Who asks, where the owner wants to be told that, too.
    pub requesting_party: Option<&'a Person>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a Issuer,
    aud: &'a str,
    iat: Timestamp,
    jti: &'a str,
    events: BTreeMap<&'static str, RequestSubmitted<'a>>,
}

/// The payload of the event.
#[derive(Serialize)]
struct RequestSubmitted<'a> {
    owner: &'a OwnerId,
    resource_server: &'a ClientId,
    permissions: &'a [Shown],
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requesting_party: Option<Party>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Party {
    /// Who vouches for them.
    pub iss: Issuer,
    /// Their verified address.
    pub email: EmailAddress,
}

/// Signs the token of a notice. It has no `exp`, since what happened stays so, and is thereby no
/// token that has to have one. [RFC 8417 §2.2](https://www.rfc-editor.org/rfc/rfc8417#section-2.2)
///
/// # Errors
/// [`SignError`].
pub fn sign(
    notice: &Notice,
    statement: Statement<'_>,
    key: &dyn Sign,
) -> Result<String, SignError> {
    let party = |person: &Person| Party { iss: person.iss.clone(), email: person.email.clone() };
    let event = RequestSubmitted {
        owner: &notice.protection.owner,
        resource_server: &notice.protection.resource_server,
        permissions: &notice.shown,
        page: statement.page,
        requesting_party: statement.requesting_party.map(party),
    };
    let claims = Claims {
        iss: statement.issuer,
        aud: statement.audience,
        iat: notice.at,
        jti: &notice.jti,
        events: BTreeMap::from([(REQUEST_SUBMITTED, event)]),
    };
    countersign_jwt::sign(TYP, key, &claims)
}

#[cfg(test)]
mod tests;
