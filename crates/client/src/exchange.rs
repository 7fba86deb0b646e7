//! Token exchange for the `oauth2` crate's client, which has none. [RFC 8693 §2]
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use countersign_client::exchange::ExchangeToken as _;
//! use countersign_fetch::{Fetch, Limits, http_client};
//! use countersign_types::{TokenType, secret::AccessToken};
//! use oauth2::{ClientId, TokenResponse as _, TokenUrl, basic::BasicClient};
//!
//! # async fn run(fetch: Arc<dyn Fetch>) -> Result<(), Box<dyn std::error::Error>> {
//! let http = http_client(fetch, Limits::token_endpoint());
//! let client = BasicClient::new(ClientId::new("rqp-public".to_owned()))
//!     .set_token_uri(TokenUrl::new("https://sts.alice.example/token".to_owned())?);
//! let subject_token = AccessToken::new("…");
//! let response = client
//!     .exchange_token(&subject_token, &TokenType::ACCESS_TOKEN)
//!     .set_requested_token_type(&TokenType::JWT)
//!     .add_audience("https://api.example")
//!     .request_async(&http)
//!     .await?;
//! println!("{} {:?}", response.extra_fields().issued_token_type, response.token_type());
//! # Ok(())
//! # }
//! ```
//!
//! [RFC 8693 §2]: https://www.rfc-editor.org/rfc/rfc8693#section-2

use countersign_types::secret::AccessToken;
use countersign_types::{ResourceIdentifier, TokenType};
use oauth2::{EndpointSet, EndpointState, ErrorResponse};
use oauth2::{RevocableToken, StandardTokenResponse, TokenIntrospectionResponse, TokenResponse};
use serde::{Deserialize, Serialize};

use crate::token_endpoint::{Form, GrantRequest, IssuedTokenType};

/// The grant type. [RFC 8693 §2.1](https://www.rfc-editor.org/rfc/rfc8693#section-2.1)
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A token exchange response. [RFC 8693
/// §2.2.1](https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1)
pub type ExchangeResponse = StandardTokenResponse<ExchangeFields, IssuedTokenType>;

/// What RFC 8693 adds to a token response.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ExchangeFields {
    /// The type of the issued token, a URI. Required.
    pub issued_token_type: String,
    /// The rules of the server's delegation policy that permitted it, by name, where the server
    /// explains its decisions to this client. An unregistered member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation_rules: Option<Vec<String>>,
}

impl oauth2::ExtraTokenFields for ExchangeFields {}

/// Gives an [`oauth2::Client`] the token exchange grant.
pub trait ExchangeToken {
    /// A request to exchange `subject_token`.
    fn exchange_token<'a>(
        &'a self,
        subject_token: &'a AccessToken,
        subject_token_type: &TokenType,
    ) -> ExchangeTokenRequest<'a>;
}

impl<TE, TR, TIR, RT, TRE, A, D, I, R> ExchangeToken
    for oauth2::Client<TE, TR, TIR, RT, TRE, A, D, I, R, EndpointSet>
where
    TE: ErrorResponse + 'static,
    TR: TokenResponse,
    TIR: TokenIntrospectionResponse,
    RT: RevocableToken,
    TRE: ErrorResponse + 'static,
    A: EndpointState,
    D: EndpointState,
    I: EndpointState,
    R: EndpointState,
{
    fn exchange_token<'a>(
        &'a self,
        subject_token: &'a AccessToken,
        subject_token_type: &TokenType,
    ) -> ExchangeTokenRequest<'a> {
        let mut form = Form::new(GRANT_TYPE);
        form.add("subject_token", subject_token.expose());
        form.add("subject_token_type", subject_token_type.as_str().to_owned());
        GrantRequest::new(self.token_uri(), self.client_id(), form)
    }
}

/// A token exchange request. [RFC 8693 §2.1](https://www.rfc-editor.org/rfc/rfc8693#section-2.1)
pub type ExchangeTokenRequest<'a> = GrantRequest<'a, ExchangeResponse>;

impl<'a> ExchangeTokenRequest<'a> {
    /// Who acts for the subject.
    pub fn set_actor_token(mut self, token: &'a AccessToken, token_type: &TokenType) -> Self {
        self.form.set("actor_token", token.expose());
        self.form.set("actor_token_type", token_type.as_str().to_owned());
        self
    }

    /// The type of token that is wanted.
    pub fn set_requested_token_type(mut self, token_type: &TokenType) -> Self {
        self.form.set("requested_token_type", token_type.as_str().to_owned());
        self
    }

    /// Where the token is to be used, by URL. May be called several times.
    pub fn add_resource(mut self, resource: &'a ResourceIdentifier) -> Self {
        self.form.add("resource", resource.as_str());
        self
    }

