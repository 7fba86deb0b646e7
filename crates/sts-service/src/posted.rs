//! What came by POST from another site, on its way to where the browser shows its session.
//!
//! A browser keeps the session's cookie back from a form of another site (`SameSite=Lax`), and
//! sends it along to where it is sent next. What goes there stands in a URL, and so in the
//! browser's history and in logs: it is sealed, and counts for minutes at most.

use countersign_types::{EndpointUrl, Lifetime, Params, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use crate::app::Sts;

const NAME: &str = "posted";

#[derive(Serialize)]
struct Sent<'a, T> {
    at: &'a str,
    what: &'a T,
    expires: Timestamp,
}

#[derive(Deserialize)]
struct Received<T> {
    at: String,
    what: T,
    expires: Timestamp,
}

/// Something that came by POST, as far as a URL says.
pub(crate) enum Posted<T> {
    /// There is nothing of the kind.
    Absent,
    /// It is too old, of another run of this server, or was not sealed here.
    Over,
    There(T),
}

/// Where the browser is sent with what it brought, if anything: to the same endpoint.
pub(crate) fn sent_on<T: Serialize>(
    sts: &Sts,
    endpoint: &EndpointUrl,
    (what, lifetime): (Option<&T>, Lifetime),
    ui_locales: Option<String>,
    now: Timestamp,
) -> String {
    let at = endpoint.as_str();
    let sealed = what.and_then(|what| {
        sts.posted.close(&Sent { at, what, expires: now.after(lifetime) }, sts.random.as_ref())
    });
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(sealed.map(|sealed| (NAME, sealed)));
    query.extend_pairs(ui_locales.map(|locales| ("ui_locales", locales)));
    match query.finish() {
        query if query.is_empty() => at.to_owned(),
        query => format!("{at}?{query}"),
    }
}

/// What a browser was sent to this endpoint with.
pub(crate) fn taken<T: DeserializeOwned>(
    sts: &Sts,
    endpoint: &EndpointUrl,
    query: &str,
    now: Timestamp,
) -> Posted<T> {
    let params = Params::parse(query.as_bytes(), &[]).ok();
    let Some(sealed) = params.as_ref().and_then(|params| params.get(NAME)) else {
        return Posted::Absent;
    };
    match sts.posted.open::<Received<T>>(sealed) {
        Some(Received { at, what, expires }) if at == endpoint.as_str() && now < expires => {
            Posted::There(what)
        }
        _ => Posted::Over,
    }
}
