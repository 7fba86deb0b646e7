//! What a person has to do before a client gets its answer. [OpenID Connect Core §3.1.2.1,
//! §3.1.2.3, §3.1.2.4]
//!
//! [OpenID Connect Core §3.1.2.1, §3.1.2.3, §3.1.2.4]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest

use countersign_types::wire::ErrorCode;
use countersign_types::{Lifetime, Params, ScopeSet, Timestamp};
use serde::{Deserialize, Serialize};

use crate::authorize::{AuthorizationRequest, ErrorResponse};
use crate::grant::SignIn;
use crate::refresh::OFFLINE_ACCESS;

/// What a client wishes of the person's sign-in. It is judged when the request comes in, and kept
/// as long as the request for whoever has the person sign in elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wishes {
    /// `prompt=none`: nobody is to be shown anything.
    silent: bool,
    /// `prompt` has `login`: whoever is signed in signs in again.
    sign_in: bool,
    /// `prompt` has `select_account`: the same, as whom they like.
    select_account: bool,
    /// `prompt` has `consent`: to be asked, whatever was allowed before.
    consent: bool,
    /// `max_age`: a sign-in that is older does not do.
    max_age: Option<Lifetime>,
}

/// What a parameter says cannot be done.
pub(crate) const MALFORMED: &str = "prompt or max_age is malformed";

impl Wishes {
    /// Reads `prompt` and `max_age`. A value that is not known is refused: to ignore it would be to
    /// do something else than was asked for.
    pub(crate) fn parse(params: &Params) -> Result<Self, &'static str> {
        let mut wishes = Self::default();
        for value in params.get("prompt").into_iter().flat_map(|prompt| prompt.split(' ')) {
            match value {
                "none" => wishes.silent = true,
                "login" => wishes.sign_in = true,
                "select_account" => wishes.select_account = true,
                "consent" => wishes.consent = true,
                _ => return Err(MALFORMED),
            }
        }
        if wishes.silent && (wishes.sign_in || wishes.select_account || wishes.consent) {
            return Err("prompt none stands alone");
        }
        if let Some(seconds) = params.get("max_age") {
            // A number may begin with a plus sign; this one has digits alone.
            let digits = seconds.bytes().all(|octet| octet.is_ascii_digit());
            let seconds = seconds.parse().ok().filter(|_| digits).ok_or(MALFORMED)?;
            wishes.max_age = Some(Lifetime::from_secs(seconds));
        }
        Ok(wishes)
    }

    /// Whether nothing is wished.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the person has to sign in again, whoever is signed in: `prompt=login`.
    #[must_use]
    pub const fn sign_in(&self) -> bool {
        self.sign_in
    }

    /// Whether the person is to choose an account: `prompt=select_account`.
    #[must_use]
    pub const fn select_account(&self) -> bool {
        self.select_account
    }

    /// How old a sign-in may be: `max_age`.
    #[must_use]
    pub const fn max_age(&self) -> Option<Lifetime> {
        self.max_age
    }

    /// The parameters that say so: what `parse` reads.
    #[must_use]
    pub fn params(&self) -> Vec<(&'static str, String)> {
        let prompts = [
            (self.silent, "none"),
            (self.sign_in, "login"),
            (self.select_account, "select_account"),
            (self.consent, "consent"),
        ];
        let prompts = prompts.into_iter().filter(|(wished, _)| *wished).map(|(_, name)| name);
        let prompt = prompts.collect::<Vec<_>>().join(" ");
        let prompt = Some(prompt).filter(|prompt| !prompt.is_empty());
        let max_age = self.max_age.map(|max_age| max_age.as_secs().to_string());
        prompt
            .map(|prompt| ("prompt", prompt))
            .into_iter()
            .chain(max_age.map(|max_age| ("max_age", max_age)))
            .collect()
    }

    /// Whether a sign-in is young enough: one of unknown age is not where a client asks for an age,
    /// which its ID token would have to say. Whoever shows a page meanwhile has to look again.
    #[must_use]
    pub fn is_young_enough(&self, sign_in: &SignIn, now: Timestamp) -> bool {
        match (self.max_age, sign_in.auth_time) {
            (None, _) => true,
            (Some(_), None) => false,
            // A maximum of 0 is a sign-in of now, not one of the same second.
            (Some(max), Some(moment)) => max.as_secs() > 0 && now.since(moment) <= max,
        }
    }
}

