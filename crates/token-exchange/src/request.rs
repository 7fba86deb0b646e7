//! What a client asks for. [RFC 8693 §2.1]
//!
//! [RFC 8693 §2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1

use countersign_permission_ticket::{TicketChallenge, challenge};
use countersign_types::params::ParamsError;
use countersign_types::secret::AccessToken;
use countersign_types::{Params, ScopeSet, TokenType};

use crate::error::ExchangeError;

/// The grant type of a token exchange.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The parameters that may repeat. [RFC 8693 §2.1]
///
/// [RFC 8693 §2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1
pub const REPEATABLE: &[&str] = &["resource", "audience"];

/// More targets of one kind than this are refused.
pub const MAX_TARGETS: usize = 8;

/// What shall be issued.
///
/// Three products share the token type `…:jwt`; what else the request carries says which one is
/// meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// An access token of this server: `…:access_token`, or no type at all.
    AccessToken,
    /// `ticket_challenge` is there: a claims token, bound to a permission ticket.
    ClaimsToken,
    /// `…:jwt` with an actor token and no challenge: an identity token.
    IdentityToken,
    /// `…:jwt` with neither: what is configured for the target.
    TargetProfile,
}

/// What a subject token is said to be. [RFC 8693 §3]
///
/// [RFC 8693 §3]: https://www.rfc-editor.org/rfc/rfc8693#section-3
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectTokenType {
    /// `…:access_token`: an access token of this very server.
    AccessToken,
    /// `…:access_token` beside `subject_issuer`: an access token of the issuer of this alias, in
    /// the dialect of Keycloak.
    AccessTokenOf(String),
    /// `…:jwt`: an access token of whom its `iss` names.
    Jwt,
    /// `…:id_token`: an ID token of whom its `iss` names.
    IdToken,
}

/// A parsed token exchange request.
#[derive(Debug)]
pub struct ExchangeRequest {
    /// The token of the party on whose behalf the request is made.
    pub subject_token: AccessToken,
    /// What that token is said to be.
    pub subject_token_type: SubjectTokenType,
    /// The client's own statement that it acts, a JWT.
    pub actor_token: Option<AccessToken>,
    /// What shall be issued.
    pub wanted: Wanted,
    /// `resource`, each as it was sent.
    pub resources: Vec<String>,
    /// `audience`, each as it was sent.
    pub audiences: Vec<String>,
    /// `scope`, if it was sent.
    pub scope: Option<ScopeSet>,
    /// The challenge of the permission ticket that a claims token shall be bound to.
    pub ticket_challenge: Option<TicketChallenge>,
    /// The person that the client says the subject token is of.
    pub email_address: Option<String>,
}

/// Parses a token request of the exchange grant. [RFC 8693 §2.1]
///
/// # Errors
/// [`ExchangeError::Params`], [`ExchangeError::Challenge`], [`ExchangeError::SubjectTokenType`],
/// [`ExchangeError::SubjectIssuerMisplaced`],
/// [`ExchangeError::ActorTokenType`], [`ExchangeError::ActorPair`],
/// [`ExchangeError::RequestedTokenType`], [`ExchangeError::ChallengeMisplaced`],
/// [`ExchangeError::ScopeSyntax`], [`ExchangeError::TooManyTargets`].
///
/// [RFC 8693 §2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1
pub fn parse(params: &Params) -> Result<ExchangeRequest, ExchangeError> {
    let subject_token = AccessToken::new(params.require("subject_token")?);
    let subject_token_type = subject_type(params)?;
    let actor_token = actor_token(params)?;
    let ticket_challenge = TicketChallenge::from_params(params)?;
    let requested = params.get("requested_token_type");
    Ok(ExchangeRequest {
        subject_token,
        subject_token_type,
        wanted: wanted(requested, ticket_challenge.is_some(), actor_token.is_some())?,
        actor_token,
        resources: targets(params, "resource")?,
        audiences: targets(params, "audience")?,
        scope: scope(params)?,
        ticket_challenge,
        email_address: params.get("email_address").map(str::to_owned),
    })
}

/// The parameters of a request that shows a subject token in place of sending one: they mean
/// something else there, or nothing.
const OF_THE_GRANT: &[&str] =
    &["subject_token", "subject_token_type", "subject_issuer", "actor_token", "actor_token_type"];

