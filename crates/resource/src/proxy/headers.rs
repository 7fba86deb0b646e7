//! Which headers go on, and which are the proxy's own to set.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use countersign_client_auth::dpop;
use countersign_types::{EndpointUrl, ResourceIdentifier};
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::caller::VerifiedCaller;
use crate::identity_propagation::CLIENT_PROOF;

/// In which headers the service behind is told who calls. A header of one of these names that comes
/// from outside never reaches it, in any spelling that a service might take for the same: some turn
/// whatever is no letter or digit into `_` or `-` (`.`, as PHP does, or `_`).
///
/// A value is visible ASCII; anything else in it, and `%`, is percent-encoded as UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallerHeaders {
    /// On whose behalf.
    pub subject: HeaderName,
    /// Who says so.
    pub issuer: HeaderName,
    /// The client that obtained the token.
    pub client_id: HeaderName,
    /// Who acts for the subject now.
    pub actor: HeaderName,
    /// What the token allows, separated by spaces.
    pub scope: HeaderName,
}

impl Default for CallerHeaders {
    /// `X-Caller-Subject`, `X-Caller-Issuer`, `X-Caller-Client-Id`, `X-Caller-Actor`,
    /// `X-Caller-Scope`.
    fn default() -> Self {
        Self {
            subject: HeaderName::from_static("x-caller-subject"),
            issuer: HeaderName::from_static("x-caller-issuer"),
            client_id: HeaderName::from_static("x-caller-client-id"),
            actor: HeaderName::from_static("x-caller-actor"),
            scope: HeaderName::from_static("x-caller-scope"),
        }
    }
}

impl CallerHeaders {
    /// Their names as services may see them.
    fn folded(&self) -> [String; 5] {
        [&self.subject, &self.issuer, &self.client_id, &self.actor, &self.scope]
            .map(|name| folded(name).into_owned())
    }

    /// What a service behind is told of a caller, in one piece of memory: every request reads all
    /// of it.
    fn set(&self, headers: &mut HeaderMap, caller: &VerifiedCaller) {
        let actor = caller.actors().map(|actors| actors.current().sub.as_str());
        let scope = caller.scopes().to_string();
        let told = [
            (&self.subject, caller.subject()),
            (&self.issuer, Some(caller.issuer().as_str())),
            (&self.client_id, caller.client_id()),
            (&self.actor, actor),
            (&self.scope, Some(scope.as_str()).filter(|scope| !scope.is_empty())),
        ];
        let told = told.map(|(name, value)| (name, value.map(encoded)));
        let text: String = told.iter().filter_map(|(_, value)| value.as_deref()).collect();
        let mut text = Bytes::from(text);
        for (name, value) in told {
            let Some(value) = value else { continue };
            // INVARIANT: what is encoded is visible ASCII and blanks, which every header carries.
            let value = HeaderValue::from_maybe_shared(text.split_to(value.len())).ok();
            value.and_then(|value| headers.insert(name, value));
        }
    }
}

/// What a proxy sets, and what it takes out for that.
pub(crate) struct OwnHeaders {
    callers: CallerHeaders,
    folded: [String; 5],
    /// What is set in every request.
    always: HeaderMap,
}

impl OwnHeaders {
    /// The headers of a proxy for what the outside knows as `identifier`: the service's links have
    /// to work there.
    pub(super) fn new(callers: CallerHeaders, identifier: &ResourceIdentifier) -> Self {
        let mut always = HeaderMap::new();
        always.insert(HOST, authority_of(identifier));
        always.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
        always.insert(VIA, HOP);
        Self { folded: callers.folded(), callers, always }
    }

    /// What is set in a request of this caller.
    fn for_request_of(self: &Arc<Self>, caller: Option<&VerifiedCaller>) -> HeaderMap {
        let Some(caller) = caller else { return self.always.clone() };
        let told = caller.told(|| Told { by: Arc::clone(self), headers: self.with(caller) });
        // It may be of another proxy, which the caller came by before.
        if Arc::ptr_eq(&told.by, self) { told.headers.clone() } else { self.with(caller) }
    }

