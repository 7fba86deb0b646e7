//! What the token exchange and the UMA grant have in common: one form, one answer.

use std::borrow::Cow;
use std::marker::PhantomData;

use countersign_client_auth::Presentation;
use countersign_types::secret::TicketHandle;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse, RequestTokenError, TokenUrl};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

/// What went wrong at a token endpoint, in the terms of the `oauth2` crate.
pub type TokenError<E> = RequestTokenError<E, TokenErrorResponse>;

/// The `token_type` of a response; names ignore case. [RFC 6749 §5.1], [RFC 8693 §2.2.1]
///
/// [RFC 6749 §5.1]: https://www.rfc-editor.org/rfc/rfc6749#section-5.1
/// [RFC 8693 §2.2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuedTokenType {
    /// A bearer token. [RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)
    Bearer,
    /// A token bound to a key. [RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)
    DPoP,
    /// `N_A`: not an access token.
    NotApplicable,
    /// Any other.
    Other(String),
}

impl IssuedTokenType {
    fn as_str(&self) -> &str {
        match self {
            Self::Bearer => "Bearer",
            Self::DPoP => "DPoP",
            Self::NotApplicable => "N_A",
            Self::Other(name) => name,
        }
    }
}

impl<'de> Deserialize<'de> for IssuedTokenType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = [Self::Bearer, Self::DPoP, Self::NotApplicable];
        let known = known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(&name));
        Ok(known.unwrap_or(Self::Other(name)))
    }
}

impl Serialize for IssuedTokenType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl oauth2::TokenType for IssuedTokenType {}

/// A claim that the authorization server asks for. [UMA Grant §3.3.6]
///
/// [UMA Grant §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#authorization-failure
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct RequiredClaim {
    /// The claim's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A name to show to a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub friendly_name: Option<String>,
    /// The expected interpretation of its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_type: Option<String>,
    /// In which formats of claims token it may be pushed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claim_token_format: Vec<String>,
    /// Which issuers' tokens are acceptable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuer: Vec<String>,
}

/// An error response of a token endpoint, with the members that UMA adds.
/// [RFC 6749 §5.2], [UMA Grant §3.3.6]
///
/// Serialized, it leaves the ticket out; displayed, it shows printable ASCII only.
///
/// [RFC 6749 §5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
/// [UMA Grant §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#authorization-failure
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TokenErrorResponse {
    /// The error code.
    pub error: String,
    /// What the server says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
    /// The ticket to go on with.
    #[serde(default, skip_serializing, deserialize_with = "ticket")]
    pub ticket: Option<TicketHandle>,
    /// What claims are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_claims: Option<Vec<RequiredClaim>>,
    /// Where to send the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_user: Option<String>,
    /// How many seconds to wait before asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u32>,
    /// The rules of the server's delegation policy that refused, by name, none if no rule permits;
    /// where the server explains its decisions to this client. An unregistered member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation_rules: Option<Vec<String>>,
}

impl oauth2::ErrorResponse for TokenErrorResponse {}

impl std::fmt::Display for TokenErrorResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&printable(&self.error))?;
        if let Some(description) = &self.error_description {
            write!(f, ": {}", printable(description))?;
        }
        Ok(())
    }
}

/// Another party's text as it may be shown and logged: printable ASCII, at most 200 characters.
fn printable(text: &str) -> String {
    let shown = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    text.chars().take(200).map(shown).collect()
}

fn ticket<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TicketHandle>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| countersign_permission_ticket::ticket::parse(&text))
        .transpose()
        .map_err(serde::de::Error::custom)
}

