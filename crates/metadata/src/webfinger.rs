//! WebFinger: which issuer speaks for an e-mail address. [RFC 7033], [OpenID Discovery §2]
//!
//! The asking side builds a query ([`query_url`]) and reads the answer ([`Jrd`]); the answering
//! side parses a query strictly ([`Query::parse`]) and makes the whole response ([`respond`]).
//!
//! ```
//! use countersign_metadata::webfinger;
//! use countersign_types::{EmailAddress, Issuer};
//!
//! let alice = EmailAddress::parse("alice@alice.example")?;
//! let url = webfinger::query_url(&alice)?;
//! let response = webfinger::respond(url.as_url().query().unwrap_or(""), |account| {
//!     (*account == alice).then(|| Issuer::parse("https://sts.alice.example").ok()).flatten()
//! });
//! let jrd = webfinger::Jrd::parse(response.body())?;
//! assert_eq!(jrd.issuer()?, Some(Issuer::parse("https://sts.alice.example")?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [RFC 7033]: https://www.rfc-editor.org/rfc/rfc7033
//! [OpenID Discovery §2]: https://openid.net/specs/openid-connect-discovery-1_0.html#IssuerDiscovery

use countersign_types::identifier::IdentifierError;
use countersign_types::{EmailAddress, EndpointUrl, Issuer};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};
use http::{HeaderValue, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::publish;
use crate::server::parse_object;

/// The path of every WebFinger query. [RFC 7033
/// §4](https://www.rfc-editor.org/rfc/rfc7033#section-4)
pub const PATH: &str = "/.well-known/webfinger";
/// The media type of the answer. [RFC 7033
/// §10.2](https://www.rfc-editor.org/rfc/rfc7033#section-10.2)
pub const MEDIA_TYPE: &str = "application/jrd+json";
/// The link relation of an OpenID issuer (OpenID Discovery §2).
pub const ISSUER_REL: &str = "http://openid.net/specs/connect/1.0/issuer";

/// More `rel` parameters than this in one query are refused.
const MAX_RELS: usize = 16;

/// `unreserved` of RFC 3986 §2.3; in a query's value all else is percent-encoded.
const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// `userpart` of RFC 7565 §7: `unreserved` and `sub-delims`.
const USERPART: &AsciiSet = &QUERY_VALUE
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=');

/// The `acct` URI of an e-mail address. [RFC 7565
/// §7](https://www.rfc-editor.org/rfc/rfc7565#section-7)
#[must_use]
pub fn acct(address: &EmailAddress) -> String {
    let userpart = utf8_percent_encode(address.local_part(), USERPART);
    format!("acct:{userpart}@{}", address.domain())
}

/// The query that asks an address's domain for its issuer. [RFC 7033 §4.1], OpenID Discovery §2.1.2
///
/// # Errors
/// [`IdentifierError::Length`] for an address too long for a URL.
///
/// [RFC 7033 §4.1]: https://www.rfc-editor.org/rfc/rfc7033#section-4.1
pub fn query_url(address: &EmailAddress) -> Result<EndpointUrl, IdentifierError> {
    let acct = acct(address);
    let resource = utf8_percent_encode(&acct, QUERY_VALUE);
    let rel = utf8_percent_encode(ISSUER_REL, QUERY_VALUE);
    EndpointUrl::parse(&format!("https://{}{PATH}?resource={resource}&rel={rel}", address.domain()))
}

/// A JSON resource descriptor. [RFC 7033 §4.4](https://www.rfc-editor.org/rfc/rfc7033#section-4.4)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Jrd {
    /// What the descriptor is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Links from the subject.
    #[serde(default)]
    pub links: Vec<Link>,
}

/// One link of a descriptor. [RFC 7033
/// §4.4.4](https://www.rfc-editor.org/rfc/rfc7033#section-4.4.4)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Link {
    /// The link relation.
    pub rel: String,
    /// Where the link leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
}

/// Why a WebFinger answer is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JrdError {
    /// Not a JSON resource descriptor.
    #[error("the descriptor is malformed")]
    Malformed(#[from] serde_json::Error),
    /// There are issuer links, but none is `https` without query and fragment. Such an answer
    /// names an issuer, so nothing else may be tried in its place.
    #[error("no issuer link of the descriptor is an issuer")]
    Issuer(#[source] IdentifierError),
}

impl Jrd {
    /// A descriptor that names the issuer of an address.
    #[must_use]
    pub fn naming(issuer: &Issuer, address: &EmailAddress) -> Self {
        let link = Link { rel: ISSUER_REL.to_owned(), href: Some(issuer.to_string()) };
        Self { subject: Some(acct(address)), links: vec![link] }
    }

    /// Parses a descriptor. Members other than `subject` and `links` are not kept.
    ///
    /// # Errors
    /// [`JrdError::Malformed`].
    pub fn parse(document: &[u8]) -> Result<Self, JrdError> {
        Ok(parse_object(document)?)
    }

    /// The first issuer link whose target is an issuer, or `None` if there is no issuer link.
    ///
    /// # Errors
    /// [`JrdError::Issuer`] if there are issuer links and none has an issuer as its target.
    pub fn issuer(&self) -> Result<Option<Issuer>, JrdError> {
        let mut refused = None;
        for link in self.links.iter().filter(|link| link.rel == ISSUER_REL) {
            match Issuer::parse(link.href.as_deref().unwrap_or_default()) {
                Ok(issuer) => return Ok(Some(issuer)),
                Err(error) => refused = Some(error),
            }
        }
        refused.map_or(Ok(None), |error| Err(JrdError::Issuer(error)))
    }
}

/// A parsed WebFinger query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    account: Option<EmailAddress>,
    rels: Vec<String>,
}

