//! `countersign jwe`

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::builder::TypedValueParser;
use clap::{Args, Subcommand};
use countersign_jwt::jwe::{
    ContentEncryption, Curve, DecryptionKey, Encrypted, Encrypter, EncryptionKey, KeyManagement,
    NewKey,
};
use countersign_jwt::jwk::Wiped;
use countersign_jwt::jwks::RawKey;
use countersign_jwt::{KeyError, json};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::batch::{self, Decrypt, check_content};
use super::input::{self, KeyFile};
use super::jwk::{one_of, write_new};
use crate::failure::{Code, Failure};
use crate::output::Output;

const ENCRYPT: &str = "\
What is encrypted is read from --in, else from standard input, as it is: a line end at its end is \
part of it, unless --jwt says that it is a token. Whoever reads it learns nothing of who wrote it: \
sign first, then encrypt the token with --jwt.

Examples:
  countersign jwe encrypt --key recipient.jwk --in letter.txt > letter.jwe
  countersign jwt sign --key client.jwk --typ example+jwt \\
      --claims claims.json |
      countersign jwe encrypt --key recipient.jwk --jwt";

const DECRYPT: &str = "\
The plaintext is printed as it is. It says nothing of its author: anyone who knows the public key \
can have encrypted it. If cty announces a token, there has to be one, which is still to be verified.

Examples:
  countersign jwe decrypt --key private.jwk < letter.jwe
  countersign jwe decrypt --key private.jwk < token |
      countersign jwt verify --keys jwks.json

