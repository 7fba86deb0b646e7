//! What is said to the issuer of a token: introspection and UserInfo.

use bytes::Bytes;
use countersign_fetch::{Fetch, Limits, Request};
use countersign_jwt::{Claims, json};
use countersign_types::random::Random;
use countersign_types::secret::AccessToken;
use countersign_types::{EndpointUrl, Timestamp};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Response, StatusCode};

use super::outages::Outages;
use super::{Introspection, IssuerError, Known, Peer};

const INTROSPECTION: &str = "introspection_endpoint";
const USER_INFO: &str = "userinfo_endpoint";

/// What an issuer tells whoever has an access token about the person, unless it failed a moment
/// ago; `None` if it does not take the token. [OpenID Connect Core §5.3.1 to §5.3.3]
///
/// [OpenID Connect Core §5.3.1 to §5.3.3]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfoRequest
pub(crate) async fn user_info(
    fetch: &dyn Fetch,
    outages: &Outages,
    endpoint: Option<&EndpointUrl>,
    token: &AccessToken,
) -> Result<Option<Claims>, IssuerError> {
    outages.ask(token, told(fetch, endpoint, token)).await
}

async fn told(
    fetch: &dyn Fetch,
    endpoint: Option<&EndpointUrl>,
    token: &AccessToken,
) -> Result<Option<Claims>, IssuerError> {
    let endpoint = endpoint.ok_or(IssuerError::NotPublished(USER_INFO))?;
    // An access token that fits into no header is none that the endpoint could take.
    let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {}", token.expose())) else {
        return Ok(None);
    };
    bearer.set_sensitive(true);
    let request = Request::get(endpoint.clone(), Limits::token_endpoint());
    let response = ask(fetch, USER_INFO, request.with_header(AUTHORIZATION, bearer)).await?;
    match response.status() {
        StatusCode::OK => read(USER_INFO, &response).map(Some),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(None),
        status => Err(IssuerError::Refused { endpoint: USER_INFO, status }),
    }
}

async fn ask(
    fetch: &dyn Fetch,
    endpoint: &'static str,
    request: Request,
) -> Result<Response<Bytes>, IssuerError> {
    let response = fetch.fetch(request).await;
    response.map_err(|source| IssuerError::Fetch { endpoint, source })
}

/// What the issuer says about a token now, unless it failed a moment ago; `None` if it says nothing
/// of tokens of this kind. [RFC 7662 §2.1, §2.2]
///
/// [RFC 7662 §2.1, §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.1
pub(crate) async fn introspect(
    fetch: &dyn Fetch,
    random: &dyn Random,
    peer: &Peer,
    introspection: &Introspection,
    token: &AccessToken,
    now: Timestamp,
) -> Result<Option<Claims>, IssuerError> {
    let question = asked(fetch, random, peer, introspection, token, now);
    peer.introspection.ask(token, question).await
}

async fn asked(
    fetch: &dyn Fetch,
    random: &dyn Random,
    peer: &Peer,
    introspection: &Introspection,
    token: &AccessToken,
    now: Timestamp,
) -> Result<Option<Claims>, IssuerError> {
    let metadata = peer.published.metadata().await?;
    let endpoint = metadata.introspection_endpoint.clone();
    let endpoint = endpoint.ok_or(IssuerError::NotPublished(INTROSPECTION))?;
    let issuer = peer.published.issuer();
    let Introspection { client_id, proof } = introspection;
    let proof = proof.present(client_id, issuer, now, random)?;
    let mut params = vec![("token", token.expose()), ("token_type_hint", "access_token")];
    params.extend(proof.params.iter().map(|(name, value)| (*name, value.as_str())));
    let mut request = Request::post_form(endpoint, &params, Limits::token_endpoint());
    request.headers.extend(proof.authorization.map(|value| (AUTHORIZATION, value)));
    let response = ask(fetch, INTROSPECTION, request).await?;
    if is_of_no_kind(&response) {
        return Ok(None);
    }
    if response.status() != StatusCode::OK {
        return Err(IssuerError::Refused { endpoint: INTROSPECTION, status: response.status() });
    }
    let answer = read(INTROSPECTION, &response)?;
    // `active` is required, and a boolean: what lacks it is no answer.
    match answer.bool("active") {
        Ok(Some(_)) => Ok(Some(answer)),
        _ => Err(IssuerError::Malformed(INTROSPECTION)),
    }
}

/// Whether the issuer answers no questions about tokens of this kind, as some do not about a JWT
/// where [RFC 7662 §2.2] has `active`. The code is that of [RFC 7009 §2.2.1].
///
/// [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
/// [RFC 7009 §2.2.1]: https://www.rfc-editor.org/rfc/rfc7009#section-2.2.1
fn is_of_no_kind(response: &Response<Bytes>) -> bool {
    let is = |refused: Claims| refused.str("error") == Ok(Some("unsupported_token_type"));
    response.status() == StatusCode::BAD_REQUEST && read(INTROSPECTION, response).is_ok_and(is)
}

impl Known {
    /// What the issuer's UserInfo endpoint says of the person.
    pub(super) async fn user_info(
        &self,
        peer: &Peer,
        token: &AccessToken,
    ) -> Result<Option<Claims>, IssuerError> {
        let metadata = peer.published.metadata().await?;
        let endpoint = metadata.userinfo_endpoint.as_ref();
        user_info(self.fetch.as_ref(), &peer.user_info, endpoint, token).await
    }
}

fn read(endpoint: &'static str, response: &Response<Bytes>) -> Result<Claims, IssuerError> {
    let members = json::parse_object(response.body());
    members.map(Claims::from_map).map_err(|_| IssuerError::Malformed(endpoint))
}
