//! How the program ends when it does not succeed.

use std::error::Error;

use countersign_client::token_endpoint::TokenError;
use countersign_client::{ClientError, PropagationError};
use countersign_fetch::FetchError;
use countersign_host::ConfigError;
use oauth2::RequestTokenError;

/// The exit codes, as `--help` lists them. `2` is clap's, for a wrong command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The answer is no: an HTTP error status, a token or key that is refused or is none, no
    /// issuer.
    No = 1,
    /// Wrong input: command line, input file.
    Usage = 2,
    /// Configuration, session or secret cannot be used.
    Configuration = 3,
    /// A peer cannot be reached, or failed.
    Unavailable = 4,
    /// A peer broke the protocol, and the client stopped.
    Protocol = 5,
    /// An authorization server refused, whatever it was asked for, or the person asked said no.
    Denied = 6,
    /// The resource owner has been asked.
    Submitted = 7,
    /// The machine failed: a file that cannot be written, no memory.
    Internal = 70,
    /// A signal ended the demo before its end.
    Interrupted = 130,
}

/// The table of exit codes.
pub(crate) const TABLE: &str = "\
Exit codes:
  0   done
  1   the answer is no: an HTTP status of 400 or more, a token or key that is
      refused or is none, an address without an issuer, a demo that differs
  2   the command line or its input is wrong
  3   configuration, secret or session cannot be used; not signed in
  4   a server cannot be reached or failed
  5   a server broke the protocol, and the client stopped
  6   an authorization server refused, access or a token, or nobody approved
      where claims would go
  7   the resource owner has been asked; try again later
  70  the machine failed
  130 a signal ended the demo before its end";

/// A failure: one line, its causes, an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
    error: Option<Box<dyn Error + Send + Sync>>,
    /// Whether the message is the error's own text, so that only its sources are left to be said.
    said: bool,
}

