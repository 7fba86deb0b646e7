//! Two other engines read what this one writes, and the other way round.

use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::{Algorithm, Sign as _, Verify as _, convert, sign};
use josekit::jwk::Jwk;
use josekit::jws::alg::ecdsa::EcdsaJwsAlgorithm;
use josekit::jws::alg::eddsa::EddsaJwsAlgorithm;
use josekit::jws::alg::rsassa::RsassaJwsAlgorithm;
use josekit::jws::alg::rsassa_pss::RsassaPssJwsAlgorithm;
use josekit::jws::{JwsHeader, JwsSigner, JwsVerifier};
use serde_json::Value;

use crate::support::{NOW, claims, key, policy, read};

const INPUT: &[u8] = b"what one engine signs, the other verifies";

/// josekit knows Ed25519 only by the name EdDSA, so it is not told the name of the algorithm; nor
/// that of the key, since it would refuse each token that names none.
fn josekit_key(text: &str) -> Jwk {
    let mut members: Value = serde_json::from_str(text).unwrap();
    members.as_object_mut().unwrap().retain(|name, _| name != "alg" && name != "kid");
    Jwk::from_bytes(members.to_string()).unwrap()
}

pub(crate) fn josekit_pair(algorithm: Algorithm) -> (Box<dyn JwsSigner>, Box<dyn JwsVerifier>) {
    let key = key(algorithm);
    let private = josekit_key(&key.to_jwk().unwrap());
    let public = josekit_key(&key.public().to_jwk().to_string());
    match algorithm {
        Algorithm::Es256 => pair(
            EcdsaJwsAlgorithm::Es256.signer_from_jwk(&private),
            EcdsaJwsAlgorithm::Es256.verifier_from_jwk(&public),
        ),
        Algorithm::Es384 => pair(
            EcdsaJwsAlgorithm::Es384.signer_from_jwk(&private),
            EcdsaJwsAlgorithm::Es384.verifier_from_jwk(&public),
        ),
        Algorithm::Es512 => pair(
            EcdsaJwsAlgorithm::Es512.signer_from_jwk(&private),
            EcdsaJwsAlgorithm::Es512.verifier_from_jwk(&public),
        ),
        Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => {
            let theirs = match algorithm {
                Algorithm::Rs256 => RsassaJwsAlgorithm::Rs256,
                Algorithm::Rs384 => RsassaJwsAlgorithm::Rs384,
                _ => RsassaJwsAlgorithm::Rs512,
            };
            pair(theirs.signer_from_jwk(&private), theirs.verifier_from_jwk(&public))
        }
        Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => {
            let theirs = match algorithm {
                Algorithm::Ps256 => RsassaPssJwsAlgorithm::Ps256,
                Algorithm::Ps384 => RsassaPssJwsAlgorithm::Ps384,
                _ => RsassaPssJwsAlgorithm::Ps512,
            };
            pair(theirs.signer_from_jwk(&private), theirs.verifier_from_jwk(&public))
        }
        _ => pair(
            EddsaJwsAlgorithm::Eddsa.signer_from_jwk(&private),
            EddsaJwsAlgorithm::Eddsa.verifier_from_jwk(&public),
        ),
    }
}

fn pair<S: JwsSigner + 'static, V: JwsVerifier + 'static, E: std::fmt::Debug>(
    signer: Result<S, E>,
    verifier: Result<V, E>,
) -> (Box<dyn JwsSigner>, Box<dyn JwsVerifier>) {
    (Box::new(signer.unwrap()), Box::new(verifier.unwrap()))
}

#[test]
fn josekit_both_ways() {
    for algorithm in Algorithm::ALL {
        let ours = key(*algorithm);
        let (signer, verifier) = josekit_pair(*algorithm);
        verifier.verify(INPUT, &ours.sign(INPUT).unwrap()).unwrap();
        ours.public().verify(INPUT, &signer.sign(INPUT).unwrap()).unwrap();
        assert!(verifier.verify(b"other", &ours.sign(INPUT).unwrap()).is_err());

        let mut header = JwsHeader::new();
        header.set_token_type("uma-claims+jwt");
        let payload = claims().to_string();
        let token = josekit::jws::serialize_compact(payload.as_bytes(), &header, &*signer).unwrap();
        assert!(read(&token, &policy().accept_eddsa_name()).is_ok(), "{algorithm}");

        if *algorithm != Algorithm::Ed25519 {
            let token = sign("uma-claims+jwt", ours, &claims()).unwrap();
            let (payload, header) = josekit::jws::deserialize_compact(&token, &*verifier).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), claims());
            assert_eq!(header.token_type(), Some("uma-claims+jwt"));
        }
    }
}

