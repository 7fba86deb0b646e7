//! Acting for a person, as a client that is known by its own URL.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use countersign_client::{ActingClient, ActorForm, Person, Subject};
use countersign_jwt::Unverified;
use countersign_types::secret::AccessToken;
use countersign_types::{EmailAddress, Issuer, Timestamp};

use super::input;
use super::jwk::one_of;
use crate::cli::Global;
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::session::{self, Sessions};
use crate::url_client::UrlClient;

/// Who acts, for whom, and who says so.
#[derive(Args, Debug)]
pub(crate) struct ActingArgs {
    /// Act as the client of this directory, made by `countersign client init`
    #[arg(long, value_name = "DIR")]
    pub(crate) client: Option<PathBuf>,

    /// The person's provider [default: the configured one]
    #[arg(long, value_name = "URL", value_parser = Issuer::parse, requires = "client")]
    pub(crate) issuer: Option<Issuer>,

    /// Who the person is, where the subject token is no JWT that says so
    #[arg(long, value_name = "ADDRESS", value_parser = EmailAddress::parse, requires = "client")]
    pub(crate) email: Option<EmailAddress>,
}

/// The forms of actor token: whom it is made out to.
pub(crate) const FORMS: &[(&str, ActorForm)] =
    &[("drawing", ActorForm::Target), ("strict", ActorForm::Issuer)];

pub(crate) fn form() -> impl clap::builder::TypedValueParser<Value = (&'static str, ActorForm)> {
    one_of(FORMS, |(name, _)| name)
}

impl ActingArgs {
    /// The client of the directory, with the key that signs now.
    pub(crate) fn acting(&self) -> Result<Option<ActingClient>, Failure> {
        let Some(directory) = &self.client else { return Ok(None) };
        UrlClient::load(directory)?.acting().map(Some)
    }

    /// The provider: as named, else as configured.
    pub(crate) fn provider(&self, config: &Config) -> Result<Issuer, Failure> {
        match &self.issuer {
            Some(issuer) => Ok(issuer.clone()),
            None => Ok(config.provider()?.0.issuer.clone()),
        }
    }

    /// Who the person is, a session or nobody's token says for itself.
    pub(crate) fn refuse_email(&self) -> Result<(), Failure> {
        match &self.email {
            None => Ok(()),
            Some(_) => Err(Failure::usage(
                "--email says who a subject token given in a file is about, for an identity token",
            )),
        }
    }

    /// The person and their access token: of the file, else of the session.
    pub(crate) fn subject(
        &self,
        global: &Global,
        file: Option<&Path>,
        provider: &Issuer,
        now: Timestamp,
    ) -> Result<Subject, Failure> {
        let Some(file) = file else {
            self.refuse_email()?;
            let sessions = Sessions::load(&session::path(global.session.as_deref())?)?;
            return Ok(sessions.live(provider, now)?.subject());
        };
        let access_token = token(file)?;
        let email = self.email.clone().or_else(|| email_of(&access_token)).ok_or_else(|| {
            Failure::new(
                Code::Usage,
                "the subject token does not say who the person is: --email ADDRESS does",
            )
        })?;
        Ok(Subject { access_token, person: Person::Email(email) })
    }
}

/// A token from a file, or from standard input for `-`.
pub(crate) fn token(path: &Path) -> Result<AccessToken, Failure> {
    let octets = input::octets(path)?;
    let text = std::str::from_utf8(&octets).map_err(|_| Failure::usage("the token is not text"))?;
    Ok(AccessToken::new(text.trim_ascii()))
}

/// The address in a token of one's own. Nobody is let in by it: it is what the identity token that
/// comes back is compared with.
fn email_of(token: &AccessToken) -> Option<EmailAddress> {
    let token = Unverified::parse(token.expose()).ok()?;
    EmailAddress::parse(token.claims().str("email").ok()??).ok()
}

/// The key of an acting client as a proof at a token endpoint.
pub(crate) fn proof(acting: &ActingClient) -> countersign_client_auth::Proof {
    countersign_client_auth::Proof::PrivateKeyJwt(Arc::clone(&acting.key))
}
