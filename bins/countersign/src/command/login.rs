//! `countersign login`

mod browser;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use countersign_fetch::Fetch;
use countersign_host::Seams;
use countersign_login::{
    Credentials, LoginError, Loopback, Registration, RelyingParty, Tokens, headless,
};
use countersign_types::secret::Password;
use countersign_types::{Issuer, RedirectUri};
use serde_json::json;

use super::input;
use crate::cli::Global;
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::Output;
use crate::session::{self, Session, Sessions};

/// How long the person may take.
const PATIENCE: Duration = Duration::from_secs(300);

const OPENED: &str = "Sign in with the browser that opens. If none does, visit this address:";

const EXAMPLES: &str = "\
A browser does the signing in. At a terminal it is opened; the address is printed as well. This \
program takes the answer on a loopback port (RFC 8252). The tokens go to a file that only you can \
read.

For scripts, --headless fills the provider's sign-in form itself. The password comes from a file, \
from standard input (-) or from the environment variable COUNTERSIGN_PASSWORD, never from the \
command line.

Examples:
  countersign login https://sts.alice.example
  countersign login https://sts.alice.example --no-browser
  countersign login https://sts.alice.example --headless \\
      --username alice --password-file pw";

/// Arguments of `login`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LoginArgs {
    /// The provider [default: the configured one]
    #[arg(value_parser = Issuer::parse)]
    issuer: Option<Issuer>,

    /// Sign in without a browser
    #[arg(long, requires = "username")]
    headless: bool,

    /// Print the address to sign in at, and open no browser
    #[arg(long, conflicts_with = "headless")]
    no_browser: bool,

    /// User name for --headless
    #[arg(long, requires = "headless")]
    username: Option<String>,

    /// File with the password for --headless, `-` for standard input
    #[arg(long, value_name = "FILE", requires = "headless")]
    password_file: Option<PathBuf>,
}

pub(crate) async fn run(global: &Global, args: LoginArgs, out: Output) -> Result<(), Failure> {
    let config = Config::load(global.config.as_deref())?;
    let (provider, scope) = config.provider()?;
    if let Some(other) = args.issuer.as_ref().filter(|issuer| **issuer != provider.issuer) {
        let reason = format!("this is {}, and {other} was asked for", provider.issuer);
        return Err(config.refuse("provider.issuer", reason));
    }
    let client_id = provider.client_id.clone();
    let registration = Registration::new(client_id.clone(), provider.proof.clone());
    let path = session::path(global.session.as_deref())?;
    Sessions::check(&path)?;
    let Seams { clock, random } = Seams::system();
    let fetch = config.fetch();

    let party = RelyingParty::discover(fetch.clone(), &provider.issuer, registration)
        .await
        .map_err(failure)?;
    let receiver =
        Loopback::bind().await.map_err(|error| Failure::internal("no loopback port", error))?;
    let (url, pending) =
        party.begin(receiver.redirect_uri(), scope, random.as_ref()).map_err(failure)?;
    let answer = if let Some(credentials) = credentials(&args)? {
        fill_form(fetch.as_ref(), &url, receiver.redirect_uri(), &credentials).await?
    } else {
        let opened = !args.no_browser && out.is_interactive() && browser::open(&url);
        let lead = if opened { OPENED } else { "Visit this address to sign in:" };
        out.event(
            &format!("{lead}\n\n  {url}\n"),
            &json!({ "event": "sign_in", "url": url.as_str(), "opened": opened }),
        );
        receiver
            .receive(&pending, PATIENCE)
            .await
            .map_err(|error| Failure::of(Code::Denied, error))?
    };
    let tokens =
        party.finish(pending, &answer, clock.now(), random.as_ref()).await.map_err(failure)?;

    // Read now, since another login may have ended meanwhile.
    let mut sessions = Sessions::load(&path)?;
    let Tokens { access_token, expires_in, identity, .. } = tokens;
    let email = identity.email.filter(|_| identity.email_verified);
    let expires = expires_in.map(|lifetime| clock.now().after(lifetime));
    let session =
        Session::new(client_id, identity.subject.clone(), email.clone(), &access_token, expires);
    sessions.set(provider.issuer.clone(), session);
    sessions.save(&path)?;

    let name = email.as_ref().map_or(identity.subject.as_str(), |email| email.as_str());
    out.result(
        &format!("signed in as {name} at {}", provider.issuer),
        &json!({
            "issuer": provider.issuer, "sub": identity.subject, "email": email, "expires": expires,
        }),
    )
}

/// What to fill the provider's form with, if that was asked for.
fn credentials(args: &LoginArgs) -> Result<Option<Credentials>, Failure> {
    let Some(username) = args.username.clone().filter(|_| args.headless) else { return Ok(None) };
    let password = match (&args.password_file, password_variable()) {
        (Some(path), _) => {
            let octets = input::octets(path)?;
            let text = std::str::from_utf8(&octets)
                .map_err(|_| Failure::usage("the password is not UTF-8 text"))?;
            let line = text.strip_suffix('\n').unwrap_or(text);
            Password::new(line.strip_suffix('\r').unwrap_or(line))
        }
        (None, Some(password)) => password,
        (None, None) => {
            return Err(Failure::usage("--headless needs --password-file or COUNTERSIGN_PASSWORD"));
        }
    };
    Ok(Some(Credentials { username, password }))
}

#[expect(clippy::disallowed_methods, reason = "a script's way to hand over a password")]
fn password_variable() -> Option<Password> {
    std::env::var("COUNTERSIGN_PASSWORD").ok().map(Password::new)
}

async fn fill_form(
    fetch: &dyn Fetch,
    url: &countersign_types::EndpointUrl,
    redirect_uri: &RedirectUri,
    credentials: &Credentials,
) -> Result<String, Failure> {
    headless::sign_in(fetch, url, redirect_uri, credentials).await.map_err(|error| {
        let code = match &error {
            headless::HeadlessError::Refused => Code::Denied,
            headless::HeadlessError::Fetch(_) => Code::Unavailable,
            _ => Code::Protocol,
        };
        Failure::of(code, error)
    })
}

fn failure(error: LoginError) -> Failure {
    let code = match &error {
        LoginError::Fetch { .. } => Code::Unavailable,
        LoginError::Refused { .. } => Code::Denied,
        LoginError::Sign(_) => Code::Configuration,
        _ => Code::Protocol,
    };
    Failure::of(code, error)
}
