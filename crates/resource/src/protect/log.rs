//! One line for every decision: who, what, where, and by what. None of them holds a token.
//!
//! Method, path, rule, resource and action stand in the span that all of this is logged in; what a
//! policy decides, the policy's own line says.

use countersign_types::WireError;
use countersign_types::secret::AccessToken;
use http::request::Parts;
use tracing::Span;

use super::answer::Answer;
use crate::bearer::RefusedCredentials;
use crate::caller::VerifiedCaller;
use crate::claimed::Claimed;
use crate::path::StrictPath;
use crate::routes::Requirement;

/// What a request is about.
pub(super) fn span(parts: &Parts, path: &StrictPath, rule: &str, needed: &Requirement) -> Span {
    tracing::info_span!(
        "access",
        method = %parts.method,
        path = path.as_str(),
        rule,
        resource = needed.resource.as_deref(),
        action = needed.action.as_ref().map(|action| action.name.as_str()),
        needed = %needed.scopes,
        role = needed.role.as_deref(),
    )
}

/// The rule asks for no more than what the caller has proved.
pub(super) fn admitted(caller: &VerifiedCaller, proved_by: &'static str) {
    tracing::info!(
        issuer = %caller.issuer(),
        subject = caller.subject(),
        client_id = caller.client_id(),
        actors = ?actors(caller),
        scopes = %caller.scopes(),
        proved_by,
        "admitted by the rule",
    );
}

/// The rule asks for more.
pub(super) fn lacks(caller: &VerifiedCaller, what: &str) {
    tracing::info!(
        issuer = %caller.issuer(),
        subject = caller.subject(),
        client_id = caller.client_id(),
        actors = ?actors(caller),
        scopes = %caller.scopes(),
        roles = ?caller.roles().collect::<Vec<_>>(),
        "refused: the token lacks {what}",
    );
}

/// The token or its proof is not accepted, or nobody can say what it is worth.
pub(super) fn not_accepted(
    token: &AccessToken,
    error: &(dyn WireError + 'static),
    check: Option<&'static str>,
) {
    let Claimed { issuer, subject, client_id, actor } = Claimed::by(token);
    let cause: &dyn std::error::Error = error;
    // The level is part of what a line is, and cannot be chosen at run time.
    macro_rules! line {
        ($level:expr, $words:literal) => {
            tracing::event!(
                $level,
                claimed.issuer = issuer,
                claimed.subject = subject,
                claimed.client_id = client_id,
                claimed.actor = actor,
                check,
                error = cause,
                $words
            )
        };
    }
    if error.wire().status.is_server_error() {
        line!(tracing::Level::WARN, "undecided: nothing can be said about a token");
    } else {
        line!(tracing::Level::INFO, "refused: the token is not accepted");
    }
}

/// What was answered to who proved nothing; what was wrong with a token has been said.
pub(super) fn turned_away(answer: &Answer) {
    match answer {
        Answer::NoCredentials => tracing::info!("refused: no credentials"),
        Answer::Credentials(RefusedCredentials { error, .. }) => {
            tracing::info!(%error, "refused: malformed credentials");
        }
        Answer::TooMany(error) => tracing::info!(%error, "refused: too many in vain"),
        _ => {}
    }
}

fn actors(caller: &VerifiedCaller) -> Vec<&str> {
    let Some(chain) = caller.actors() else { return Vec::new() };
    let all = std::iter::once(chain.current()).chain(chain.prior());
    all.map(|actor| actor.sub.as_str()).collect()
}
