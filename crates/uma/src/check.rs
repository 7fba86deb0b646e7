//! The names of the checks, for logs and for people.

/// One check of an assessment and its result.
///
/// The note never holds a ticket, a token or a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked, in a few words.
    pub name: &'static str,
    /// The section that asks for it.
    pub section: &'static str,
    /// Whether it passed.
    pub passed: bool,
    /// What was found.
    pub note: String,
}

/// What an assessment checks beside the claims token itself, whose checks are
/// [`countersign_claims_token::read::Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Step {
    /// The token request is well-formed.
    Syntax,
    /// The client is authenticated, or identified if it is public, and may use the grant.
    Client,
    /// The ticket is live, unspent and this client's.
    Ticket,
    /// The client called the resource server that obtained the ticket.
    Resource,
    /// The requested scopes are registered for the client and at a resource of the ticket.
    Scope,
    /// The claim token is of a format that is understood.
    Format,
    /// The issuer is not on the list of those refused.
    Allowed,
    /// An issuer is found from the e-mail address's domain.
    Discovery,
    /// The keys of that issuer are at hand.
    Keys,
    /// The claims token is bound to no key, since nobody could prove one here.
    Confirmation,
    /// The claims are of the person whose claims the process holds.
    Person,
    /// The owner's policy permits what is asked.
    Policy,
    /// The owner, who was asked, permits it.
    Owner,
}

impl Step {
    /// The steps that come before an assessment has a ticket to work on.
    const EARLY: [Self; 3] = [Self::Syntax, Self::Client, Self::Ticket];

    /// What is checked, in a few words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The section that asks for it.
    #[must_use]
    pub const fn section(self) -> &'static str {
        self.row().1
    }

    /// The check, passed.
    #[must_use]
    pub fn passed(self, note: impl Into<String>) -> Check {
        Check { name: self.name(), section: self.section(), passed: true, note: note.into() }
    }

    /// The check, failed.
    #[must_use]
    pub fn failed(self, note: impl Into<String>) -> Check {
        Check { passed: false, ..self.passed(note) }
    }

    /// The checks of a request that ended at this early step: those before it passed.
    #[must_use]
    pub fn ended(self, note: impl Into<String>) -> Vec<Check> {
        let before = Self::EARLY.into_iter().filter(|step| *step < self);
        before.map(|step| step.passed("")).chain([self.failed(note)]).collect()
    }

    const fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Syntax => ("the token request is well-formed", "UMA Grant §3.3.1"),
            Self::Client => ("the client is who it says it is", "RFC 6749 §3.2.1"),
            Self::Ticket => {
                ("the ticket is live, unspent and this client's", "UMA Grant §5.5, PROFILE §6.2")
            }
            Self::Resource => ("resource is the resource server's", "PROFILE §6.2, RFC 8707 §2"),
            Self::Scope => ("the scopes are registered", "UMA Grant §3.3.4"),
            Self::Format => ("claim_token_format is understood", "UMA Grant §3.3.1"),
            Self::Allowed => ("the issuer is not refused here", "PROFILE §6.4"),
            Self::Discovery => ("the e-mail domain names an issuer", "OpenID Connect Discovery §2"),
            Self::Keys => ("the issuer's keys are at hand", "RFC 8414 §2"),
            Self::Confirmation => ("the claims token is bound to no key", "RFC 7800 §3"),
            Self::Person => ("the process has one person", "PROFILE §6.5"),
            Self::Policy => ("the owner's policy permits it", "UMA Grant §3.3.4"),
            Self::Owner => ("the owner, who is asked, permits it", "UMA Grant §3.3.6"),
        }
    }
}

/// A check of the claims token, passed.
pub(crate) fn token_passed(step: countersign_claims_token::read::Step) -> Check {
    Check { name: step.name(), section: step.section(), passed: true, note: String::new() }
}

/// A check of the claims token, failed.
pub(crate) fn token_failed(
    step: countersign_claims_token::read::Step,
    note: impl Into<String>,
) -> Check {
    Check { passed: false, note: note.into(), ..token_passed(step) }
}