impl Failure {
    /// A failure that has no cause but itself.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), error: None, said: false }
    }

    /// A failure that an error explains.
    pub(crate) fn caused(
        code: Code,
        message: impl Into<String>,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { code, message: message.into(), error: Some(error.into()), said: false }
    }

    /// A failure that is an error.
    pub(crate) fn of(code: Code, error: impl Error + Send + Sync + 'static) -> Self {
        Self { code, message: error.to_string(), error: Some(Box::new(error)), said: true }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    pub(crate) fn internal(
        message: impl Into<String>,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::caused(Code::Internal, message, error)
    }

    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// What happened and, behind a colon, its immediate cause: one line.
    pub(crate) fn line(&self) -> String {
        let message = one_line(&self.message);
        match self.causes().first() {
            Some(cause) => format!("{message}: {cause}"),
            None => message,
        }
    }

    /// Those behind the one that the line ends with.
    pub(crate) fn further_causes(&self) -> Vec<String> {
        self.causes().into_iter().skip(1).collect()
    }

    /// The causes, the nearest first.
    pub(crate) fn causes(&self) -> Vec<String> {
        let error = self.error.as_ref().map(|error| error.as_ref() as &(dyn Error + 'static));
        std::iter::successors(error, |error: &&(dyn Error + 'static)| (*error).source())
            .skip(usize::from(self.said))
            .map(|error| one_line(&said(error)))
            .collect()
    }
}

/// What an error says; of a token endpoint that refused, its own words and not those of the library
/// about them.
fn said(error: &(dyn Error + 'static)) -> String {
    let boxed = || error.downcast_ref::<Box<TokenError<FetchError>>>().map(Box::as_ref);
    match error.downcast_ref::<TokenError<FetchError>>().or_else(boxed) {
        Some(RequestTokenError::ServerResponse(said)) => said.to_string(),
        _ => error.to_string(),
    }
}

/// Text that may be another party's, fit for one line of a terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::of(Code::Configuration, error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NotApproved(issuer) => Self::new(
                Code::Denied,
                format!("sending your e-mail address to {issuer} was not approved (--yes does)"),
            ),
            ClientError::NotRegistered(issuer) => Self::new(
                Code::Configuration,
                format!(
                    "no client is configured for {issuer}: [[authorization_server]] or [elsewhere]"
                ),
            ),
            error => Self::of(client_code(&error), error),
        }
    }
}

/// The exit code of a request that did not get in.
pub(crate) fn client_code(error: &ClientError) -> Code {
    match error {
        ClientError::Request(_) => Code::Usage,
        ClientError::SubjectToken(_) | ClientError::Sign(_) => Code::Configuration,
        ClientError::Fetch { .. } => Code::Unavailable,
        ClientError::Metadata { source, .. } if source.is_temporary() => Code::Unavailable,
        ClientError::ResourceMetadata { source, .. } if source.is_temporary() => Code::Unavailable,
        ClientError::Exchange { source, .. } | ClientError::Grant { source, .. } => {
            token_code(source)
        }
        ClientError::Claims { status, .. } if status.is_server_error() => Code::Unavailable,
        ClientError::Claims { source: Some(_), .. } => Code::Denied,
        ClientError::Denied { .. } | ClientError::NeedInfo { .. } => Code::Denied,
        ClientError::Submitted(_) => Code::Submitted,
        _ => Code::Protocol,
    }
}

impl From<PropagationError> for Failure {
    fn from(error: PropagationError) -> Self {
        let code = match &error {
            PropagationError::Request(_) => Code::Usage,
            PropagationError::SubjectToken(_)
            | PropagationError::NoEmail
            | PropagationError::Sign(_) => Code::Configuration,
            PropagationError::Discovery(source) => client_code(source),
            PropagationError::Exchange { source, .. } => token_code(source),
            PropagationError::Fetch(_) => Code::Unavailable,
            _ => Code::Protocol,
        };
        Self::of(code, error)
    }
}

/// The rules by which a token endpoint refused, where it says so.
pub(crate) fn exchange_refusal(error: &TokenError<FetchError>) -> Option<&[String]> {
    match error {
        RequestTokenError::ServerResponse(said) => said.delegation_rules.as_deref(),
        _ => None,
    }
}

/// An answer of a token endpoint is a no; no answer is a failure of the server.
pub(crate) const fn token_code(error: &TokenError<FetchError>) -> Code {
    match error {
        RequestTokenError::ServerResponse(_) => Code::Denied,
        RequestTokenError::Request(_) => Code::Unavailable,
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => Code::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner\n\u{1b}[31m")]
    struct Inner;

    #[test]
    fn a_line_is_what_happened_and_why() {
        assert_eq!(Failure::usage("no").line(), "no");
        assert_eq!(Failure::of(Code::No, Outer(Inner)).line(), "outer: inner??[31m");
        let failure = Failure::caused(Code::No, "it failed", Outer(Inner));
        assert_eq!(failure.line(), "it failed: outer");
        assert_eq!(failure.causes(), ["outer", "inner??[31m"]);
        assert_eq!(failure.further_causes(), ["inner??[31m"]);
    }

    #[test]
    fn a_token_endpoint_that_refused_is_quoted() {
        let refused = || {
            let said = r#"{"error":"invalid_request","error_description":"no such token"}"#;
            TokenError::<FetchError>::ServerResponse(serde_json::from_str(said).unwrap())
        };
        let expected = "it failed: invalid_request: no such token";
        assert_eq!(Failure::caused(Code::Denied, "it failed", refused()).line(), expected);
        let issuer = countersign_types::Issuer::parse("https://sts.example").unwrap();
        let error = ClientError::Exchange { issuer, source: Box::new(refused()) };
        let line = Failure::from(error).line();
        assert!(line.ends_with("token: invalid_request: no such token"), "{line}");
    }

    #[test]
    fn a_party_that_cannot_be_found_is_named_with_the_reason() {
        let issuer = countersign_types::Issuer::parse("https://sts.example").unwrap();
        let error = || ClientError::NoTokenEndpoint(issuer.clone());
        let failure = Failure::from(PropagationError::Discovery(Box::new(error())));
        assert_eq!(failure.line(), Failure::from(error()).line());
        assert!(failure.line().contains("https://sts.example"), "{}", failure.line());
    }

    #[test]
    fn the_table_has_every_code() {
        for code in [
            Code::No,
            Code::Usage,
            Code::Configuration,
            Code::Unavailable,
            Code::Protocol,
            Code::Denied,
            Code::Submitted,
            Code::Internal,
            Code::Interrupted,
        ] {
            let number = format!("\n  {} ", code as u8);
            assert!(TABLE.contains(&number), "{code:?}");
        }
    }
}
