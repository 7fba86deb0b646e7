//! The other crates.

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use countersign_jwt::{Algorithm, SigningKey, convert};
use josekit::jwk::Jwk;
use josekit::jws::alg::ecdsa::EcdsaJwsAlgorithm;
use josekit::jws::alg::eddsa::EddsaJwsAlgorithm;
use josekit::jws::alg::rsassa::RsassaJwsAlgorithm;
use josekit::jws::alg::rsassa_pss::RsassaPssJwsAlgorithm;
use josekit::jws::{JwsHeader, JwsSigner, JwsVerifier};
use josekit::jwt::{JwtPayload, JwtPayloadValidator};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde_json::Value;

use crate::claims::{AUDIENCE, CLAIMS, ISSUER, NOW};

/// Another crate with its keys.
pub(crate) struct Other {
    sign: Box<dyn Fn() -> String>,
    verify: Box<dyn Fn(&str)>,
}

impl Other {
    pub(crate) fn sign(&self) -> String {
        (self.sign)()
    }

    pub(crate) fn verify(&self, token: &str) {
        (self.verify)(token);
    }

    /// josekit over OpenSSL, with a signer and a verifier that are kept.
    pub(crate) fn josekit(key: &SigningKey) -> Option<Self> {
        let (signer, verifier) = josekit_pair(key)?;
        let mut header = JwsHeader::new();
        header.set_token_type("at+jwt");
        let mut validator = JwtPayloadValidator::new();
        validator.set_issuer(ISSUER);
        validator.set_audience(AUDIENCE);
        let now = Duration::from_secs(NOW.as_unix().unsigned_abs());
        validator.set_base_time(SystemTime::UNIX_EPOCH + now);
        validator.set_max_issued_time(SystemTime::UNIX_EPOCH + now);
        let sign = move || {
            // Its payload is a map, so claims are made one before they can be signed.
            let Value::Object(claims) = serde_json::to_value(black_box(&CLAIMS)).unwrap() else {
                return String::new();
            };
            let payload = JwtPayload::from_map(claims).unwrap();
            josekit::jwt::encode_with_signer(&payload, &header, &*signer).unwrap()
        };
        let verify = move |token: &str| {
            let (payload, _) = josekit::jwt::decode_with_verifier(token, &*verifier).unwrap();
            validator.validate(&payload).unwrap();
            black_box(payload);
        };
        Some(Self { sign: Box::new(sign), verify: Box::new(verify) })
    }

    /// jsonwebtoken over aws-lc-rs. Its times are those of the system's clock, so they are not
    /// judged.
    pub(crate) fn jsonwebtoken(key: &SigningKey) -> Option<Self> {
        let algorithm = jsonwebtoken_name(key.public().algorithm())?;
        let (private, public) = jsonwebtoken_pair(key);
        let mut header = Header::new(algorithm);
        header.typ = Some("at+jwt".to_owned());
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_exp = false;
        let sign = move || jsonwebtoken::encode(&header, black_box(&CLAIMS), &private).unwrap();
        let verify = move |token: &str| {
            black_box(jsonwebtoken::decode::<Value>(token, &public, &validation).unwrap());
        };
        Some(Self { sign: Box::new(sign), verify: Box::new(verify) })
    }
}

type JosekitPair = (Box<dyn JwsSigner>, Box<dyn JwsVerifier>);

fn josekit_pair(key: &SigningKey) -> Option<JosekitPair> {
    // It knows Ed25519 as EdDSA only, so it is not told the name of the algorithm.
    let nameless = |text: &str| {
        let mut members: Value = serde_json::from_str(text).unwrap();
        members.as_object_mut().unwrap().remove("alg");
        Jwk::from_bytes(members.to_string()).unwrap()
    };
    let private = nameless(&key.to_jwk().unwrap());
    let public = nameless(&key.public().to_jwk().to_string());
    macro_rules! pair {
        ($algorithm:expr) => {{
            let algorithm = $algorithm;
            let signer = algorithm.signer_from_jwk(&private).unwrap();
            let verifier = algorithm.verifier_from_jwk(&public).unwrap();
            Some((Box::new(signer), Box::new(verifier)))
        }};
    }
    match key.public().algorithm() {
        Algorithm::Es256 => pair!(EcdsaJwsAlgorithm::Es256),
        Algorithm::Es384 => pair!(EcdsaJwsAlgorithm::Es384),
        Algorithm::Es512 => pair!(EcdsaJwsAlgorithm::Es512),
        Algorithm::Rs256 => pair!(RsassaJwsAlgorithm::Rs256),
        Algorithm::Rs384 => pair!(RsassaJwsAlgorithm::Rs384),
        Algorithm::Rs512 => pair!(RsassaJwsAlgorithm::Rs512),
        Algorithm::Ps256 => pair!(RsassaPssJwsAlgorithm::Ps256),
        Algorithm::Ps384 => pair!(RsassaPssJwsAlgorithm::Ps384),
        Algorithm::Ps512 => pair!(RsassaPssJwsAlgorithm::Ps512),
        Algorithm::Ed25519 => pair!(EddsaJwsAlgorithm::Eddsa),
        _ => None,
    }
}

/// It has no P-521.
fn jsonwebtoken_name(algorithm: Algorithm) -> Option<jsonwebtoken::Algorithm> {
    use jsonwebtoken::Algorithm as Name;
    Some(match algorithm {
        Algorithm::Es256 => Name::ES256,
        Algorithm::Es384 => Name::ES384,
        Algorithm::Rs256 => Name::RS256,
        Algorithm::Rs384 => Name::RS384,
        Algorithm::Rs512 => Name::RS512,
        Algorithm::Ps256 => Name::PS256,
        Algorithm::Ps384 => Name::PS384,
        Algorithm::Ps512 => Name::PS512,
        Algorithm::Ed25519 => Name::EdDSA,
        _ => return None,
    })
}

fn jsonwebtoken_pair(key: &SigningKey) -> (EncodingKey, DecodingKey) {
    let private = convert::private_key_to_pem(key).unwrap();
    let public = convert::public_key_to_pem(key.public()).unwrap();
    let (private, public) = (private.as_bytes(), public.as_bytes());
    match key.public().algorithm() {
        Algorithm::Es256 | Algorithm::Es384 => {
            (EncodingKey::from_ec_pem(private).unwrap(), DecodingKey::from_ec_pem(public).unwrap())
        }
        Algorithm::Ed25519 => {
            (EncodingKey::from_ed_pem(private).unwrap(), DecodingKey::from_ed_pem(public).unwrap())
        }
        _ => (
            EncodingKey::from_rsa_pem(private).unwrap(),
            DecodingKey::from_rsa_pem(public).unwrap(),
        ),
    }
}
