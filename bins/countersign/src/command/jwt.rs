//! `countersign jwt`

mod decode;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use countersign_fetch::{Limits, Request};
use countersign_host::Seams;
use countersign_jwt::{Algorithm, KeySet, Policy, Typ, Unverified, Verified};
use countersign_types::{EndpointUrl, Lifetime, Timestamp, random};
use serde_json::{Map, Value, json};

use super::batch::{self, Verify};
use super::input;
use super::jwk::{Keys, algorithm, parse_private};
use crate::cli::Global;
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::Output;

const DECODE: &str = "\
Nothing is verified: what is shown is what the token says of itself. A reason why this project's \
own reader would refuse it is told on standard error.

Examples:
  countersign jwt decode < token
  countersign jwt decode eyJhbGciOi…";

const VERIFY: &str = "\
Asking for a check makes the claim required. exp is always required. Without --typ the type is not \
checked, and a token made for another purpose passes: name it where you know it.

Examples:
  countersign jwt verify --keys jwks.json --typ at+jwt \\
      --issuer https://sts.alice.example < token
  countersign jwt verify --keys https://sts.alice.example/jwks \\
      --audience https://uma.bob.example \\
      --sole-audience --typ uma-claims+jwt < token

With --batch, one JSON object a line is read from standard input, and one answered a line, in order:
  {\"id\":1,\"jwk\":{…},\"token\":\"…\"}           or \"jwks\":{\"keys\":[…]}
  {\"id\":1,\"ok\":true,\"alg\":\"ES256\",\"payload\":\"<base64url>\"}
  {\"id\":1,\"ok\":false,\"error\":\"bad_signature\",\"reason\":\"…\"}
The signature or MAC is verified under the rules of the key; claims are not judged, and the \
payload may be any octets. A key without alg is for the algorithm that the token names, if keys of \
its type are; one for Ed25519 then also takes the old name EdDSA, as one with alg EdDSA does. Of a \
private key the public half verifies. Of a set, keys of one kid are left out, and a set that mixes \
public and secret keys is refused. A line that is no question is answered with \"id\":null.";

/// [`VERIFY`], and the codes by which a batch says no.
fn verify_help() -> String {
    let mut help =
        format!("{VERIFY}\n\nCodes of errors, all there are; the README says what each means:\n ");
    let mut width = 1;
    for code in batch::codes() {
        if width + 1 + code.len() > 79 {
            help.push_str("\n ");
            width = 1;
        }
        help.push(' ');
        help.push_str(code);
        width += 1 + code.len();
    }
    help
}

const SIGN: &str = "\
The claims are a JSON object. --expires-in adds iat, exp and, if there is none, jti.

Examples:
  echo '{\"iss\":\"rqp\",\"sub\":\"rqp\",\"aud\":\"https://uma.bob.example\"}' |
      countersign jwt sign --key client.jwk --expires-in 60 \\
          --typ client-authentication+jwt
  countersign jwt sign --key key.pem --typ JWT --claims claims.json";

/// What to do with tokens.
#[derive(Subcommand, Debug)]
pub(crate) enum JwtCommand {
    /// Show what a token says, without verifying it
    #[command(after_help = DECODE)]
    Decode(TokenArgs),
    /// Verify a token's claims and signature
    #[command(after_help = verify_help())]
    Verify(VerifyArgs),
    /// Sign claims
    #[command(after_help = SIGN)]
    Sign(SignArgs),
}

#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    /// The token; without it, or for `-`, standard input
    pub(crate) token: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    token: TokenArgs,

    /// Keys: a JWK set, a JWK or a PEM file, or the https URL of a JWK set
    #[arg(long, value_name = "FILE|URL", required_unless_present = "batch")]
    keys: Option<String>,

    /// Answer questions from standard input, one JSON object a line
    #[arg(long, conflicts_with_all = [
        "token", "keys", "typ", "alg", "issuer", "audience", "sole_audience", "subject",
        "max_lifetime", "at",
    ])]
    batch: bool,

    /// The type the token must have
    #[arg(long)]
    typ: Option<String>,

    /// Algorithm that is accepted; may be repeated [default: all that are supported]
    #[arg(long, value_name = "ALG", value_parser = algorithm())]
    alg: Vec<Algorithm>,

    /// Who must have issued it
    #[arg(long)]
    issuer: Option<String>,

    /// For whom it must be
    #[arg(long)]
    audience: Option<String>,

    /// The audience must be the only one
    #[arg(long, requires = "audience")]
    sole_audience: bool,

    /// About whom it must be
    #[arg(long)]
    subject: Option<String>,

    /// Longest life in seconds, from iat to exp
    #[arg(long, value_name = "SECONDS")]
    max_lifetime: Option<u32>,

    /// Time to verify at, in seconds since 1970 [default: now]
    #[arg(long, value_name = "SECONDS")]
    at: Option<i64>,
}

#[derive(Args, Debug)]
pub(crate) struct SignArgs {
    /// Private key: a JWK or a PEM file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// Type of the token
    #[arg(long)]
    typ: String,

    /// Algorithm of a key in PEM, which names none [default: RS256 for RSA, else that of the curve]
    #[arg(long, value_name = "ALG", value_parser = algorithm())]
    alg: Option<Algorithm>,