/// The parameters of a token request, in the order they were added.
#[derive(Default)]
pub(crate) struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    pub(crate) fn new(grant_type: &'a str) -> Self {
        let mut form = Self::default();
        form.add("grant_type", grant_type);
        form
    }

    pub(crate) fn add(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        self.0.push((name.into(), value.into()));
    }

    /// Replaces every value of `name`.
    pub(crate) fn set(&mut self, name: &'a str, value: impl Into<Cow<'a, str>>) {
        self.0.retain(|(known, _)| known != name);
        self.add(name, value);
    }

    /// Adds a scope to the one `scope` parameter.
    fn add_scope(&mut self, scope: &str) {
        let all = match self.0.iter().find(|(name, _)| name == "scope") {
            Some((_, before)) => format!("{before} {scope}"),
            None => scope.to_owned(),
        };
        self.set("scope", all);
    }

    fn params(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect()
    }

    /// The HTTP request. Without a `presentation` the client is a public one and names itself.
    fn into_request(
        self,
        url: &TokenUrl,
        client_id: &oauth2::ClientId,
        presentation: Option<Presentation>,
    ) -> Result<HttpRequest, http::Error> {
        let presentation = presentation.unwrap_or_else(|| Presentation {
            authorization: None,
            params: vec![("client_id", Zeroizing::new(client_id.to_string()))],
        });
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.params())
            .extend_pairs(presentation.params.iter().map(|(name, value)| (name, value.as_str())))
            .finish();
        let mut request = http::Request::post(url.url().as_str()).body(body.into_bytes())?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.extend(presentation.authorization.map(|value| (AUTHORIZATION, value)));
        Ok(request)
    }
}

/// A request of a grant that the `oauth2` crate has not, whose response is an `R`. What can be said
/// in it besides is the grant's: see [`exchange`](crate::exchange) and [`grant`](crate::grant).
#[must_use = "a request does nothing until it is sent"]
pub struct GrantRequest<'a, R> {
    url: &'a TokenUrl,
    client_id: &'a oauth2::ClientId,
    presentation: Option<Presentation>,
    pub(crate) form: Form<'a>,
    response: PhantomData<fn() -> R>,
}

impl<'a, R: DeserializeOwned> GrantRequest<'a, R> {
    pub(crate) const fn new(
        url: &'a TokenUrl,
        client_id: &'a oauth2::ClientId,
        form: Form<'a>,
    ) -> Self {
        Self { url, client_id, presentation: None, form, response: PhantomData }
    }

    /// A scope: of the token that is to be issued, or beyond those of the ticket. May be called
    /// several times.
    pub fn add_scope(mut self, scope: &str) -> Self {
        self.form.add_scope(scope);
        self
    }

    /// The client's authentication. Without it the client is a public one: the `oauth2` crate does
    /// not hand out the secret it was given.
    pub fn authenticated_by(mut self, presentation: Presentation) -> Self {
        self.presentation = Some(presentation);
        self
    }

    /// The request's own parameters, without the client's authentication.
    #[must_use]
    pub fn params(&self) -> Vec<(&str, &str)> {
        self.form.params()
    }

    /// Sends the request and reads the answer.
    ///
    /// Some UMA servers answer `201 Created` where RFC 6749 §5.1 has `200`; both count.
    ///
    /// # Errors
    /// [`TokenError`]: the server's error response, whose
    /// [`refusal`](TokenErrorResponse::refusal) tells UMA's answers apart; the HTTP client's error;
    /// or an answer that is not a response of this grant.
    pub async fn request_async<'c, C>(self, http: &'c C) -> Result<R, TokenError<C::Error>>
    where
        C: AsyncHttpClient<'c>,
    {
        let request = self.form.into_request(self.url, self.client_id, self.presentation);
        let request =
            request.map_err(|_| other("the token request cannot be expressed in HTTP"))?;
        let response = http.call(request).await.map_err(RequestTokenError::Request)?;
        read(&response)
    }
}