/// Who is signed in at the browser that the request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Present<'a> {
    /// How, and when.
    pub sign_in: &'a SignIn,
    /// Whether it is whom the client expects, if it expects somebody.
    pub is_expected: bool,
    /// What this person allowed this client before.
    pub allowed: &'a ScopeSet,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The person signs in, and sees what is asked for.
    SignIn,
    /// The person, who is signed in, is asked.
    Consent,
    /// The client is answered.
    Answer,
}

/// Decides what comes next.
///
/// # Errors
/// The answer to a client that wants nobody to be shown anything, where somebody would have to be.
/// [OpenID Connect Core §3.1.2.6]
///
/// [OpenID Connect Core §3.1.2.6]: https://openid.net/specs/openid-connect-core-1_0.html#AuthError
pub fn next(
    request: &AuthorizationRequest,
    present: Option<Present<'_>>,
    now: Timestamp,
) -> Result<Next, ErrorResponse> {
    let wishes = request.wishes;
    let fits = |present: &Present<'_>| {
        let is_young = wishes.is_young_enough(present.sign_in, now);
        present.is_expected && is_young && !wishes.sign_in && !wishes.select_account
    };
    let Some(present) = present.filter(fits) else {
        return if wishes.silent {
            let description = "the person has to sign in";
            Err(request.refused(ErrorCode::LOGIN_REQUIRED, description))
        } else {
            Ok(Next::SignIn)
        };
    };
    // §11: that a client may go on while the person is away is asked each time.
    let is_allowed =
        request.scope.is_subset(present.allowed) && !request.scope.contains(OFFLINE_ACCESS);
    match (is_allowed && !wishes.consent, wishes.silent) {
        (true, _) => Ok(Next::Answer),
        (false, false) => Ok(Next::Consent),
        (false, true) => {
            let description = "the person has to be asked";
            Err(request.refused(ErrorCode::CONSENT_REQUIRED, description))
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::secret::CodeVerifier;
    use countersign_types::{ClientId, Issuer};

    use super::*;
    use crate::grant::Through;
    use crate::pkce::CodeChallenge;

    const AUTH_TIME: i64 = 1000;

    fn request(query: &str, scope: &str) -> Result<AuthorizationRequest, &'static str> {
        Ok(AuthorizationRequest {
            client_id: ClientId::parse("app").unwrap(),
            redirect_uri: "https://app.example/cb".into(),
            scope: ScopeSet::parse(scope).unwrap(),
            state: None,
            nonce: None,
            code_challenge: CodeChallenge::of(&CodeVerifier::new("v".repeat(43))).unwrap(),
            dpop_jkt: None,
            login_hint: None,
            ui_locales: None,
            resources: Default::default(),
            wishes: Wishes::parse(&Params::parse(query.as_bytes(), &[]).unwrap())?,
        })
    }

    /// What comes next for somebody who signed in a minute ago and allowed `openid email`.
    fn decided(query: &str, scope: &str, is_expected: bool) -> Result<Next, String> {
        let sign_in = SignIn {
            sid: "s".into(),
            auth_time: Some(Timestamp::from_unix(AUTH_TIME)),
            acr: None,
            amr: vec!["pwd".into()],
            through: None,
            credential: None,
        };
        let allowed = ScopeSet::parse("openid email offline_access").unwrap();
        let present = Present { sign_in: &sign_in, is_expected, allowed: &allowed };
        let now = Timestamp::from_unix(AUTH_TIME + 60);
        let request = request(query, scope).unwrap();
        next(&request, Some(present), now).map_err(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn who_is_signed_in_is_asked_no_more_than_needed() {
        use Next::{Answer, Consent, SignIn};
        let login: Result<Next, String> = Err("login_required".into());
        let consent: Result<Next, String> = Err("consent_required".into());
        for (query, scope, expected) in [
            ("", "openid", Ok(Answer)),
            ("", "openid email", Ok(Answer)),
            ("", "openid profile", Ok(Consent)),
            ("", "openid offline_access", Ok(Consent)),
            ("prompt=none", "openid", Ok(Answer)),
            ("prompt=none", "openid profile", consent.clone()),
            ("prompt=none", "openid offline_access", consent),
            ("prompt=login", "openid", Ok(SignIn)),
            ("prompt=select_account", "openid", Ok(SignIn)),
            ("prompt=login+consent", "openid", Ok(SignIn)),
            ("prompt=consent", "openid", Ok(Consent)),
            ("max_age=60", "openid", Ok(Answer)),
            ("max_age=59", "openid", Ok(SignIn)),
            ("max_age=0", "openid", Ok(SignIn)),
            ("max_age=59&prompt=none", "openid", login.clone()),
            ("max_age=4294967295", "openid", Ok(Answer)),
        ] {
            assert_eq!(decided(query, scope, true), expected, "{query} {scope}");
        }
        assert_eq!(decided("", "openid", false), Ok(SignIn), "somebody else is expected");
        assert_eq!(decided("prompt=none", "openid", false), login);
    }

    #[test]
    fn who_is_not_signed_in_signs_in_or_the_client_is_told() {
        let now = Timestamp::from_unix(AUTH_TIME);
        for query in ["", "prompt=login", "prompt=consent", "max_age=60"] {
            let request = request(query, "openid").unwrap();
            assert_eq!(next(&request, None, now), Ok(Next::SignIn), "{query}");
        }
        let error = next(&request("prompt=none", "openid").unwrap(), None, now).unwrap_err();
        let issuer = Issuer::parse("https://sts.alice.example").unwrap();
        let location = error.location(&issuer);
        assert!(location.contains("error=login_required"), "{location}");
        assert!(location.ends_with("iss=https%3A%2F%2Fsts.alice.example"), "{location}");
    }

    #[test]
    fn an_age_that_nobody_told_is_no_age() {
        let now = Timestamp::from_unix(AUTH_TIME + 60);
        for (auth_time, query, expected) in [
            (Some(AUTH_TIME), "max_age=60", Next::Answer),
            (None, "max_age=60", Next::SignIn),
            (None, "max_age=4294967295", Next::SignIn),
            (None, "", Next::Answer),
        ] {
            let through = Through {
                issuer: Issuer::parse("https://idp.example").unwrap(),
                sub: "1".into(),
                link: "l".into(),
            };
            let sign_in = SignIn {
                sid: "s".into(),
                auth_time: auth_time.map(Timestamp::from_unix),
                acr: None,
                amr: Vec::new(),
                through: Some(through),
                credential: None,
            };
            let allowed = ScopeSet::parse("openid").unwrap();
            let present = Present { sign_in: &sign_in, is_expected: true, allowed: &allowed };
            let request = request(query, "openid").unwrap();
            assert_eq!(next(&request, Some(present), now), Ok(expected), "{auth_time:?} {query}");
        }
    }

    #[test]
    fn what_is_wished_is_told_as_it_was_read() {
        for query in ["", "prompt=login", "prompt=select_account+consent&max_age=0", "max_age=60"] {
            let wishes = request(query, "openid").unwrap().wishes;
            let told = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(wishes.params())
                .finish();
            assert_eq!(told, query);
            let kept = serde_json::to_string(&wishes).unwrap();
            assert_eq!(serde_json::from_str::<Wishes>(&kept).unwrap(), wishes);
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for query in [
            "prompt=none+login",
            "prompt=none+consent",
            "prompt=dance",
            "prompt=login++consent",
            "prompt=LOGIN",
            "max_age=-1",
            "max_age=%2B1",
            "max_age=1.5",
            "max_age=4294967296",
            "max_age=x",
        ] {
            assert!(request(query, "openid").is_err(), "{query}");
        }
    }
}
