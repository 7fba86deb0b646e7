//! `countersign jwk`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use countersign_jwt::jwks::KeySetError;
use countersign_jwt::{Algorithm, KeyError, KeySet, PublicKey, SigningKey, convert};
use serde_json::{Value, json};

use super::batch::{self, Check};
use super::input;
use crate::failure::{Code, Failure};
use crate::output::Output;
use crate::session::write_private;

const GENERATE: &str = "\
Examples:
  countersign jwk generate --out client.jwk          a private key, readable by you alone
  countersign jwk generate --alg Ed25519 --pem --out key.pem
  countersign jwk public client.jwk > jwks.json      what to publish";

const CHECK: &str = "\
Every key must be one this project would use: a supported algorithm, a sound and strong key, no
two keys of one kid. A set that holds private keys is not fit to be published, and is refused.

Examples:
  countersign jwk check client.jwk
  curl -s https://sts.alice.example/jwks | countersign jwk check -

With --batch, one JSON object a line is read from standard input, and one answered a line, in order:
  {\"id\":1,\"jwk\":{…}}                    or \"jwks\":{\"keys\":[…]}
  {\"id\":1,\"ok\":true}
  {\"id\":1,\"ok\":false,\"error\":\"weak_key\",\"reason\":\"…\"}
Keys of every kind that is used here are in order: for signatures, for MACs, for encryption; public,
private or shared. A set is of public keys or of secret ones. Codes of errors are listed by
`countersign jwt verify --help`.";

/// What to do with keys.
#[derive(Subcommand, Debug)]
pub(crate) enum JwkCommand {
    /// Make a private key
    #[command(after_help = GENERATE)]
    Generate(GenerateArgs),
    /// Check a key or a key set, and say what is in it
    #[command(after_help = CHECK)]
    Check(CheckArgs),
    /// Print the public key set of a key or a key set
    Public(FileArgs),
    /// Print the SHA-256 thumbprint of a key (RFC 7638)
    Thumbprint(FileArgs),
}

#[derive(Args, Debug)]
pub(crate) struct GenerateArgs {
    /// Algorithm: ES256, ES384, RS256, PS256 or Ed25519
    #[arg(long, value_name = "ALG", default_value = "ES256", value_parser = algorithm)]
    alg: Algorithm,

    /// Key id [default: the thumbprint]
    #[arg(long)]
    kid: Option<String>,

    /// Write PEM (PKCS #8) in the place of a JWK
    #[arg(long)]
    pem: bool,

    /// File to write, which must not exist [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    keys: FileArgs,

    /// Answer questions from standard input, one JSON object a line
    #[arg(long, conflicts_with = "file")]
    batch: bool,
}

#[derive(Args, Debug)]
pub(crate) struct FileArgs {
    /// A JWK, a JWK set or a PEM file; `-` for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
}

pub(crate) fn algorithm(name: &str) -> Result<Algorithm, String> {
    let names = || Algorithm::ALL.iter().map(|known| known.name()).collect::<Vec<_>>().join(", ");
    Algorithm::from_name(name).ok_or_else(|| format!("not one of {}", names()))
}

pub(crate) fn run(command: JwkCommand, out: Output) -> Result<(), Failure> {
    match command {
        JwkCommand::Generate(args) => generate(&args, out),
        JwkCommand::Check(args) if args.batch => batch::run(Check),
        JwkCommand::Check(args) => check(&args.keys.file, out),
        JwkCommand::Public(args) => {
            let keys = Keys::read(&args.file)?.public();
            let set = KeySet::from_keys(keys).map_err(|error| Failure::of(Code::No, error))?;
            let json = set.to_json();
            out.result(&format!("{json:#}"), &json)
        }
        JwkCommand::Thumbprint(args) => thumbprint(&args.file, out),
    }
}

fn generate(args: &GenerateArgs, out: Output) -> Result<(), Failure> {
    let key = SigningKey::generate(args.alg, args.kid.as_deref())
        .map_err(|error| Failure::of(Code::Usage, error))?;
    let text = if args.pem {
        convert::private_key_to_pem(&key).map_err(|error| Failure::of(Code::Internal, error))?
    } else {
        let jwk = key.to_jwk().map_err(|error| Failure::of(Code::Internal, error))?;
        zeroize::Zeroizing::new(format!("{}\n", jwk.as_str()))
    };
    let Some(path) = &args.out else { return out.write(text.as_bytes()) };
    write_new(path, text.as_bytes())?;
    let kid = key.public().kid().unwrap_or_default();
    let text = format!("{} key {kid} written to {}", args.alg, path.display());
    out.result(&text, &json!({ "file": path, "kid": kid, "public": key.public().to_jwk() }))
}

/// Writes a key into a file of its user alone, which must not exist.
pub(crate) fn write_new(path: &Path, text: &[u8]) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::usage(format!("{} exists; a key is not overwritten", path.display())));
    }
    write_private(path, text)
        .map_err(|error| Failure::internal(format!("{} was not written", path.display()), error))
}