    /// Key id for a PEM key [default: the thumbprint]
    #[arg(long)]
    kid: Option<String>,

    /// File with the claims, `-` for standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    claims: PathBuf,

    /// Add iat, exp and jti, for a life of so many seconds
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u32>,
}

pub(crate) async fn run(global: &Global, command: JwtCommand, out: Output) -> Result<(), Failure> {
    match command {
        JwtCommand::Decode(args) => decode::run(&args, out),
        JwtCommand::Verify(args) if args.batch => batch::run(Verify::new()),
        JwtCommand::Verify(args) => verify(global, &args, out).await,
        JwtCommand::Sign(args) => sign(&args, out),
    }
}

async fn verify(global: &Global, args: &VerifyArgs, out: Output) -> Result<(), Failure> {
    let Some(named) = &args.keys else { return Err(Failure::usage("--keys is missing")) };
    let keys = keys(global, named, out).await?;
    let text = input::text(args.token.token.as_deref())?;
    let now = args.at.map_or_else(|| Seams::system().clock.now(), Timestamp::from_unix);
    let verified = check(&text, args, &keys, now)?;
    let (header, claims) = (verified.header(), Value::Object(verified.claims().as_map().clone()));
    if args.typ.is_none() {
        out.remark("note: the type was not checked (--typ)");
    }
    let kid = header.kid().unwrap_or("-");
    let typ = header.typ().unwrap_or("-");
    out.result(
        &format!("verified: {} kid {kid} typ {typ}\n{claims:#}", header.algorithm()),
        &json!({
            "verified": true, "alg": header.algorithm().name(), "kid": header.kid(),
            "typ": header.typ(), "claims": claims,
        }),
    )
}

fn check(
    text: &str,
    args: &VerifyArgs,
    keys: &KeySet,
    now: Timestamp,
) -> Result<Verified, Failure> {
    let refused = "the token is refused";
    let token =
        Unverified::parse(text).map_err(|error| Failure::caused(Code::No, refused, error))?;
    // A type that nobody asked for is the token's own, or none.
    let own = token.header().typ().map(str::to_owned);
    let mut policy = match (&args.typ, &own) {
        (Some(typ), _) => Policy::new(Typ::Is(typ)),
        (None, Some(own)) => Policy::new(Typ::Is(own)),
        (None, None) => Policy::new(Typ::IsOrAbsent("JWT")),
    };
    if !args.alg.is_empty() {
        policy = policy.algorithms(&args.alg);
    }
    if let Some(issuer) = &args.issuer {
        policy = policy.issuer(issuer);
    }
    if let Some(audience) = &args.audience {
        policy = if args.sole_audience {
            policy.audience_sole(audience)
        } else {
            policy.audience_includes(audience)
        };
    }
    if let Some(subject) = &args.subject {
        policy = policy.subject(subject);
    }
    if let Some(seconds) = args.max_lifetime {
        policy = policy.max_lifetime(Lifetime::from_secs(seconds));
    }
    let checked =
        token.check(&policy, now).map_err(|error| Failure::caused(Code::No, refused, error))?;
    checked.verify(keys).map_err(|error| Failure::caused(Code::No, refused, error))
}

async fn keys(global: &Global, named: &str, out: Output) -> Result<KeySet, Failure> {
    if !named.starts_with("https://") {
        let keys = Keys::read(Path::new(named))?.public();
        return KeySet::from_keys(keys).map_err(|error| Failure::of(Code::Usage, error));
    }
    let url =
        EndpointUrl::parse(named).map_err(|error| Failure::caused(Code::Usage, named, error))?;
    let fetch = Config::load(global.config.as_deref())?.fetch();
    let response = fetch
        .fetch(Request::get(url, Limits::jwks()))
        .await
        .map_err(|error| Failure::caused(Code::Unavailable, named, error))?;
    let (keys, skipped) = KeySet::parse_foreign(response.body())
        .map_err(|error| Failure::caused(Code::Protocol, named, error))?;
    for key in skipped {
        out.remark(&format!("note: key number {} is left out: {}", key.index, key.reason));
    }
    Ok(keys)
}

fn sign(args: &SignArgs, out: Output) -> Result<(), Failure> {
    let key = input::private(&args.key)?;
    let key = parse_private(&key, args.alg, args.kid.as_deref())
        .map_err(|reason| Failure::usage(format!("{}: {reason}", args.key.display())))?;
    let claims = input::octets(&args.claims)?;
    let mut claims = countersign_jwt::json::parse_object(&claims)
        .map_err(|error| Failure::caused(Code::Usage, "the claims", error))?;
    if let Some(seconds) = args.expires_in {
        add_times(&mut claims, Lifetime::from_secs(seconds));
    }
    let token = countersign_jwt::sign(&args.typ, &key, &claims)
        .map_err(|error| Failure::of(Code::Usage, error))?;
    out.result(&token, &json!({ "token": token }))
}

fn add_times(claims: &mut Map<String, Value>, lifetime: Lifetime) {
    let Seams { clock, random } = Seams::system();
    let now = clock.now();
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("exp".to_owned(), json!(now.after(lifetime)));
    claims.entry("jti").or_insert_with(|| json!(random::identifier(random.as_ref())));
}
