//! What a place says of a token, where several places say it alike.
//!
//! Revocation and introspection answer about what is none of theirs as about what is over: 200, or
//! `{"active": false}`. Refused there means that nothing was revoked, or exactly that answer.

use countersign_testkit::names;
use serde_json::json;

use crate::acting::{ASSERTION_TYPE, CLIENT};
use crate::bed::{Bed, Credentials, Form, Reply};

pub(super) const RQP: Credentials = Credentials::Basic(names::RQP_CLIENT, names::RQP_SECRET);
pub(super) const RS: Credentials = Credentials::Basic(names::RS_CLIENT, names::RS_SECRET);
pub(super) const INVALID_GRANT: (u16, &str) = (400, "invalid_grant");

/// What the place said.
pub(super) enum Answer {
    Accepted,
    Refused,
    Odd(String),
}

pub(super) fn judge(reply: &Reply, accepted: u16, refused: (u16, &str)) -> Answer {
    match (reply.status, reply.error()) {
        (status, _) if status == accepted => Answer::Accepted,
        (status, error) if (status, error.as_str()) == refused => Answer::Refused,
        _ => Answer::Odd(format!("{reply:?}")),
    }
}

pub(super) async fn refreshed(
    bed: &Bed,
    endpoint: &str,
    token: &str,
    client: Credentials,
) -> Answer {
    let params = [("grant_type", "refresh_token"), ("refresh_token", token)];
    judge(&bed.post(endpoint, &Form::new(&params, client)).await, 200, INVALID_GRANT)
}

/// A client proves by a token who it is; what it asks about is nothing.
pub(super) async fn asserted(bed: &Bed, endpoint: &str, assertion: &str) -> Answer {
    let params = [
        ("token", "x"),
        ("client_id", CLIENT),
        ("client_assertion", assertion),
        ("client_assertion_type", ASSERTION_TYPE),
    ];
    let reply = bed.post(endpoint, &Form::new(&params, Credentials::None)).await;
    judge(&reply, 200, (401, "invalid_client"))
}

/// RFC 7662 §2.2: what is not active is that, and nothing more is said about it.
pub(super) fn is_active(reply: &Reply) -> Answer {
    match (reply.status, reply.json()) {
        (200, body) if body["active"] == true => Answer::Accepted,
        (200, body) if body == json!({ "active": false }) => Answer::Refused,
        _ => Answer::Odd(format!("{reply:?}")),
    }
}

/// RFC 7009 §2.1, §2.2: 200 whatever it was, or another client's.
pub(super) fn nothing_said(reply: &Reply) -> Answer {
    match (reply.status, reply.error().as_str()) {
        (200, "") if reply.body.is_empty() => Answer::Refused,
        (400, "invalid_grant" | "invalid_request" | "unauthorized_client") => Answer::Refused,
        _ => Answer::Odd(format!("{reply:?}")),
    }
}
