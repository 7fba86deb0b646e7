//! The claims token: first everything that needs no key, then who speaks for the e-mail address,
//! then the signature.

use countersign_claims_token::read::{self, ClaimsTokenError, Expected, Step as TokenStep};
use countersign_jwt::KeySet;
use countersign_types::secret::TicketHandle;
use countersign_types::wire::causes;
use countersign_types::{EmailAddress, Issuer, ResourceIdentifier};

use super::{AwaitingIssuer, AwaitingKeys, AwaitingPolicy, Core, Ended, refused};
use crate::case::PersonId;
use crate::check::{Step, token_failed, token_passed};
use crate::grant::{Denial, GrantError, RefusedTarget};
use crate::person::{NamedBy, Person};

impl<'a> Core<'a> {
    /// The checks of the claims token that need no key.
    pub(super) fn check_token(
        mut self: Box<Self>,
        token: &str,
        ticket: &TicketHandle,
        resource: Option<&ResourceIdentifier>,
    ) -> Result<AwaitingIssuer<'a>, Box<Ended>> {
        let facts = self.facts;
        let own = facts.resource_server.resource_identifiers.as_slice();
        // Where the request names an identifier, the claim is to be the same one.
        let resources = resource.map_or(own, std::slice::from_ref);
        let expected = Expected::new(&facts.settings.issuer, ticket, resources, facts.now)
            .with_client(facts.client.id())
            .with_max_lifetime(facts.settings.claims_token_lifetime);
        let claims = match read::check(token, &expected) {
            Ok(claims) => claims,
            Err(error) => {
                self.token_steps_before(error.step());
                return Err(self.token_refused(&error, resource.is_some()));
            }
        };
        self.token_steps_before(TokenStep::DiscoveredIssuer);
        if !facts.settings.hears(claims.issuer(), claims.email()) {
            self.checks.push(Step::Allowed.failed(claims.issuer().as_str()));
            return Err(self.refuse(Denial::Issuer));
        }
        self.checks.push(Step::Allowed.passed(claims.issuer().as_str()));
        Ok(AwaitingIssuer { core: self, claims })
    }

    fn token_steps_before(&mut self, step: TokenStep) {
        let passed = TokenStep::ALL.iter().filter(|passed| **passed < step);
        self.checks.extend(passed.map(|passed| token_passed(*passed)));
    }

    /// The answer to a claims token that is refused: `invalid_target` if it was made for another
    /// resource server, or if neither it nor the request names one; `need_info` otherwise.
    fn token_refused(mut self, error: &ClaimsTokenError, resource_named: bool) -> Box<Ended> {
        self.checks.push(token_failed(error.step(), causes(error)));
        let target = match error {
            ClaimsTokenError::Resource => Some(RefusedTarget::Claim),
            ClaimsTokenError::ResourceMissing | ClaimsTokenError::Malformed(_)
                if !resource_named =>
            {
                Some(RefusedTarget::Missing)
            }
            _ => None,
        };
        match target {
            Some(target) => refused(GrantError::Target(target), self.checks),
            None => self.need_claims(reason(error.step()), None),
        }
    }
}

impl<'a> AwaitingIssuer<'a> {
    /// The address whose domain names the issuer. It is not verified yet.
    #[must_use]
    pub const fn email(&self) -> &EmailAddress {
        self.claims.email()
    }

    /// Who speaks for the address as the administrator says, without its domain being asked.
    #[must_use]
    pub fn host(&self) -> Option<&Issuer> {
        self.core.facts.settings.issuers.host(self.claims.email())
    }

