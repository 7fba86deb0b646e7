//! `countersign jwk`

use std::io;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use countersign_jwt::jwks::KeySetError;
use countersign_jwt::{Algorithm, KeyError, KeySet, PublicKey, SigningKey, convert};
use countersign_types::wire::causes;
use serde_json::{Value, json};

use super::batch::{self, Check, Given, Judged, Key};
use super::input::KeyFile;
use crate::failure::{Code, Failure};
use crate::output::Output;
use crate::private_file;

const GENERATE: &str = "\
Examples:
  countersign jwk generate --out client.jwk      # for you alone
  countersign jwk generate --alg Ed25519 --pem --out key.pem
  countersign jwk public client.jwk > jwks.json  # what to publish";

const CHECK: &str = "\
Every key must be one this project would use, for signatures, MACs or encryption: a supported \
algorithm, a sound and strong key, no two keys of one kid, no secret keys beside public ones. What \
is told of a key includes its half: a set with private keys is not to be published.

Examples:
  countersign jwk check client.jwk
  curl -s https://sts.alice.example/jwks | countersign jwk check -

With --batch, one JSON object a line is read from standard input, and one answered a line, in order:
  {\"id\":1,\"jwk\":{…}}                    or \"jwks\":{\"keys\":[…]}
  {\"id\":1,\"ok\":true}
  {\"id\":1,\"ok\":false,\"error\":\"weak_key\",\"reason\":\"…\"}
Codes of errors are listed by `countersign jwt verify --help`.";

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
    /// Algorithm
    #[arg(long, value_name = "ALG", default_value = "ES256", value_parser = algorithm())]
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

/// A name of a closed list, which the help shows and the shell completes.
pub(crate) fn one_of<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.iter().map(move |known| name(*known))).try_map(move |text| {
        all.iter().copied().find(|known| name(*known) == text).ok_or("not on the list")
    })
}

pub(crate) fn algorithm() -> impl TypedValueParser<Value = Algorithm> {
    one_of(Algorithm::ALL, Algorithm::name)
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
    private_file::write_new(path, text).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::usage(format!("{} exists; a key is not overwritten", path.display()))
        }
        _ => Failure::internal(format!("{} was not written", path.display()), error),
    })
}

fn check(file: &Path, out: Output) -> Result<(), Failure> {
    let read = KeyFile::read(file)?;
    let no = |reason: &str| Failure::new(Code::No, format!("{}: {reason}", file.display()));
    let described: Vec<Described> = if is_pem(read.octets()) {
        Keys::parse(read.octets()).map_err(|reason| no(&reason))?.into()
    } else {
        let text = std::str::from_utf8(read.octets()).map_err(|_| no("neither PEM nor UTF-8"))?;
        let is_set = countersign_jwt::json::parse_object(text.as_bytes())
            .map_err(|error| no(&format!("neither PEM nor a JWK: {}", causes(&error))))?
            .contains_key("keys");
        let given = if is_set { Given::Set(text) } else { Given::One(text) };
        let judged = batch::judge(given).map_err(|refused| no(refused.reason()))?;
        judged.iter().map(Described::of).collect()
    };
    if described.iter().any(|key| key.half != PUBLIC) {
        read.check_private()?;
    }
    let lines: Vec<_> = described.iter().map(Described::line).collect();
    let keys: Vec<_> = described.iter().map(Described::json).collect();
    out.result(&lines.join("\n"), &json!({ "keys": keys }))
}

const PUBLIC: &str = "public";
const PRIVATE: &str = "private";
const SHARED: &str = "shared";

/// What is told of a key that is in order.
struct Described {
    half: &'static str,
    alg: Option<String>,
    kid: Option<String>,
    /// A hash of a shared key could tell it; of one for encryption it is not made.
    thumbprint: Option<String>,
}

impl Described {
    fn of(judged: &Judged) -> Self {
        let other = |half, alg: Option<&str>| Self {
            half: if judged.is_shared { SHARED } else { half },
            alg: judged.alg.as_deref().or(alg).map(str::to_owned),
            kid: judged.kid.clone(),
            thumbprint: None,
        };
        match &judged.key {
            Key::Signs(key) => Self::of_signature(PRIVATE, key.public()),
            Key::Verifies(key) => Self::of_signature(PUBLIC, key),
            Key::Authenticates => other(SHARED, None),
            // What a shared key without alg is for, those who share it know.
            Key::Decrypts(_) if judged.is_shared => other(SHARED, None),
            Key::Decrypts(key) => other(PRIVATE, Some(key.key_management().name())),
            Key::Encrypts(key) => other(PUBLIC, Some(key.key_management().name())),
        }
    }

    fn of_signature(half: &'static str, key: &PublicKey) -> Self {
        Self {
            half,
            alg: Some(key.algorithm().name().to_owned()),
            kid: key.kid().map(str::to_owned),
            thumbprint: Some(key.thumbprint().to_base64url()),
        }
    }

    fn line(&self) -> String {
        let (alg, kid) = (self.alg.as_deref(), self.kid.as_deref());
        let line = format!("ok  {}  {}  kid {}", alg.unwrap_or("-"), self.half, kid.unwrap_or("-"));
        match &self.thumbprint {
            Some(thumbprint) => format!("{line}  thumbprint {thumbprint}"),
            None => line,
        }
    }

    fn json(&self) -> Value {
        json!({
            "kid": self.kid, "alg": self.alg, "private": self.half != PUBLIC, "half": self.half,
            "thumbprint": self.thumbprint,
        })
    }
}

impl From<Keys> for Vec<Described> {
    fn from(keys: Keys) -> Self {
        match keys {
            Keys::Private(key) => vec![Described::of_signature(PRIVATE, key.public())],
            Keys::Public(keys) => {
                keys.iter().map(|key| Described::of_signature(PUBLIC, key)).collect()
            }
        }
    }
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
    /// Reads a JWK, a JWK set or a PEM file. Others than its owner may read only public keys in it.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let read = KeyFile::read(file)?;
        let keys = Self::parse(read.octets())
            .map_err(|reason| Failure::new(Code::No, format!("{}: {reason}", file.display())))?;
        if matches!(keys, Self::Private(_)) {
            read.check_private()?;
        }
        Ok(keys)
    }

    pub(crate) fn parse(octets: &[u8]) -> Result<Self, String> {
        if is_pem(octets) {
            if let Ok(key) = convert::private_key_from_pem(octets, None, None) {
                return Ok(Self::Private(Box::new(key)));
            }
            let key = convert::public_key_from_pem(octets, None, None);
            return key.map(|key| Self::Public(vec![key])).map_err(|error| causes(&error));
        }
        let json: Value = serde_json::from_slice(octets)
            .map_err(|error| format!("neither PEM nor JSON (line {})", error.line()))?;
        if json.get("keys").is_some() {
            let set = KeySet::parse_own(octets).map_err(|error: KeySetError| causes(&error))?;
            return Ok(Self::Public(set.iter().cloned().collect()));
        }
        match PublicKey::from_json(octets) {
            Ok(key) => Ok(Self::Public(vec![key])),
            Err(KeyError::Private) => {
                let key = SigningKey::from_json(octets).map_err(|error| causes(&error))?;
                Ok(Self::Private(Box::new(key)))
            }
            Err(error) => Err(causes(&error)),
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
            .map_err(|error| causes(&error));
    }
    SigningKey::from_json(octets).map_err(|error| causes(&error))
}

fn is_pem(octets: &[u8]) -> bool {
    octets.trim_ascii_start().starts_with(b"-----BEGIN")
}
