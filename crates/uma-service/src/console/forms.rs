//! What the forms of the console are about, and how they are read.

use axum::extract::Request;
use countersign_types::Params;
use countersign_types::params::MAX_PARAMS;
use countersign_types::scope::MAX_SCOPE_LENGTH;
use countersign_uma::case::MAX_ENTRIES;
use countersign_uma::resource::MAX_IDENTIFIER;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::desk::{Desk, Visit};
use super::refusal::Refusal;
use super::sessions;
use crate::body;

/// So many fields a form may have: a tick for everything that somebody may have asked, and what
/// else belongs to it.
const MAX_FIELDS: usize = MAX_ENTRIES + MAX_PARAMS;

/// So many octets a tick takes at most: each octet of a resource and a scope takes three in a form
/// if it takes one in their names, and their names come with a field's, with a blank between them
/// and with what stands between two fields.
const MAX_TICK: usize = "scope=+&".len() + 3 * (MAX_IDENTIFIER + MAX_SCOPE_LENGTH);

/// So long a form may be: with everything ticked, and what else is typed into it.
const MAX_FORM: usize = MAX_ENTRIES * MAX_TICK + body::MAX_BODY;

/// What a form was rendered for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    /// To decide about a person.
    Person {
        /// The session.
        sid: String,
        /// The place.
        place: String,
        /// The person.
        person: String,
        /// What the owner saw.
        revision: u64,
    },
    /// To share a resource, or to take that back.
    Resource {
        /// The session.
        sid: String,
        /// The place.
        place: String,
        /// The resource.
        resource: String,
    },
    /// To take something back from the list of people.
    People {
        /// The session.
        sid: String,
        /// The place.
        place: String,
    },
    /// To end what somebody holds, from the list of those who are in.
    Access {
        /// The session.
        sid: String,
        /// The place.
        place: String,
    },
    /// To let a resource server protect something.
    Mandate {
        /// The session.
        sid: String,
        /// The request.
        query: String,
    },
    /// To end that.
    Mandates {
        /// The session.
        sid: String,
    },
    /// To sign out.
    SignOut {
        /// The session.
        sid: String,
    },
}

impl Form {
    fn sid(&self) -> &str {
        match self {
            Self::Person { sid, .. }
            | Self::Resource { sid, .. }
            | Self::People { sid, .. }
            | Self::Access { sid, .. }
            | Self::Mandate { sid, .. }
            | Self::Mandates { sid }
            | Self::SignOut { sid } => sid,
        }
    }
}

/// A submitted form: its fields, what it was rendered for, and who sent it.
pub(super) struct Submitted {
    pub(super) params: Params,
    pub(super) form: Form,
    pub(super) visit: Visit,
    pub(super) headers: HeaderMap,
}

/// Reads a form that a page of this session had in this browser.
pub(super) async fn read(
    desk: &Desk,
    request: Request,
    repeatable: &[&str],
) -> Result<Submitted, Refusal> {
    let now = desk.uma.seams.clock.now();
    let (headers, body) =
        body::form_at_most(MAX_FORM, request).await.map_err(|_| Refusal::Malformed)?;
    let params = Params::parse_at_most(MAX_FIELDS, &body, repeatable);
    let params = params.map_err(|_| Refusal::Malformed)?;
    let token = params.get("form_token").ok_or(Refusal::NotOurs)?;
    let form = desk.console.form_tokens.open(token, &headers, now);
    let form = form.map_err(|_| Refusal::NotOurs)?;
    let active = sessions::of(desk, &headers, now).await?.ok_or(Refusal::NotOurs)?;
    if form.sid() != active.sid {
        return Err(Refusal::NotOurs);
    }
    let visit = desk.visit(active, &headers, now);
    Ok(Submitted { params, form, visit, headers })
}