/// Why a query is answered 400. [RFC 7033 §4.2](https://www.rfc-editor.org/rfc/rfc7033#section-4.2)
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// No `resource`, or more than one.
    #[error("not exactly one resource parameter")]
    Resource,
    /// The `resource` is no URI, or an `acct` URI that holds no account name.
    #[error("the resource is malformed")]
    Malformed,
    /// Percent-encoding that is broken or not UTF-8, or too many parameters.
    #[error("the query is malformed")]
    Query,
}

impl Query {
    /// Parses the query component of a request's URI, as it was received.
    ///
    /// The query is URI text, not a form: `+` is a plus sign ([RFC 7033 §4.1]). Parameters other
    /// than `resource` and `rel` are ignored.
    ///
    /// # Errors
    /// Any [`QueryError`].
    ///
    /// [RFC 7033 §4.1]: https://www.rfc-editor.org/rfc/rfc7033#section-4.1
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let mut resource = None;
        let mut rels = Vec::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match percent_decode(name).ok_or(QueryError::Query)?.as_str() {
                "resource" => {
                    let value = percent_decode(value).ok_or(QueryError::Query)?;
                    if resource.replace(value).is_some() {
                        return Err(QueryError::Resource);
                    }
                }
                "rel" if rels.len() == MAX_RELS => return Err(QueryError::Query),
                "rel" => rels.push(percent_decode(value).ok_or(QueryError::Query)?),
                _ => {}
            }
        }
        let resource = resource.filter(|text| !text.is_empty()).ok_or(QueryError::Resource)?;
        Ok(Self { account: account(&resource)?, rels })
    }

    /// The account asked about, or `None` if the resource is another kind of URI.
    #[must_use]
    pub const fn account(&self) -> Option<&EmailAddress> {
        self.account.as_ref()
    }

    /// Whether links of a relation are wanted: all are unless `rel` names some. [RFC 7033 §4.3]
    ///
    /// [RFC 7033 §4.3]: https://www.rfc-editor.org/rfc/rfc7033#section-4.3
    #[must_use]
    pub fn wants(&self, rel: &str) -> bool {
        self.rels.is_empty() || self.rels.iter().any(|wanted| wanted == rel)
    }
}

/// Reads a resource: the account of an `acct` URI, `None` for another absolute URI.
fn account(resource: &str) -> Result<Option<EmailAddress>, QueryError> {
    let (scheme, rest) = resource.split_once(':').ok_or(QueryError::Malformed)?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !is_scheme || rest.is_empty() || rest.chars().any(|c| c.is_control() || c == ' ') {
        return Err(QueryError::Malformed);
    }
    if !scheme.eq_ignore_ascii_case("acct") {
        return Ok(None);
    }
    let (userpart, host) = rest.rsplit_once('@').ok_or(QueryError::Malformed)?;
    let local = percent_decode(userpart).ok_or(QueryError::Malformed)?;
    // A host that percent-encoding spells may be an internationalised one (RFC 3986 §3.2.2).
    let host = percent_decode(host).ok_or(QueryError::Malformed)?;
    let address = EmailAddress::parse(&format!("{local}@{host}"));
    address.map(Some).map_err(|_| QueryError::Malformed)
}

/// Decodes percent-encoding; `None` if it is broken or not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

/// Answers a query: 400 for a malformed one, 404 for an account that is not known, else the
/// descriptor with the links asked for. [RFC 7033 §4.2, §4.3, §5]
///
/// `issuer_of` is handed an untrusted address and says which issuer speaks for it, if any. Every
/// answer allows any origin to read it.
///
/// [RFC 7033 §4.2, §4.3, §5]: https://www.rfc-editor.org/rfc/rfc7033#section-4.2
pub fn respond(
    query: &str,
    issuer_of: impl FnOnce(&EmailAddress) -> Option<Issuer>,
) -> Response<Vec<u8>> {
    let Ok(query) = Query::parse(query) else {
        return refusal(StatusCode::BAD_REQUEST);
    };
    let known = query.account().and_then(|account| Some((account, issuer_of(account)?)));
    let Some((account, issuer)) = known else {
        return refusal(StatusCode::NOT_FOUND);
    };
    let mut jrd = Jrd::naming(&issuer, account);
    jrd.links.retain(|link| query.wants(&link.rel));
    publish::with_type(MEDIA_TYPE, &jrd)
}

fn refusal(status: StatusCode) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
