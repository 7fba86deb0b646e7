//! The UMA grant for the `oauth2` crate's client. [UMA Grant §3.3]
//!
//! [UMA Grant §3.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#seek-authorization

use countersign_types::secret::{AccessToken, TicketHandle};
use countersign_types::{Issuer, ResourceIdentifier, TokenType};
use oauth2::{EndpointSet, EndpointState, ErrorResponse};
use oauth2::{RevocableToken, StandardTokenResponse, TokenIntrospectionResponse, TokenResponse};
use serde::{Deserialize, Deserializer, Serialize};

use crate::token_endpoint::{
    Form, GrantRequest, IssuedTokenType, RequiredClaim, TokenErrorResponse,
};

/// The grant type. [UMA Grant §3.3.1]
///
/// [UMA Grant §3.3.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#uma-grant-type
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:uma-ticket";

/// A response with a requesting party token. [UMA Grant §3.3.5]
///
/// [UMA Grant §3.3.5]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#give-rpt
pub type RptResponse = StandardTokenResponse<RptFields, IssuedTokenType>;

/// What UMA adds to a token response. Serialized, it leaves the PCT out.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RptFields {
    /// Whether the token is an upgrade of the one that was sent along.
    #[serde(default)]
    pub upgraded: bool,
    /// A persisted claims token: stands for the claims at another time.
    #[serde(default, skip_serializing, deserialize_with = "pct")]
    pub pct: Option<AccessToken>,
}

impl oauth2::ExtraTokenFields for RptFields {}

fn pct<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AccessToken>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(AccessToken::new))
}

/// Gives an [`oauth2::Client`] the UMA grant.
pub trait ExchangeTicket {
    /// A request to redeem `ticket`.
    fn exchange_ticket<'a>(&'a self, ticket: &'a TicketHandle) -> ExchangeTicketRequest<'a>;
}

impl<TE, TR, TIR, RT, TRE, A, D, I, R> ExchangeTicket
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
    fn exchange_ticket<'a>(&'a self, ticket: &'a TicketHandle) -> ExchangeTicketRequest<'a> {
        let mut form = Form::new(GRANT_TYPE);
        form.add("ticket", ticket.expose());
        GrantRequest::new(self.token_uri(), self.client_id(), form)
    }
}

/// A request of the UMA grant. [UMA Grant §3.3.1]
///
/// [UMA Grant §3.3.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#uma-grant-type
pub type ExchangeTicketRequest<'a> = GrantRequest<'a, RptResponse>;

impl<'a> ExchangeTicketRequest<'a> {
    /// Pushes claims about the requesting party.
    pub fn set_claim_token(mut self, token: &'a AccessToken, format: &TokenType) -> Self {
        self.form.set("claim_token", token.expose());
        self.form.set("claim_token_format", format.as_str().to_owned());
        self
    }

    /// The resource server that was called. The authorization server compares it with the one the
    /// ticket was made for: another one may have relayed it.
    pub fn set_resource(mut self, resource: &'a ResourceIdentifier) -> Self {
        self.form.set("resource", resource.as_str());
        self
    }

    /// A persisted claims token of this authorization server.
    pub fn set_pct(mut self, pct: &'a AccessToken) -> Self {
        self.form.set("pct", pct.expose());
        self
    }
}

/// What an authorization server says instead of a requesting party token. [UMA Grant §3.3.6]
///
/// [UMA Grant §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#authorization-failure
#[derive(Clone, Debug)]
pub enum Refusal {
    /// `need_info`: more, or other, claims are needed.
    NeedInfo(NeedInfo),
    /// `request_denied`.
    Denied,
    /// `request_submitted`: the resource owner will be asked.
    Submitted(Submitted),
    /// `invalid_grant`: the ticket is unknown, spent or expired.
    Stale,
    /// Any other error.
    Other,
}

/// What is needed to go on.
#[derive(Clone, Debug)]
pub struct NeedInfo {
    /// The ticket to go on with.
    pub ticket: TicketHandle,
    /// The claims asked for.
    pub required_claims: Vec<RequiredClaim>,
    /// Where the person can be sent to give them.
    pub redirect_user: Option<String>,
}