    /// The e-mail address's domain names `issuer`, as the service found out, or it is its
    /// [host](Self::host). The owner is shown by what.
    ///
    /// # Errors
    /// The end of the assessment: the claims token is from another issuer. `required_claims` names
    /// the right one.
    pub fn discovered(
        mut self,
        issuer: &Issuer,
        named_by: NamedBy,
    ) -> Result<AwaitingKeys<'a>, Box<Ended>> {
        let domain = self.claims.email().domain();
        self.core.checks.push(Step::Discovery.passed([domain, ": ", issuer.as_str()].concat()));
        if self.claims.issuer() != issuer {
            let note = format!("iss is {}", self.claims.issuer());
            self.core.checks.push(token_failed(TokenStep::DiscoveredIssuer, note));
            let reason = reason(TokenStep::DiscoveredIssuer);
            return Err(self.core.need_claims(reason, Some(issuer.clone())));
        }
        self.core.checks.push(token_passed(TokenStep::DiscoveredIssuer));
        let Self { core, claims } = self;
        Ok(AwaitingKeys { core, claims, issuer: issuer.clone(), named_by })
    }

    /// No issuer was found. The address was the peer's to choose, so this is the peer's failure and
    /// not ours: `need_info`.
    #[must_use]
    pub fn not_discovered(mut self, why: impl Into<String>) -> Box<Ended> {
        self.core.checks.push(Step::Discovery.failed(why));
        self.core.need_claims("no issuer was found for the e-mail address", None)
    }
}

impl<'a> AwaitingKeys<'a> {
    /// The key that the claims token says it is signed with.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.claims.key_id()
    }

    /// Verifies the signature with the keys of the issuer that was discovered.
    ///
    /// # Errors
    /// The end of the assessment: the signature is not by any of the keys, or the claims are of
    /// another person than those that the process holds.
    pub fn verify(self, keys: &KeySet) -> Result<AwaitingPolicy<'a>, Box<Ended>> {
        let Self { mut core, claims, issuer, named_by } = self;
        core.checks.push(Step::Keys.passed(""));
        let verified = match claims.verify(keys, &issuer) {
            Ok(verified) => verified,
            Err(error) => return Err(core.token_refused(&error, true)),
        };
        core.checks.push(token_passed(TokenStep::Signature));
        // An RPT for it would have to be bound to the same key, and the client would have to prove
        // that it has it; dropping the binding would let a stolen token in.
        if verified.claims().get("cnf").is_some() {
            core.checks.push(Step::Confirmation.failed("cnf is not supported"));
            return Err(core.need_claims("the claims token is bound to a key", None));
        }
        // One of the resource server's identifiers, as `read::check` found out.
        if let Ok(Some(named)) = verified.claims().str("resource")
            && named != core.audience.as_str()
        {
            let mut own = core.facts.resource_server.resource_identifiers.iter();
            if let Some(named) = own.find(|own| own.as_str() == named) {
                core.audience = named.clone();
            }
        }
        let mut person = core.facts.settings.issuers.heard(Person::from_verified(&verified));
        person.vouching.named_by = Some(named_by);
        person.vouching.verified = Some(core.facts.now);
        let kept = core.process.kept().is_none_or(|kept| kept.person.is_same(&person));
        let waiting = core.process.waiting().is_none_or(|w| w.person == PersonId::of(&person));
        if !(kept && waiting) {
            core.checks.push(Step::Person.failed("another person than in an earlier round"));
            return Err(core.refuse(Denial::AnotherPerson));
        }
        core.checks.push(Step::Person.passed(person.email.as_str()));
        Ok(AwaitingPolicy { core, person: Some(person), is_new: true })
    }

    /// The keys could not be had: the peer's failure, `need_info`.
    #[must_use]
    pub fn no_keys(mut self, why: impl Into<String>) -> Box<Ended> {
        self.core.checks.push(Step::Keys.failed(why));
        self.core.need_claims("the keys of the issuer are not available", Some(self.issuer))
    }
}

/// What the client is told of a claims token that is refused: which of the checks, and no more.
const fn reason(step: TokenStep) -> &'static str {
    match step {
        TokenStep::Syntax => "the claims token is malformed",
        TokenStep::Resource => "the claims token names no resource",
        TokenStep::TokenType => "the claims token is of the wrong type",
        TokenStep::TicketChallenge => "the claims token is not bound to this permission ticket",
        TokenStep::Audience => "the claims token is not for this authorization server alone",
        TokenStep::Lifetime => "the claims token is not valid now, or lacks a claim",
        TokenStep::Issuer => "the claims token has no valid issuer",
        TokenStep::Email => "the claims token has no verified e-mail address",
        TokenStep::Client => "the claims token was issued to another client",
        TokenStep::DiscoveredIssuer => {
            "the issuer of the claims token is not that of the e-mail address"
        }
        TokenStep::Signature => "the signature of the claims token is not valid",
    }
}