/// What `jsonwebtoken` calls the algorithm; it has no P-521.
pub(crate) fn other(algorithm: Algorithm) -> Option<jsonwebtoken::Algorithm> {
    use jsonwebtoken::Algorithm as Other;
    Some(match algorithm {
        Algorithm::Es256 => Other::ES256,
        Algorithm::Es384 => Other::ES384,
        Algorithm::Rs256 => Other::RS256,
        Algorithm::Rs384 => Other::RS384,
        Algorithm::Rs512 => Other::RS512,
        Algorithm::Ps256 => Other::PS256,
        Algorithm::Ps384 => Other::PS384,
        Algorithm::Ps512 => Other::PS512,
        Algorithm::Ed25519 => Other::EdDSA,
        _ => return None,
    })
}

pub(crate) fn jsonwebtoken_pair(
    algorithm: Algorithm,
) -> (jsonwebtoken::EncodingKey, jsonwebtoken::DecodingKey) {
    use jsonwebtoken::{DecodingKey, EncodingKey};
    let private = convert::private_key_to_pem(key(algorithm)).unwrap();
    let public = convert::public_key_to_pem(key(algorithm).public()).unwrap();
    let (private, public) = (private.as_bytes(), public.as_bytes());
    match algorithm {
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

#[test]
fn jsonwebtoken_both_ways() {
    let both = Algorithm::ALL.iter().filter_map(|ours| Some((*ours, other(*ours)?)));
    assert_eq!(both.clone().count(), Algorithm::ALL.len() - 1);
    for (algorithm, theirs) in both {
        let (private, public) = jsonwebtoken_pair(algorithm);
        let mut header = jsonwebtoken::Header::new(theirs);
        header.typ = Some("uma-claims+jwt".to_owned());
        header.kid = Some(algorithm.name().to_owned());
        let token = jsonwebtoken::encode(&header, &claims(), &private).unwrap();
        assert!(read(&token, &policy().accept_eddsa_name()).is_ok(), "{algorithm}");

        let token = sign("uma-claims+jwt", key(algorithm), &claims()).unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let good = jsonwebtoken::crypto::verify(signature, input.as_bytes(), &public, theirs);
        assert!(good.unwrap(), "{algorithm}");
    }
}

#[test]
fn macs_both_ways() {
    use josekit::jws::alg::hmac::HmacJwsAlgorithm;
    for algorithm in MacAlgorithm::ALL {
        let key = HmacKey::generate(*algorithm, Some("shared")).unwrap();
        let jwk = Jwk::from_bytes(key.to_jwk().as_bytes()).unwrap();
        let josekit = match algorithm {
            MacAlgorithm::Hs256 => HmacJwsAlgorithm::Hs256,
            MacAlgorithm::Hs384 => HmacJwsAlgorithm::Hs384,
            MacAlgorithm::Hs512 => HmacJwsAlgorithm::Hs512,
        };
        let token = key.sign("uma-claims+jwt", &claims()).unwrap();
        let verifier = josekit.verifier_from_jwk(&jwk).unwrap();
        let (payload, _) = josekit::jws::deserialize_compact(&token, &verifier).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), claims());

        let mut header = JwsHeader::new();
        header.set_token_type("uma-claims+jwt");
        let signer = josekit.signer_from_jwk(&jwk).unwrap();
        let token = josekit::jws::serialize_compact(&payload, &header, &signer).unwrap();
        assert!(key.verify(&token, &policy(), NOW).is_ok(), "{algorithm}");
        assert_eq!(key.verify_payload(&token).unwrap(), payload);
    }
}