/// Parses a request for a claims token of whoever shows `token`, an access token of this server's
/// or of the server that it belongs to. (PROFILE §5.6)
///
/// # Errors
/// [`ExchangeError::Params`] if there is no challenge, or for a parameter of the grant;
/// [`ExchangeError::Challenge`], [`ExchangeError::ScopeSyntax`], [`ExchangeError::TooManyTargets`].
pub fn of_holder(params: &Params, token: AccessToken) -> Result<ExchangeRequest, ExchangeError> {
    let misplaced = OF_THE_GRANT.iter().find(|name| params.get(name).is_some());
    if let Some(name) = misplaced {
        return Err(ParamsError::Malformed(name).into());
    }
    let ticket_challenge = TicketChallenge::from_params(params)?;
    let ticket_challenge = ticket_challenge.ok_or(ParamsError::Missing(challenge::NAME))?;
    Ok(ExchangeRequest {
        subject_token: token,
        subject_token_type: SubjectTokenType::AccessToken,
        actor_token: None,
        wanted: Wanted::ClaimsToken,
        resources: targets(params, "resource")?,
        audiences: targets(params, "audience")?,
        scope: scope(params)?,
        ticket_challenge: Some(ticket_challenge),
        email_address: params.get("email_address").map(str::to_owned),
    })
}

/// The registered token types. [RFC 8693 §3](https://www.rfc-editor.org/rfc/rfc8693#section-3)
#[derive(Clone, Copy, PartialEq, Eq)]
enum Registered {
    AccessToken,
    RefreshToken,
    IdToken,
    Saml1,
    Saml2,
    Jwt,
}

impl Registered {
    fn parse(uri: &str) -> Option<Self> {
        [
            (TokenType::ACCESS_TOKEN, Self::AccessToken),
            (TokenType::REFRESH_TOKEN, Self::RefreshToken),
            (TokenType::ID_TOKEN, Self::IdToken),
            (TokenType::SAML1, Self::Saml1),
            (TokenType::SAML2, Self::Saml2),
            (TokenType::JWT, Self::Jwt),
        ]
        .into_iter()
        .find_map(|(token_type, registered)| (token_type.as_str() == uri).then_some(registered))
    }
}

/// `…:access_token` says that this very server issued the token, unless `subject_issuer` says who
/// else did; beside another type that parameter has no meaning. A refresh token is for the token
/// endpoint alone, and nobody's SAML is read.
fn subject_type(params: &Params) -> Result<SubjectTokenType, ExchangeError> {
    let registered = Registered::parse(params.require("subject_token_type")?);
    match (registered, params.get("subject_issuer")) {
        (Some(Registered::AccessToken), None) => Ok(SubjectTokenType::AccessToken),
        (Some(Registered::AccessToken), Some(alias)) => {
            Ok(SubjectTokenType::AccessTokenOf(alias.to_owned()))
        }
        (Some(Registered::Jwt), None) => Ok(SubjectTokenType::Jwt),
        (Some(Registered::IdToken), None) => Ok(SubjectTokenType::IdToken),
        (Some(Registered::Jwt | Registered::IdToken), Some(_)) => {
            Err(ExchangeError::SubjectIssuerMisplaced)
        }
        (other, _) => Err(ExchangeError::SubjectTokenType { registered: other.is_some() }),
    }
}

fn actor_token(params: &Params) -> Result<Option<AccessToken>, ExchangeError> {
    match (params.get("actor_token"), params.get("actor_token_type")) {
        (None, None) => Ok(None),
        (Some(token), Some(uri)) => match Registered::parse(uri) {
            Some(Registered::Jwt) => Ok(Some(AccessToken::new(token))),
            other => Err(ExchangeError::ActorTokenType { registered: other.is_some() }),
        },
        // RFC 8693 §2.1: the type is REQUIRED with the token and MUST NOT stand without it.
        (Some(_), None) | (None, Some(_)) => Err(ExchangeError::ActorPair),
    }
}

fn wanted(requested: Option<&str>, challenge: bool, actor: bool) -> Result<Wanted, ExchangeError> {
    let Some(uri) = requested else {
        return Ok(if challenge { Wanted::ClaimsToken } else { Wanted::AccessToken });
    };
    match Registered::parse(uri) {
        Some(Registered::Jwt) if challenge => Ok(Wanted::ClaimsToken),
        // A binding that the issued token could not carry must not be dropped in silence.
        Some(Registered::AccessToken) if challenge => Err(ExchangeError::ChallengeMisplaced),
        Some(Registered::AccessToken) => Ok(Wanted::AccessToken),
        Some(Registered::Jwt) if actor => Ok(Wanted::IdentityToken),
        Some(Registered::Jwt) => Ok(Wanted::TargetProfile),
        other => Err(ExchangeError::RequestedTokenType { registered: other.is_some() }),
    }
}

fn scope(params: &Params) -> Result<Option<ScopeSet>, ExchangeError> {
    params.get("scope").map(ScopeSet::parse).transpose().map_err(ExchangeError::ScopeSyntax)
}