impl NeedInfo {
    /// Whether a JWT of `provider` may be what is asked for. A claim that names no format or no
    /// issuer takes any. Without claims only the person can answer.
    #[must_use]
    pub fn may_be_met_by(&self, provider: &Issuer) -> bool {
        let admits = |list: &[String], value: &str| {
            list.is_empty() || list.iter().any(|admitted| admitted == value)
        };
        !self.required_claims.is_empty()
            && self.required_claims.iter().all(|claim| {
                admits(&claim.claim_token_format, TokenType::JWT.as_str())
                    && admits(&claim.issuer, provider.as_str())
            })
    }
}

/// A request that waits for the resource owner.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The ticket to ask again with. Keycloak gives none.
    pub ticket: Option<TicketHandle>,
    /// How many seconds to wait before asking again.
    pub interval: Option<u32>,
}

impl TokenErrorResponse {
    /// What the error means for the requesting party.
    ///
    /// Keycloak says `access_denied` and puts UMA's code, or `not_authorized`, into the
    /// description; that is understood too.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let submitted = || {
            Refusal::Submitted(Submitted { ticket: self.ticket.clone(), interval: self.interval })
        };
        match (self.error.as_str(), self.error_description.as_deref()) {
            ("need_info", _) => match &self.ticket {
                Some(ticket) => Refusal::NeedInfo(NeedInfo {
                    ticket: ticket.clone(),
                    required_claims: self.required_claims.clone().unwrap_or_default(),
                    redirect_user: self.redirect_user.clone(),
                }),
                // UMA Grant §3.3.6 demands one; without it there is nothing to go on with.
                None => Refusal::Other,
            },
            ("request_denied", _)
            | ("access_denied", Some("request_denied" | "not_authorized")) => Refusal::Denied,
            ("request_submitted", _) | ("access_denied", Some("request_submitted")) => submitted(),
            ("invalid_grant", _) => Refusal::Stale,
            _ => Refusal::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_client_auth::Proof;
    use countersign_types::secret::ClientSecret;
    use countersign_types::{ClientId, Timestamp};
    use http::header::AUTHORIZATION;
    use oauth2::basic::BasicClient;
    use oauth2::{RequestTokenError, TokenUrl};

    use super::*;
    use crate::token_endpoint::TokenError;
    use crate::token_endpoint::tests::Canned;

    struct Zero;

    impl countersign_types::random::Random for Zero {
        fn fill(&self, out: &mut [u8]) {
            out.fill(0);
        }
    }

    async fn redeem(http: &Canned) -> Result<RptResponse, TokenError<std::convert::Infallible>> {
        let client = BasicClient::new(oauth2::ClientId::new("rqp".to_owned()))
            .set_token_uri(TokenUrl::new("https://uma.example/token".to_owned()).unwrap());
        let issuer = Issuer::parse("https://uma.example").unwrap();
        let presentation = Proof::SecretBasic(ClientSecret::new("s"))
            .present(&ClientId::parse("rqp").unwrap(), &issuer, Timestamp::from_unix(0), &Zero)
            .unwrap();
        let ticket = TicketHandle::new("ticket");
        let claims = AccessToken::new("claims");
        let resource = ResourceIdentifier::parse("https://rs.example").unwrap();
        client
            .exchange_ticket(&ticket)
            .set_claim_token(&claims, &TokenType::JWT)
            .set_resource(&resource)
            .authenticated_by(presentation)
            .request_async(http)
            .await
    }

    async fn refusal(status: u16, body: &'static str) -> Refusal {
        match redeem(&Canned::new(status, body)).await.unwrap_err() {
            RequestTokenError::ServerResponse(error) => error.refusal(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_request_is_that_of_uma_with_the_resource_beside_it() {
        let http = Canned::new(
            200,
            r#"{"access_token":"rpt","token_type":"Bearer","expires_in":300,"pct":"p","upgraded":true}"#,
        );
        let response = redeem(&http).await.unwrap();
        assert_eq!(response.access_token().secret(), "rpt");
        assert_eq!(response.token_type(), &IssuedTokenType::Bearer);
        assert!(response.extra_fields().upgraded);
        assert_eq!(response.extra_fields().pct.as_ref().unwrap().expose(), "p");
        let params = http.params();
        for (name, value) in [
            ("grant_type", Some(GRANT_TYPE)),
            ("ticket", Some("ticket")),
            ("claim_token", Some("claims")),
            ("claim_token_format", Some("urn:ietf:params:oauth:token-type:jwt")),
            ("resource", Some("https://rs.example")),
            ("client_id", None),
        ] {
            assert_eq!(params.get(name), value, "{name}");
        }
        assert_eq!(http.header(AUTHORIZATION).as_deref(), Some("Basic cnFwOnM="));
    }

    #[tokio::test]
    async fn need_info_keeps_the_ticket_and_what_is_asked() {
        let body = r#"{"error":"need_info","ticket":"next","redirect_user":"https://uma.example/claims",
            "required_claims":[{"name":"email","claim_token_format":["urn:ietf:params:oauth:token-type:jwt"],
            "issuer":["https://sts.example"]}]}"#;
        let Refusal::NeedInfo(info) = refusal(403, body).await else { panic!("not need_info") };
        assert_eq!(info.ticket.expose(), "next");
        assert_eq!(info.redirect_user.as_deref(), Some("https://uma.example/claims"));
        assert!(info.may_be_met_by(&Issuer::parse("https://sts.example").unwrap()));
        assert!(!info.may_be_met_by(&Issuer::parse("https://sts.example/").unwrap()));
    }

    #[tokio::test]
    async fn the_other_answers_are_told_apart() {
        assert!(matches!(refusal(403, r#"{"error":"request_denied"}"#).await, Refusal::Denied));
        assert!(matches!(refusal(400, r#"{"error":"invalid_grant"}"#).await, Refusal::Stale));
        assert!(matches!(refusal(401, r#"{"error":"invalid_client"}"#).await, Refusal::Other));
        assert!(matches!(refusal(403, r#"{"error":"need_info"}"#).await, Refusal::Other));
        let body = r#"{"error":"request_submitted","ticket":"wait","interval":5}"#;
        let Refusal::Submitted(submitted) = refusal(403, body).await else {
            panic!("not submitted")
        };
        assert_eq!(submitted.ticket.unwrap().expose(), "wait");
        assert_eq!(submitted.interval, Some(5));
    }

    #[tokio::test]
    async fn keycloak_is_understood() {
        for description in ["not_authorized", "request_denied"] {
            let error = TokenErrorResponse {
                error: "access_denied".to_owned(),
                error_description: Some(description.to_owned()),
                ticket: None,
                required_claims: None,
                redirect_user: None,
                interval: None,
                delegation_rules: None,
            };
            assert!(matches!(error.refusal(), Refusal::Denied), "{description}");
        }
        let body = r#"{"error":"access_denied","error_description":"request_submitted"}"#;
        let Refusal::Submitted(submitted) = refusal(403, body).await else {
            panic!("not submitted")
        };
        assert!(submitted.ticket.is_none());
        let body = r#"{"error":"access_denied","error_description":"no idea"}"#;
        assert!(matches!(refusal(403, body).await, Refusal::Other));
    }

    #[test]
    fn a_claim_that_names_no_format_or_issuer_takes_any() {
        let info = |required_claims| NeedInfo {
            ticket: TicketHandle::new("t"),
            required_claims,
            redirect_user: None,
        };
        let sts = Issuer::parse("https://sts.example").unwrap();
        let any = RequiredClaim { name: Some("email".to_owned()), ..RequiredClaim::default() };
        let saml = RequiredClaim {
            claim_token_format: vec![TokenType::SAML2.as_str().to_owned()],
            ..RequiredClaim::default()
        };
        assert!(info(vec![any.clone()]).may_be_met_by(&sts));
        assert!(!info(vec![any, saml]).may_be_met_by(&sts));
        assert!(!info(Vec::new()).may_be_met_by(&sts));
    }
}