fn check(file: &Path, out: Output) -> Result<(), Failure> {
    let keys = Keys::read(file)?;
    let is_private = matches!(keys, Keys::Private(_));
    let mut lines = Vec::new();
    let mut described = Vec::new();
    for key in keys.public() {
        let half = if is_private { "private" } else { "public" };
        let (kid, alg) = (key.kid().unwrap_or("-"), key.algorithm());
        let thumbprint = key.thumbprint().to_base64url();
        lines.push(format!("ok  {alg}  {half}  kid {kid}  thumbprint {thumbprint}"));
        described.push(json!({
            "kid": key.kid(), "alg": alg.name(), "private": is_private, "thumbprint": thumbprint,
        }));
    }
    out.result(&lines.join("\n"), &json!({ "keys": described }))
}

fn thumbprint(file: &Path, out: Output) -> Result<(), Failure> {
    let thumbprints: Vec<String> =
        Keys::read(file)?.public().iter().map(|key| key.thumbprint().to_base64url()).collect();
    out.result(&thumbprints.join("\n"), &json!({ "thumbprints": thumbprints }))
}

/// What a file of keys holds.
pub(crate) enum Keys {
    Private(Box<SigningKey>),
    Public(Vec<PublicKey>),
}

impl Keys {
    /// Reads a JWK, a JWK set or a PEM file.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        Self::parse(&input::octets(file)?)
            .map_err(|reason| Failure::new(Code::No, format!("{}: {reason}", file.display())))
    }

    pub(crate) fn parse(octets: &[u8]) -> Result<Self, String> {
        if is_pem(octets) {
            if let Ok(key) = convert::private_key_from_pem(octets, None, None) {
                return Ok(Self::Private(Box::new(key)));
            }
            let key = convert::public_key_from_pem(octets, None, None);
            return key.map(|key| Self::Public(vec![key])).map_err(|error| chain(&error));
        }
        let json: Value = serde_json::from_slice(octets)
            .map_err(|error| format!("neither PEM nor JSON (line {})", error.line()))?;
        if json.get("keys").is_some() {
            let set = KeySet::parse_own(octets).map_err(|error: KeySetError| chain(&error))?;
            return Ok(Self::Public(set.iter().cloned().collect()));
        }
        match PublicKey::from_json(octets) {
            Ok(key) => Ok(Self::Public(vec![key])),
            Err(KeyError::Private) => {
                let key = SigningKey::from_json(octets).map_err(|error| chain(&error))?;
                Ok(Self::Private(Box::new(key)))
            }
            Err(error) => Err(chain(&error)),
        }
    }

    pub(crate) fn public(self) -> Vec<PublicKey> {
        match self {
            Self::Private(key) => vec![key.public().clone()],
            Self::Public(keys) => keys,
        }
    }
}

/// Reads a private key: a JWK, or PEM.
pub(crate) fn parse_private(
    octets: &[u8],
    algorithm: Option<Algorithm>,
    kid: Option<&str>,
) -> Result<SigningKey, String> {
    if is_pem(octets) {
        return convert::private_key_from_pem(octets, algorithm, kid)
            .map_err(|error| chain(&error));
    }
    SigningKey::from_json(octets).map_err(|error| chain(&error))
}

fn is_pem(octets: &[u8]) -> bool {
    octets.trim_ascii_start().starts_with(b"-----BEGIN")
}

/// An error and its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let texts = std::iter::successors(Some(error), |error| (*error).source());
    texts.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
