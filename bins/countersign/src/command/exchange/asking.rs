//! Who asks for the exchange: a registered client, or one that is known by its own URL.

use countersign_client::exchange::ExchangeResponse;
use countersign_client::token_endpoint::IssuedTokenType;
use countersign_client::{ActingClient, ActorForm, Person, Subject};
use countersign_client_auth::Proof;
use countersign_identity_propagation::{ExpectedByClient, MadeOutTo, actor_token, check_received};
use countersign_types::random::Random;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, Issuer, ResourceIdentifier, Timestamp, TokenType};
use oauth2::TokenResponse as _;

use super::ExchangeArgs;
use crate::cli::Global;
use crate::command::acting::{self, token};
use crate::command::explain::Explain;
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::session::{self, Sessions};

/// A client and the provider it asks.
pub(super) struct Asking {
    pub(super) issuer: Issuer,
    pub(super) client_id: ClientId,
    pub(super) proof: Proof,
    acting: Option<ActingClient>,
}

impl Asking {
    pub(super) fn of(args: &ExchangeArgs, config: &Config) -> Result<Self, Failure> {
        if let Some(acting) = args.acting.acting()? {
            return Ok(Self {
                issuer: args.acting.provider(config)?,
                client_id: acting.client_id.clone(),
                proof: acting::proof(&acting),
                acting: Some(acting),
            });
        }
        let (provider, _) = config.provider()?;
        Ok(Self {
            issuer: provider.issuer.clone(),
            client_id: provider.client_id.clone(),
            proof: provider.proof.clone(),
            acting: None,
        })
    }

    /// On whose behalf. Who that is matters where an identity token is to be compared with it.
    pub(super) fn subject(
        &self,
        global: &Global,
        args: &ExchangeArgs,
        now: Timestamp,
    ) -> Result<Subject, Failure> {
        if args.is_for_identity() {
            let file = args.subject_token.as_deref();
            return args.acting.subject(global, file, &self.issuer, now);
        }
        args.acting.refuse_email()?;
        match &args.subject_token {
            Some(path) => {
                Ok(Subject { access_token: token(path)?, person: Person::Subject(String::new()) })
            }
            None => {
                let sessions = Sessions::load(&session::path(global.session.as_deref())?)?;
                Ok(sessions.live(&self.issuer, now)?.subject())
            }
        }
    }

    /// The token of who acts: as given, or as made here.
    pub(super) fn actor_token(
        &self,
        args: &ExchangeArgs,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Option<AccessToken>, Failure> {
        let (Some(acting), Some((_, form))) = (&self.acting, args.actor_token_form) else {
            return args.actor_token.as_deref().map(token).transpose();
        };
        let made_out_to = match form {
            ActorForm::Issuer => MadeOutTo::Issuer(&self.issuer),
            ActorForm::Target => MadeOutTo::Target(args.target()?),
        };
        actor_token(acting.key.as_ref(), &acting.client_id, made_out_to, now, random)
            .map(Some)
            .map_err(|error| Failure::of(Code::Configuration, error))
    }

    /// Compares an identity token with what was asked for.
    pub(super) fn check(
        &self,
        args: &ExchangeArgs,
        subject: &Subject,
        response: &ExchangeResponse,
        token: &AccessToken,
        now: Timestamp,
        explain: Option<&Explain>,
    ) -> Result<(), Failure> {
        let Some(acting) = self.acting.as_ref().filter(|_| args.is_for_identity()) else {
            return Ok(());
        };
        let issued = &response.extra_fields().issued_token_type;
        if issued != TokenType::JWT.as_str()
            || *response.token_type() != IssuedTokenType::NotApplicable
        {
            let text = format!("{} issued a token of another type than jwt", self.issuer);
            return Err(Failure::new(Code::Protocol, text));
        }
        let person = match &subject.person {
            Person::Email(email) | Person::SubjectAndEmail(_, email) => email,
            Person::Subject(_) => {
                let text = "the session does not know the person's e-mail address";
                return Err(Failure::new(Code::Configuration, text));
            }
        };
        let audience = args.target()?;
        let expected = ExpectedByClient {
            issuer: &self.issuer,
            audience,
            person,
            client_id: &acting.client_id,
            confirmation: None,
            now,
        };
        check_received(token, &expected).map_err(|error| {
            let text = format!("the identity token of {} is not what was asked for", self.issuer);
            Failure::caused(Code::Protocol, text, error)
        })?;
        let Some(explain) = explain else { return Ok(()) };
        explain.checked("iss is the issuer that was asked", "RFC 8725 §3.8", self.issuer.as_str());
        explain.checked("aud is the relying party alone", "RFC 8725 §3.9", audience.as_str());
        explain.checked("sub is the person of the session", "RFC 8725 §3.8", person.as_str());
        let client_id = acting.client_id.as_str();
        explain.checked("act.sub and client_id are this client", "RFC 8693 §4.1, §4.3", client_id);
        Ok(())
    }
}

impl ExchangeArgs {
    /// Whether the answer is to be an identity token: a JWT, while somebody acts by an actor token
    /// made here.
    fn is_for_identity(&self) -> bool {
        self.actor_token_form.is_some()
            && self.ticket_challenge.is_none()
            && self.requested_token_type.as_ref() == Some(&TokenType::JWT)
    }

    /// The one relying party.
    fn target(&self) -> Result<&ResourceIdentifier, Failure> {
        match self.resource.as_slice() {
            [only] => Ok(only),
            _ => Err(Failure::usage("an identity token is for exactly one --resource")),
        }
    }

    /// The resources that are parameters: in the drawing's form the actor token names it.
    pub(super) fn resources(&self) -> &[ResourceIdentifier] {
        match self.actor_token_form {
            Some((_, ActorForm::Target)) => &[],
            _ => &self.resource,
        }
    }
}