#[expect(clippy::result_large_err, reason = "the oauth2 crate's error has the response by value")]
fn read<R: DeserializeOwned, E: std::error::Error>(
    response: &HttpResponse,
) -> Result<R, TokenError<E>> {
    let status = response.status();
    if matches!(status, StatusCode::OK | StatusCode::CREATED) {
        if !is_json(response.headers()) {
            return Err(other("the token response is not application/json"));
        }
        return serde_json::from_slice(response.body()).map_err(|error| {
            // Where the reader stopped, and nothing of what it read: that is a token.
            let place = (error.line(), error.column());
            other(&format!(
                "the token response does not parse (line {}, column {})",
                place.0, place.1
            ))
        });
    }
    match serde_json::from_slice(response.body()) {
        Ok(error) => Err(RequestTokenError::ServerResponse(error)),
        Err(_) => Err(other(&format!("status {} without an OAuth error", status.as_u16()))),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn other<E: std::error::Error + 'static>(text: &str) -> TokenError<E> {
    RequestTokenError::Other(text.to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use countersign_types::Params;

    use super::*;

    /// Answers every request alike and remembers the last one.
    pub(crate) struct Canned {
        status: u16,
        content_type: &'static str,
        body: &'static str,
        last: Mutex<Option<HttpRequest>>,
    }

    impl Canned {
        pub(crate) fn new(status: u16, body: &'static str) -> Self {
            Self {
                status,
                content_type: "application/json;charset=UTF-8",
                body,
                last: Mutex::default(),
            }
        }

        pub(crate) fn with_content_type(mut self, content_type: &'static str) -> Self {
            self.content_type = content_type;
            self
        }

        pub(crate) fn params(&self) -> Params {
            let last = self.last.lock().unwrap();
            Params::parse(last.as_ref().unwrap().body(), &["resource", "audience"]).unwrap()
        }

        pub(crate) fn header(&self, name: http::HeaderName) -> Option<String> {
            let last = self.last.lock().unwrap();
            let value = last.as_ref().unwrap().headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        }
    }

    impl<'c> AsyncHttpClient<'c> for Canned {
        type Error = std::convert::Infallible;
        type Future = std::future::Ready<Result<HttpResponse, Self::Error>>;

        fn call(&'c self, request: HttpRequest) -> Self::Future {
            *self.last.lock().unwrap() = Some(request);
            std::future::ready(Ok(http::Response::builder()
                .status(self.status)
                .header(CONTENT_TYPE, self.content_type)
                .body(self.body.as_bytes().to_vec())
                .unwrap()))
        }
    }

    fn error(body: &str) -> TokenErrorResponse {
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn token_types_ignore_case() {
        for (json, expected) in [
            ("\"N_A\"", IssuedTokenType::NotApplicable),
            ("\"n_a\"", IssuedTokenType::NotApplicable),
            ("\"bearer\"", IssuedTokenType::Bearer),
            ("\"DPOP\"", IssuedTokenType::DPoP),
            ("\"mac\"", IssuedTokenType::Other("mac".to_owned())),
        ] {
            assert_eq!(serde_json::from_str::<IssuedTokenType>(json).unwrap(), expected);
        }
    }

    #[test]
    fn an_error_is_shown_without_what_a_terminal_would_obey() {
        let error =
            error("{\"error\":\"invalid_grant\",\"error_description\":\"a\\r\\nb\\u001b[31mc\"}");
        assert_eq!(error.to_string(), "invalid_grant: a??b?[31mc");
        let long = TokenErrorResponse { error: "x".repeat(10_000), ..error };
        assert!(long.to_string().len() < 500);
    }

    #[test]
    fn a_ticket_is_kept_and_never_shown() {
        let error = error(r#"{"error":"need_info","ticket":"016f84e8-f9b9"}"#);
        assert_eq!(error.ticket.as_ref().unwrap().expose(), "016f84e8-f9b9");
        assert!(!format!("{error:?}{error}").contains("016f84e8"));
        assert!(!serde_json::to_string(&error).unwrap().contains("016f84e8"));
    }

    #[test]
    fn members_of_the_wrong_type_are_no_error_response() {
        for body in [
            r#"{"error":7}"#,
            r#"{"error":"need_info","ticket":7}"#,
            r#"{"error":"need_info","ticket":"a\nb"}"#,
            r#"{"error":"need_info","ticket":"t","required_claims":{"name":"email"}}"#,
            r#"{"error":"need_info","ticket":"t","required_claims":[{"issuer":"https://x.example"}]}"#,
            r#"{"error":"request_submitted","interval":-1}"#,
            r#"{"error_description":"x"}"#,
        ] {
            assert!(serde_json::from_str::<TokenErrorResponse>(body).is_err(), "{body}");
        }
    }
}
