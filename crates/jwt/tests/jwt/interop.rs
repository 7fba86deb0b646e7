//! Two other engines read what this one writes, and the other way round.

use countersign_jwt::{Algorithm, Sign as _, Verify as _, convert, sign};
use josekit::jwk::Jwk;
use josekit::jws::alg::ecdsa::EcdsaJwsAlgorithm;
use josekit::jws::alg::eddsa::EddsaJwsAlgorithm;
use josekit::jws::alg::rsassa::RsassaJwsAlgorithm;
use josekit::jws::alg::rsassa_pss::RsassaPssJwsAlgorithm;
use josekit::jws::{JwsHeader, JwsSigner, JwsVerifier};
use serde_json::Value;

use crate::support::{claims, key, policy, read};

const INPUT: &[u8] = b"what one engine signs, the other verifies";

/// josekit knows Ed25519 only by the name EdDSA, so it is not told the name of the algorithm.
fn josekit_key(text: &str) -> Jwk {
    let mut members: Value = serde_json::from_str(text).unwrap();
    members.as_object_mut().unwrap().remove("alg");
    Jwk::from_bytes(members.to_string()).unwrap()
}

fn josekit_pair(algorithm: Algorithm) -> (Box<dyn JwsSigner>, Box<dyn JwsVerifier>) {
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
        Algorithm::Rs256 => pair(
            RsassaJwsAlgorithm::Rs256.signer_from_jwk(&private),
            RsassaJwsAlgorithm::Rs256.verifier_from_jwk(&public),
        ),
        Algorithm::Ps256 => pair(
            RsassaPssJwsAlgorithm::Ps256.signer_from_jwk(&private),
            RsassaPssJwsAlgorithm::Ps256.verifier_from_jwk(&public),
        ),
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

fn other(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        _ => jsonwebtoken::Algorithm::EdDSA,
    }
}

fn jsonwebtoken_pair(
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
        Algorithm::Rs256 | Algorithm::Ps256 => (
            EncodingKey::from_rsa_pem(private).unwrap(),
            DecodingKey::from_rsa_pem(public).unwrap(),
        ),
        _ => {
            (EncodingKey::from_ed_pem(private).unwrap(), DecodingKey::from_ed_pem(public).unwrap())
        }
    }
}

#[test]
fn jsonwebtoken_both_ways() {
    for algorithm in Algorithm::ALL {
        let (private, public) = jsonwebtoken_pair(*algorithm);
        let mut header = jsonwebtoken::Header::new(other(*algorithm));
        header.typ = Some("uma-claims+jwt".to_owned());
        header.kid = Some(algorithm.name().to_owned());
        let token = jsonwebtoken::encode(&header, &claims(), &private).unwrap();
        assert!(read(&token, &policy().accept_eddsa_name()).is_ok(), "{algorithm}");

        let token = sign("uma-claims+jwt", key(*algorithm), &claims()).unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let good =
            jsonwebtoken::crypto::verify(signature, input.as_bytes(), &public, other(*algorithm));
        assert!(good.unwrap(), "{algorithm}");
    }
}