fn targets(params: &Params, name: &str) -> Result<Vec<String>, ExchangeError> {
    let targets = params.all(name).map(str::to_owned).collect::<Vec<_>>();
    if targets.len() > MAX_TARGETS {
        return Err(ExchangeError::TooManyTargets);
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "urn:ietf:params:oauth:token-type:access_token";
    const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
    const CHALLENGE: &str = "Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c";

    fn with(more: &[(&str, &str)]) -> Result<ExchangeRequest, ExchangeError> {
        let mut form = format!("subject_token=s&subject_token_type={AT}");
        for (name, value) in more {
            form.push_str(&format!("&{name}={}", value.replace(':', "%3A")));
        }
        parse(&Params::parse(form.as_bytes(), REPEATABLE)?)
    }

    #[track_caller]
    fn check(more: &[(&str, &str)], expected: Result<Wanted, &str>) {
        let got = with(more).map(|request| request.wanted);
        match expected {
            Ok(wanted) => assert_eq!(got.unwrap(), wanted, "{more:?}"),
            Err(text) => assert_eq!(got.unwrap_err().to_string(), text, "{more:?}"),
        }
    }

    #[test]
    fn what_the_request_carries_says_which_jwt_is_meant() {
        let jwt = ("requested_token_type", JWT);
        let challenge = ("ticket_challenge", CHALLENGE);
        let actor = [("actor_token", "a"), ("actor_token_type", JWT)];
        check(&[jwt, challenge], Ok(Wanted::ClaimsToken));
        check(&[jwt, ("ticket_digest", CHALLENGE)], Ok(Wanted::ClaimsToken));
        check(&[challenge], Ok(Wanted::ClaimsToken));
        check(&[jwt, challenge, actor[0], actor[1]], Ok(Wanted::ClaimsToken));
        check(&[jwt, actor[0], actor[1]], Ok(Wanted::IdentityToken));
        check(&[jwt], Ok(Wanted::TargetProfile));
        check(&[], Ok(Wanted::AccessToken));
        check(&[("requested_token_type", AT)], Ok(Wanted::AccessToken));
        check(
            &[("requested_token_type", AT), challenge],
            Err("ticket_challenge beside another token type than jwt"),
        );
    }

    #[test]
    fn every_token_type_is_understood_or_refused() {
        for name in ["refresh_token", "id_token", "saml1", "saml2", "JWT", "", "x"] {
            let uri = format!("urn:ietf:params:oauth:token-type:{name}");
            assert!(with(&[("requested_token_type", &uri)]).is_err(), "{name}");
        }
        for (name, of_an_alias, understood) in [
            ("access_token", "", Some(SubjectTokenType::AccessToken)),
            ("access_token", "idp", Some(SubjectTokenType::AccessTokenOf("idp".to_owned()))),
            ("jwt", "", Some(SubjectTokenType::Jwt)),
            ("jwt", "idp", None),
            ("id_token", "", Some(SubjectTokenType::IdToken)),
            ("id_token", "idp", None),
            ("refresh_token", "", None),
            ("refresh_token", "idp", None),
            ("saml1", "", None),
            ("saml2", "idp", None),
            ("unknown", "", None),
        ] {
            let form = format!(
                "subject_token=s&subject_token_type=urn:ietf:params:oauth:token-type:{name}\
                 &subject_issuer={of_an_alias}"
            );
            let params = Params::parse(form.as_bytes(), REPEATABLE).unwrap();
            let read = parse(&params).ok().map(|request| request.subject_token_type);
            assert_eq!(read, understood, "{name} {of_an_alias:?}");
        }
    }

    #[test]
    fn an_actor_token_has_a_type_and_a_type_has_a_token() {
        check(&[("actor_token", "a")], Err("actor_token and actor_token_type belong together"));
        check(
            &[("actor_token_type", JWT)],
            Err("actor_token and actor_token_type belong together"),
        );
        check(
            &[("actor_token", "a"), ("actor_token_type", AT)],
            Err("actor_token_type is not supported"),
        );
    }

    #[test]
    fn a_challenge_is_43_characters_once() {
        let other = CHALLENGE.replace('P', "Q");
        for more in [
            &[("ticket_challenge", "short")][..],
            &[("ticket_challenge", "Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c=")],
            &[("ticket_challenge", "3e7dec1422213548981692...")],
            &[("ticket_challenge", CHALLENGE), ("ticket_challenge_method", "plain")],
            &[("ticket_challenge", CHALLENGE), ("ticket_challenge", CHALLENGE)],
            &[("ticket_challenge", CHALLENGE), ("ticket_digest", &other)],
        ] {
            assert!(with(more).is_err(), "{more:?}");
        }
        check(
            &[("ticket_challenge", CHALLENGE), ("ticket_challenge_method", "S256")],
            Ok(Wanted::ClaimsToken),
        );
    }

    #[test]
    fn targets_repeat_and_have_an_end() {
        let request = with(&[("audience", "a"), ("audience", "b"), ("resource", "c")]).unwrap();
        assert_eq!(request.audiences, ["a", "b"]);
        assert_eq!(request.resources, ["c"]);
        assert!(with(&[("audience", "a"); 9]).is_err());
        assert!(with(&[("scope", "a"), ("scope", "b")]).is_err());
        assert!(with(&[("scope", "a%20%20b")]).is_err());
    }
}