    /// What is always set, and what the service behind is told of the caller.
    fn with(&self, caller: &VerifiedCaller) -> HeaderMap {
        let mut headers = self.always.clone();
        self.callers.set(&mut headers, caller);
        headers
    }

    /// Whether nobody but this proxy says this to the service behind.
    fn keeps_out(&self, name: &HeaderName) -> bool {
        if SPENT.contains(name) || OF_A_CONNECTION.contains(name) {
            return true;
        }
        let folded = folded(name);
        // A name that folding leaves alone has been compared.
        let is_known = |known: &HeaderName| *known == *folded;
        let is_disguised = matches!(folded, Cow::Owned(_))
            && (SPENT.iter().chain(&OF_A_CONNECTION).any(is_known) || is_known(&CONTENT_LENGTH));
        is_disguised
            || self.folded.iter().any(|own| *own == folded)
            || OVERRIDES.contains(&folded.as_ref())
            || OVERRIDING_FAMILIES.iter().any(|family| folded.starts_with(family))
    }
}

/// The headers that a proxy sets in every request of a caller. They are written once, and copied
/// for each request: to put one into a map after the other costs a hash for each.
pub(crate) struct Told {
    by: Arc<OwnHeaders>,
    headers: HeaderMap,
}

/// Everything but visible ASCII and blanks, and the sign that encodes.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

fn encoded(value: &str) -> String {
    utf8_percent_encode(value, ENCODED).to_string()
}

/// Headers that belong to one connection. [RFC 9110 §7.6.1]
///
/// [RFC 9110 §7.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
static OF_A_CONNECTION: [HeaderName; 9] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Headers that no service behind has a use for, or that only the proxy sets: where everybody may,
/// nobody has looked at them.
static SPENT: [HeaderName; 6] =
    [HOST, AUTHORIZATION, CLIENT_PROOF, dpop::HEADER, EXPECT, FORWARDED];

/// Headers by which some services take another method, URL or caller than the one that was judged,
/// or another way out: `Proxy`, as a variable, is `HTTP_PROXY` (CVE-2016-5385).
const OVERRIDES: [&str; 11] = [
    "proxy",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-real-ip",
    "x-remote-user",
    "remote-user",
    "x-client-ip",
];
/// Families of them.
const OVERRIDING_FAMILIES: [&str; 2] = ["x-forwarded-", "x-auth-request-"];

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How this proxy names itself. [RFC 9110 §7.6.3]
///
/// [RFC 9110 §7.6.3]: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.3
const HOP: HeaderValue = HeaderValue::from_static("1.1 countersign");

/// The headers of the request to the service behind, by those of the request that was `sent`.
pub(super) fn passed_on(
    sent: &HeaderMap,
    caller: Option<&VerifiedCaller>,
    own: &Arc<OwnHeaders>,
) -> HeaderMap {
    let mut headers = own.for_request_of(caller);
    let named = named_by_connection(sent);
    let has_via = has(sent, &VIA);
    if has_via {
        headers.remove(VIA);
    }
    for (name, value) in sent {
        if !own.keeps_out(name) && !named.contains(name) {
            headers.append(name, value.clone());
        }
    }
    if has_via {
        // Behind those it came by before.
        headers.append(VIA, HOP);
    }
    headers
}

/// Takes out what belongs to the connection a message came by, and what it names as such.
pub(super) fn strip_connection(headers: &mut HeaderMap) {
    let present = headers.keys().filter(|name| OF_A_CONNECTION.contains(name)).cloned();
    let dropped: Vec<HeaderName> = present.chain(named_by_connection(headers)).collect();
    for name in dropped {
        headers.remove(name);
    }
}

/// What a message names as of its connection.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    if !has(headers, &CONNECTION) {
        return Vec::new();
    }
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(','));
    names.filter_map(|name| name.trim().parse().ok()).collect()
}