    /// Where the token is to be used, by logical name. May be called several times.
    pub fn add_audience(mut self, audience: &'a str) -> Self {
        self.form.add("audience", audience);
        self
    }

    /// An extension's parameter, in the place of any value it had.
    pub fn set_extra_param(
        mut self,
        name: &'a str,
        value: impl Into<std::borrow::Cow<'a, str>>,
    ) -> Self {
        self.form.set(name, value);
        self
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::ResourceIdentifier;
    use http::header::AUTHORIZATION;
    use oauth2::basic::BasicClient;
    use oauth2::{ClientId, RequestTokenError, TokenUrl};

    use super::*;
    use crate::token_endpoint::TokenError;
    use crate::token_endpoint::tests::Canned;

    type Result<T> = std::result::Result<T, TokenError<std::convert::Infallible>>;

    async fn exchange(http: &Canned) -> Result<ExchangeResponse> {
        let client = BasicClient::new(ClientId::new("rqp".to_owned()))
            .set_token_uri(TokenUrl::new("https://sts.example/token".to_owned()).unwrap());
        let subject_token = AccessToken::new("subject");
        let actor_token = AccessToken::new("actor");
        let resources = ["https://rs.example/a", "https://rs.example/b"]
            .map(|text| ResourceIdentifier::parse(text).unwrap());
        client
            .exchange_token(&subject_token, &TokenType::ACCESS_TOKEN)
            .set_actor_token(&actor_token, &TokenType::JWT)
            .set_requested_token_type(&TokenType::JWT)
            .add_resource(&resources[0])
            .add_resource(&resources[1])
            .add_audience("one")
            .add_audience("two")
            .add_scope("get")
            .add_scope("put")
            .set_extra_param("ticket_challenge", "first")
            .set_extra_param("ticket_challenge", "second")
            .request_async(http)
            .await
    }

    #[tokio::test]
    async fn every_parameter_is_sent_once_but_those_that_repeat() {
        let http = Canned::new(
            200,
            r#"{"access_token":"t","issued_token_type":"urn:ietf:params:oauth:token-type:jwt",
                "token_type":"N_A","expires_in":120}"#,
        );
        let response = exchange(&http).await.unwrap();
        assert_eq!(response.access_token().secret(), "t");
        assert_eq!(response.token_type(), &IssuedTokenType::NotApplicable);
        assert_eq!(response.extra_fields().issued_token_type, TokenType::JWT.as_str());

        let params = http.params();
        for (name, values) in [
            ("grant_type", &[GRANT_TYPE][..]),
            ("subject_token", &["subject"]),
            ("subject_token_type", &[TokenType::ACCESS_TOKEN.as_str()]),
            ("actor_token", &["actor"]),
            ("actor_token_type", &[TokenType::JWT.as_str()]),
            ("requested_token_type", &[TokenType::JWT.as_str()]),
            ("resource", &["https://rs.example/a", "https://rs.example/b"]),
            ("audience", &["one", "two"]),
            ("scope", &["get put"]),
            ("ticket_challenge", &["second"]),
            ("client_id", &["rqp"]),
        ] {
            assert_eq!(params.all(name).collect::<Vec<_>>(), values, "{name}");
        }
        assert_eq!(http.header(AUTHORIZATION), None);
    }

    #[tokio::test]
    async fn a_response_is_json_and_names_the_issued_type() {
        let good = r#"{"access_token":"t","issued_token_type":"x","token_type":"n_a"}"#;
        assert!(exchange(&Canned::new(200, good)).await.is_ok());
        assert!(exchange(&Canned::new(201, good)).await.is_ok());
        for http in [
            Canned::new(204, good),
            Canned::new(302, good),
            Canned::new(200, good).with_content_type("text/html"),
            Canned::new(200, good).with_content_type("application/jsonp"),
            Canned::new(200, r#"{"access_token":"t","token_type":"n_a"}"#),
            Canned::new(200, r#"{"access_token":7,"issued_token_type":"x","token_type":"n_a"}"#),
            Canned::new(200, "secret-token"),
            Canned::new(500, ""),
        ] {
            let error = exchange(&http).await.unwrap_err();
            assert!(matches!(error, RequestTokenError::Other(_)), "{error:?}");
            assert!(!format!("{error:?}").contains("secret-token"));
        }
    }

    #[tokio::test]
    async fn an_error_response_keeps_its_code() {
        let http =
            Canned::new(400, r#"{"error":"invalid_target","error_description":"not there"}"#);
        match exchange(&http).await.unwrap_err() {
            RequestTokenError::ServerResponse(error) => assert_eq!(error.error, "invalid_target"),
            other => panic!("{other:?}"),
        }
    }
}
