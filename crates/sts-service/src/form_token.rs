//! What the forms of the pages are about. A form carries the authorization request itself
//! ([`countersign_pages::form_token`]), so that nothing is stored for one that nobody submits.
//!
//! A form that was open while the process was restarted is under a key that is gone. Nobody is
//! signed in by it, but the person is not left with a dead end: what such a form says it asks for
//! is treated as an authorization request that has just come in ([`claimed`]), with all its checks,
//! and leads to a fresh form.

use countersign_oidc::authorize::RESOURCE;
use countersign_oidc::{AuthorizationRequest, dpop_jkt, pkce};
pub(crate) use countersign_pages::Browser;
use countersign_types::{EmailAddress, Lifetime, Timestamp};
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

/// How long a person may take to sign in.
pub(crate) const LIFETIME: Lifetime = Lifetime::from_secs(600);

/// Makes and opens form tokens.
pub(crate) type FormTokens = countersign_pages::FormTokens<Form>;

/// What a client asks of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The request.
    pub(crate) request: AuthorizationRequest,
    /// The only person whom it is about, if an ID token said whom.
    pub(crate) subject: Option<String>,
}

/// What somebody signs in for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for a request, and most are the large one"
)]
pub(crate) enum Purpose {
    /// To allow a client this.
    Client(Asked),
    /// To see their account.
    Account,
}

impl Purpose {
    /// How much room it takes, in octets.
    pub(crate) fn size(&self) -> usize {
        serde_json::to_vec(self).map_or(0, |text| text.len())
    }

    fn asked(&self) -> Option<&Asked> {
        match self {
            Self::Client(asked) => Some(asked),
            Self::Account => None,
        }
    }

    /// The client's request, if there is one.
    pub(crate) fn request(&self) -> Option<&AuthorizationRequest> {
        self.asked().map(|asked| &asked.request)
    }

    /// The client, if there is one.
    pub(crate) fn client_id(&self) -> Option<&str> {
        self.request().map(|request| request.client_id.as_str())
    }

    /// The only person whom it is about, if that is known.
    pub(crate) fn expected(&self) -> Option<&str> {
        self.asked().and_then(|asked| asked.subject.as_deref())
    }
}

/// Somebody who signed in at another provider, which no account here is linked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// The provider.
    pub(crate) alias: String,
    /// Who they are there.
    pub(crate) sub: String,
    /// What they are called there.
    pub(crate) label: String,
}

/// What a form was rendered for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// To sign in.
    SignIn(Purpose),
    /// To allow this, in this session.
    Consent {
        /// What is asked for.
        asked: Asked,
        /// The session.
        sid: String,
    },
    /// To sign in to the account here that has the address of somebody who came from another
    /// provider.
    Link {
        /// What for.
        purpose: Purpose,
        /// Who came.
        arrival: Arrival,
        /// Their address, which the provider is believed to have verified.
        address: EmailAddress,
    },
    /// To link that account to the identity at the provider.
    ConfirmLink {
        /// Which form it is: it is answered once.
        id: String,
        /// What for.
        purpose: Purpose,
        /// Who came.
        arrival: Arrival,
        /// The account.
        subject: String,
        /// When its password was typed.
        authenticated: Timestamp,
        /// What that was, as a digest of its hash.
        credential: String,
    },
    /// To change something about one's account, in this session.
    Account {
        /// The session.
        sid: String,
    },
    /// To link the account of this session to the identity at the provider.
    ConfirmFurther {
        /// Which form it is: it is answered once.
        id: String,
        /// The session.
        sid: String,
        /// Who came.
        arrival: Arrival,
    },
    /// To sign out of this session.
    SignOut {
        /// The session.
        sid: String,
        /// Where the browser is sent afterwards.
        destination: Option<String>,
        /// The languages that the client wishes.
        ui_locales: Option<String>,
    },
}

/// The request that a form token says it is for, as a query, and the only person whom it is about.
/// Nothing has been verified: it is worth as much as a link to the authorization endpoint, which
/// anybody can make.
pub(crate) fn claimed(token: &str) -> Option<(String, Option<String>)> {
    let asked = match countersign_pages::form_token::claimed(token)? {
        Form::Consent { asked, .. }
        | Form::SignIn(Purpose::Client(asked))
        | Form::Link { purpose: Purpose::Client(asked), .. }
        | Form::ConfirmLink { purpose: Purpose::Client(asked), .. } => asked,
        _ => return None,
    };
    let Asked { request, subject } = asked;
    let scope = request.scope.to_string();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", request.client_id.as_str())
        .append_pair("redirect_uri", &request.redirect_uri)
        .append_pair("scope", &scope)
        .append_pair("code_challenge", request.code_challenge.as_str())
        .append_pair("code_challenge_method", pkce::METHOD);
    query.extend_pairs(request.wishes.params());
    query.extend_pairs(request.resources.iter().map(|resource| (RESOURCE, resource)));
    for (name, value) in [
        ("state", request.state),
        ("nonce", request.nonce),
        (dpop_jkt::NAME, request.dpop_jkt.map(|jkt| jkt.to_string())),
        ("login_hint", request.login_hint),
        ("ui_locales", request.ui_locales),
    ] {
        query.extend_pairs(value.map(|value| (name, value)));
    }
    Some((query.finish(), subject))
}