/// Whether there is a header of this name. To compare the few that a message has costs less than to
/// hash the name.
fn has(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.keys().any(|known| known == name)
}

/// A name as services that turn headers into variables see it.
fn folded(name: &HeaderName) -> Cow<'_, str> {
    let is_other = |character: char| !character.is_ascii_alphanumeric() && character != '-';
    let name = name.as_str();
    if name.contains(is_other) {
        Cow::Owned(name.replace(is_other, "-"))
    } else {
        Cow::Borrowed(name)
    }
}

/// Host and port of an identifier, as `Host` has them.
fn authority_of(identifier: &ResourceIdentifier) -> HeaderValue {
    let url = EndpointUrl::parse(identifier.as_str()).ok();
    let authority = url.and_then(|url| {
        let host = url.as_url().host_str()?.to_owned();
        Some(url.as_url().port().map_or(host.clone(), |port| format!("{host}:{port}")))
    });
    // INVARIANT: an identifier is an https URL, whose host is visible ASCII.
    HeaderValue::try_from(authority.unwrap_or_default()).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use countersign_jwt::Claims;
    use countersign_jwt::act::{Actor, ActorChain};
    use countersign_types::{Issuer, ScopeSet};

    use super::*;
    use crate::caller::Content;

    fn caller(subject: &str) -> VerifiedCaller {
        VerifiedCaller::new(Content {
            issuer: Issuer::parse("https://as.bob.example").unwrap(),
            subject: Some(subject.to_owned()),
            email: None,
            client_id: Some("mail".to_owned()),
            actors: Some(ActorChain::new(Actor::of_subject("https://mail.example/app"))),
            scopes: ScopeSet::parse("read write").unwrap().into(),
            permissions: Vec::new(),
            token_id: None,
            expires: None,
            confirmation: None,
            claims: Claims::default(),
            size: 0,
        })
    }

    fn prepared(sent: &[(&str, &str)], caller: Option<&VerifiedCaller>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let identifier = ResourceIdentifier::parse("https://api.bob.example").unwrap();
        let own = Arc::new(OwnHeaders::new(CallerHeaders::default(), &identifier));
        passed_on(&headers, caller, &own)
    }

    fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn the_caller_goes_on_and_nobody_elses_word_for_it() {
        let sent = [
            ("x-caller-subject", "mallory"),
            ("x_caller_subject", "mallory"),
            ("X-Caller-Scope", "admin"),
            ("x-caller_actor", "mallory"),
            ("X.Caller.Subject", "mallory"),
            ("x!caller~subject", "mallory"),
            ("x-caller.issuer", "mallory"),
            ("accept", "text/plain"),
        ];
        let headers = prepared(&sent, Some(&caller("alice")));
        let expected = [
            ("accept", "text/plain"),
            ("host", "api.bob.example"),
            ("via", "1.1 countersign"),
            ("x-caller-actor", "https://mail.example/app"),
            ("x-caller-client-id", "mail"),
            ("x-caller-issuer", "https://as.bob.example"),
            ("x-caller-scope", "read write"),
            ("x-caller-subject", "alice"),
            ("x-forwarded-proto", "https"),
        ];
        let mut found: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        found.sort_unstable();
        assert_eq!(found, expected);
        let anonymous = prepared(&sent, None);
        assert!(!anonymous.keys().any(|name| name.as_str().contains("caller")));
    }

    #[test]
    fn h7_h10_what_would_change_method_path_or_origin_stays_out() {
        let sent = [
            ("x-http-method-override", "DELETE"),
            ("x_http_method_override", "DELETE"),
            ("x.http.method.override", "DELETE"),
            ("X.Forwarded.For", "127.0.0.1"),
            ("x!forwarded+for", "127.0.0.1"),
            ("x.real.ip", "127.0.0.1"),
            ("client_assertion", "unverified"),
            ("x-original-url", "/admin"),
            ("x-rewrite-url", "/admin"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-user", "mallory"),
            ("x-auth-request-email", "mallory@evil.example"),
            ("forwarded", "for=127.0.0.1"),
            // Where everybody may, nobody has looked at them.
            ("authorization", "Bearer unverified"),
            ("client-assertion", "unverified"),
            ("dpop", "unverified"),
            ("x-real-ip", "127.0.0.1"),
            ("remote-user", "mallory"),
            ("host", "evil.example"),
            // CVE-2016-5385: as a variable, it is where a service's own requests go.
            ("proxy", "http://evil.example"),
        ];
        let headers = prepared(&sent, None);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["host", "via", "x-forwarded-proto"]);
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["host"], "api.bob.example");
    }

    #[test]
    fn rfc_9110_section_7_6_1_what_belongs_to_a_connection_stays_on_it() {
        let sent = [
            ("connection", "close, X-Session"),
            ("connection", "x-caller-subject"),
            ("x-session", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic YTpi"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
            ("keep_alive", "timeout=5"),
            ("proxy.authorization", "Basic YTpi"),
            ("Transfer_Encoding", "chunked"),
            ("content_length", "0"),
            ("content.length", "0"),
        ];
        let headers = prepared(&sent, Some(&caller("alice")));
        for (name, _) in sent {
            assert_eq!(headers.contains_key(name), name == "x-caller-subject", "{name}");
        }
        assert_eq!(headers["x-caller-subject"], "alice", "naming it does not take it out");
        let framed = prepared(&[("content-length", "4"), ("content_length", "0")], None);
        assert_eq!(values(&framed, "content-length"), ["4"]);
        assert!(!framed.contains_key("content_length"));
    }

    /// RFC 9110 §7.6.3: in the order in which they passed it on.
    #[test]
    fn those_who_passed_a_request_on_before_stay_named() {
        let headers = prepared(&[("via", "1.0 fred"), ("via", "1.1 p.example")], None);
        assert_eq!(values(&headers, "via"), ["1.0 fred", "1.1 p.example", "1.1 countersign"]);
    }

    #[test]
    fn a_header_of_several_values_goes_on_with_all_of_them() {
        let sent = [("accept", "a/b"), ("x-tag", "1"), ("accept", "c/d"), ("x-tag", "2")];
        let headers = prepared(&sent, Some(&caller("alice")));
        assert_eq!(values(&headers, "accept"), ["a/b", "c/d"]);
        assert_eq!(values(&headers, "x-tag"), ["1", "2"]);
    }

    /// What is written for the first proxy that a caller comes by is not what another one says.
    #[test]
    fn a_caller_may_come_by_several_proxies() {
        let (caller, sent) = (caller("alice"), HeaderMap::new());
        let names =
            CallerHeaders { subject: "x-user".parse().unwrap(), ..CallerHeaders::default() };
        let proxies =
            [("https://a.example", CallerHeaders::default()), ("https://b.example", names)];
        let proxies = proxies.map(|(identifier, names)| {
            let identifier = ResourceIdentifier::parse(identifier).unwrap();
            Arc::new(OwnHeaders::new(names, &identifier))
        });
        for _ in 0..2 {
            let [first, other] = proxies.each_ref().map(|own| passed_on(&sent, Some(&caller), own));
            assert_eq!(values(&first, "host"), ["a.example"]);
            assert_eq!(values(&other, "host"), ["b.example"]);
            assert_eq!(values(&first, "x-caller-subject"), ["alice"]);
            assert_eq!(values(&other, "x-user"), ["alice"]);
            assert!(!first.contains_key("x-user") && !other.contains_key("x-caller-subject"));
        }
    }

    #[test]
    fn a_value_is_one_line_of_ascii() {
        let headers = prepared(&[], Some(&caller("Zo\u{eb}\r\nx-caller-scope: admin 100%")));
        assert_eq!(headers["x-caller-subject"], "Zo%C3%AB%0D%0Ax-caller-scope: admin 100%25");
    }
}