With --batch, one JSON object a line is read from standard input, and one answered a line, in order:
  {\"id\":1,\"jwk\":{…},\"token\":\"…\"}           or \"jwks\":{\"keys\":[…]}
  {\"id\":1,\"ok\":true,\"alg\":\"ECDH-ES\",\"payload\":\"<base64url>\"}
  {\"id\":1,\"ok\":false,\"error\":\"decryption_failed\",\"reason\":\"…\"}
A key without alg is for the algorithm that the token names, if keys of its type are. Codes of \
errors are listed by `countersign jwt verify --help`.";

const GENERATE: &str = "\
Examples:
  countersign jwe generate --crv X25519 --out private.jwk
  countersign jwe public private.jwk > recipient.jwk  # for who encrypts to you
  countersign jwe generate --alg A256KW --out shared.jwk  # for both sides";

/// What to do with encrypted tokens.
#[derive(Subcommand, Debug)]
pub(crate) enum JweCommand {
    /// Make a private or shared key to decrypt with
    #[command(after_help = GENERATE)]
    Generate(GenerateArgs),
    /// Print the public half of a private key, to encrypt with
    Public(PublicArgs),
    /// Encrypt octets, or a signed token, to a recipient
    #[command(after_help = ENCRYPT)]
    Encrypt(EncryptArgs),
    /// Decrypt
    #[command(after_help = DECRYPT)]
    Decrypt(DecryptArgs),
}

#[derive(Args, Debug)]
pub(crate) struct GenerateArgs {
    /// Key management algorithm
    #[arg(long, value_name = "ALG", value_parser = key_management(), default_value = "ECDH-ES")]
    alg: KeyManagement,

    /// Curve of a key for ECDH-ES
    #[arg(long, value_name = "CRV", value_parser = curve(), default_value = "P-256")]
    crv: Curve,

    /// Content encryption algorithm of a key for dir
    #[arg(long, value_name = "ENC", value_parser = content_encryption(), default_value = "A256GCM")]
    enc: ContentEncryption,

    /// Key id [default: the thumbprint, or none for a shared key]
    #[arg(long)]
    kid: Option<String>,

    /// File to write, which must not exist [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct PublicArgs {
    /// Private key: a JWK file; `-` for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct EncryptArgs {
    /// The recipient's public key, or a shared one: a JWK file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// Key management algorithm, for a key that names none
    #[arg(long, value_name = "ALG", value_parser = key_management())]
    alg: Option<KeyManagement>,

    /// Content encryption algorithm
    #[arg(long, value_name = "ENC", value_parser = content_encryption(), default_value = "A256GCM")]
    enc: ContentEncryption,

    /// The type of the whole, for the header
    #[arg(long)]
    typ: Option<String>,

    /// The type of what is inside, for the header
    #[arg(long, conflicts_with = "jwt")]
    cty: Option<String>,

    /// What is inside is a signed token; the header says so
    #[arg(long)]
    jwt: bool,

    /// File with what is to be encrypted, `-` for standard input
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    input: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct DecryptArgs {
    /// The encrypted token; without it, or for `-`, standard input
    token: Option<String>,

    /// Private or shared key: a JWK file
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    key: Option<PathBuf>,

    /// Key management algorithm, for a key that names none
    #[arg(long, value_name = "ALG", value_parser = key_management())]
    alg: Option<KeyManagement>,

    /// Answer questions from standard input, one JSON object a line
    #[arg(long, conflicts_with_all = ["token", "key", "alg"])]
    batch: bool,
}

pub(crate) fn run(command: JweCommand, out: Output) -> Result<(), Failure> {
    match command {
        JweCommand::Generate(args) => generate(&args, out),
        JweCommand::Public(args) => public(&args, out),
        JweCommand::Encrypt(args) => encrypt(&args, out),
        JweCommand::Decrypt(args) if args.batch => batch::run(Decrypt::new()),
        JweCommand::Decrypt(args) => decrypt(&args, out),
    }
}

fn generate(args: &GenerateArgs, out: Output) -> Result<(), Failure> {
    let kind = match args.alg {
        KeyManagement::Dir => NewKey::Dir(args.enc),
        KeyManagement::A256Kw => NewKey::A256Kw,
        KeyManagement::EcdhEs => NewKey::EcdhEs(args.crv),
        KeyManagement::EcdhEsA256Kw => NewKey::EcdhEsA256Kw(args.crv),
        KeyManagement::RsaOaep256 => NewKey::RsaOaep256,
        other => return Err(Failure::usage(format!("no keys are made for {other}"))),
    };
    let key = DecryptionKey::generate(kind, args.kid.as_deref())
        .map_err(|error| Failure::of(Code::Usage, error))?;
    let text = Zeroizing::new(format!("{}\n", key.to_jwk().as_str()));
    let Some(path) = &args.out else { return out.write(text.as_bytes()) };
    write_new(path, text.as_bytes())?;
    let kid = key.kid().unwrap_or("-");
    let text = format!("{} key {kid} written to {}", args.alg, path.display());
    out.result(&text, &json!({ "file": path, "kid": key.kid() }))
}

fn public(args: &PublicArgs, out: Output) -> Result<(), Failure> {
    let refused = |error| Failure::caused(Code::No, args.file.display().to_string(), error);
    let jwk = parse(&input::private(&args.file)?).map_err(refused)?;
    let key = decryption_key(&jwk, None).and_then(|key| key.encryption_key()).map_err(refused)?;
    let Some(jwk) = key.to_public_jwk() else {
        return Err(Failure::new(Code::No, "a shared key has no public half"));
    };
    out.result(&jwk.to_string(), &jwk)
}

fn encrypt(args: &EncryptArgs, out: Output) -> Result<(), Failure> {
    let file = KeyFile::read(&args.key)?;
    let refused = |error| Failure::caused(Code::No, args.key.display().to_string(), error);
    let jwk = parse(file.octets()).map_err(refused)?;
    if RawKey::alone(&jwk).is_secret() {
        file.check_private()?;
    }
    let key = encryption_key(&jwk, args.alg).map_err(refused)?;
    let mut encrypter = Encrypter::new(&key, args.enc);
    if let Some(typ) = &args.typ {
        encrypter = encrypter.with_typ(typ);
    }
    if let Some(cty) = &args.cty {
        encrypter = encrypter.with_cty(cty);
    }
    let octets = input::octets(&args.input)?;
    let token = if args.jwt {
        let text = std::str::from_utf8(&octets).map_err(|_| Failure::usage("not a token"))?;
        encrypter.encrypt_jwt(text.trim_ascii_end())
    } else {
        encrypter.encrypt(&octets)
    };
    let token =
        token.map_err(|error| Failure::caused(Code::Usage, "nothing was encrypted", error))?;
    out.result(&token, &json!({ "token": token }))
}

/// The key to encrypt with: a public one, a shared one, or the public half of a private one.
fn encryption_key(
    jwk: &Value,
    algorithm: Option<KeyManagement>,
) -> Result<EncryptionKey, KeyError> {
    let key = match algorithm {
        Some(algorithm) => EncryptionKey::from_jwk_for(jwk, algorithm),
        None => EncryptionKey::from_jwk(jwk),
    };
    match key {
        Err(KeyError::Private) => decryption_key(jwk, algorithm)?.encryption_key(),
        key => key,
    }
}

fn decrypt(args: &DecryptArgs, out: Output) -> Result<(), Failure> {
    let Some(file) = &args.key else { return Err(Failure::usage("--key is missing")) };
    let key = input::private(file)?;
    let key = parse(&key).and_then(|jwk| decryption_key(&jwk, args.alg));
    let key = key.map_err(|error| Failure::caused(Code::No, file.display().to_string(), error))?;
    let refused = "the token is refused";
    let token = input::text(args.token.as_deref())?;
    let decrypted = Encrypted::parse(&token)
        .map_err(|error| Failure::caused(Code::No, refused, error))?
        .decrypt(&key)
        .map_err(|error| Failure::caused(Code::No, refused, error))?;
    check_content(&decrypted).map_err(|error| Failure::caused(Code::No, refused, error))?;
    if !out.is_json() {
        return out.write(decrypted.plaintext());
    }
    let header = decrypted.header();
    let described = json!({
        "alg": header.key_management().name(), "enc": header.content_encryption().name(),
        "kid": header.kid(), "typ": header.typ(), "cty": header.cty(),
        "plaintext": URL_SAFE_NO_PAD.encode(decrypted.plaintext()),
    });
    out.result("", &described)
}

fn decryption_key(
    jwk: &Value,
    algorithm: Option<KeyManagement>,
) -> Result<DecryptionKey, KeyError> {
    match algorithm {
        Some(algorithm) => DecryptionKey::from_jwk_for(jwk, algorithm),
        None => DecryptionKey::from_jwk(jwk),
    }
}

fn parse(octets: &[u8]) -> Result<Wiped, KeyError> {
    Ok(json::parse_object(octets)?.into())
}

fn key_management() -> impl TypedValueParser<Value = KeyManagement> {
    one_of(KeyManagement::ALL, KeyManagement::name)
}

fn curve() -> impl TypedValueParser<Value = Curve> {
    one_of(&[Curve::P256, Curve::X25519], Curve::name)
}

fn content_encryption() -> impl TypedValueParser<Value = ContentEncryption> {
    one_of(ContentEncryption::ALL, ContentEncryption::name)
}
