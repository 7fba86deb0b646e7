//! Project Wycheproof's vectors for the signatures beneath: what our keys take and refuse.

use countersign_jwt::{Algorithm, KeyError, PublicKey, Verify as _};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// How many vectors were valid and invalid, and how many keys were refused as weak.
#[derive(Default, Debug, PartialEq, Eq)]
struct Tally {
    valid: usize,
    invalid: usize,
    weak_keys: usize,
}

impl Tally {
    /// The key of a group, or `None` if it is one that we refuse whoever signs with it.
    fn key(&mut self, algorithm: Algorithm, der: &[u8]) -> Option<PublicKey> {
        let key = PublicKey::from_spki_der(der, Some(algorithm), None);
        if matches!(key, Err(KeyError::Weak(_))) {
            self.weak_keys += 1;
            return None;
        }
        Some(key.unwrap())
    }

    fn check(&mut self, key: &PublicKey, name: &str, msg: &[u8], sig: &[u8], expected: TestResult) {
        let accepted = key.verify(msg, sig).is_ok();
        match expected {
            TestResult::Valid => {
                assert!(accepted, "{}: {name}", key.algorithm());
                self.valid += 1;
            }
            TestResult::Invalid => {
                assert!(!accepted, "{}: {name}", key.algorithm());
                self.invalid += 1;
            }
            // A PKCS #1 padding without its NULL: RFC 8017 §9.2 has readers take one form only.
            TestResult::Acceptable => assert!(!accepted, "{}: {name}", key.algorithm()),
        }
    }
}

macro_rules! run {
    ($module:ident, $tally:ident, $algorithm:expr, $name:ident) => {
        for group in $module::TestSet::load($module::TestName::$name).unwrap().test_groups {
            let Some(key) = $tally.key($algorithm, &group.der) else { continue };
            for test in group.tests {
                let name = format!("{} {}", test.tc_id, test.comment);
                $tally.check(&key, &name, &test.msg, &test.sig, test.result);
            }
        }
    };
}

#[test]
fn ecdsa() {
    let mut tally = Tally::default();
    run!(ecdsa, tally, Algorithm::Es256, EcdsaSecp256r1Sha256P1363);
    run!(ecdsa, tally, Algorithm::Es384, EcdsaSecp384r1Sha384P1363);
    run!(ecdsa, tally, Algorithm::Es512, EcdsaSecp521r1Sha512P1363);
    assert_eq!(tally, Tally { valid: 597, invalid: 263, weak_keys: 0 });
}

#[test]
fn ed25519() {
    let mut tally = Tally::default();
    run!(eddsa, tally, Algorithm::Ed25519, Ed25519);
    assert_eq!(tally, Tally { valid: 88, invalid: 63, weak_keys: 0 });
}

#[test]
fn rsa_pss() {
    let mut tally = Tally::default();
    run!(rsa_pss_verify, tally, Algorithm::Ps256, RsaPss2048Sha256Mgf1SaltLen32);
    run!(rsa_pss_verify, tally, Algorithm::Ps256, RsaPss3072Sha256Mgf1SaltLen32);
    run!(rsa_pss_verify, tally, Algorithm::Ps256, RsaPss4096Sha256Mgf1SaltLen32);
    run!(rsa_pss_verify, tally, Algorithm::Ps384, RsaPss2048Sha384Mgf1SaltLen48);
    run!(rsa_pss_verify, tally, Algorithm::Ps384, RsaPss4096Sha384Mgf1SaltLen48);
    run!(rsa_pss_verify, tally, Algorithm::Ps512, RsaPss4096Sha512Mgf1SaltLen64);
    assert_eq!(tally, Tally { valid: 511, invalid: 274, weak_keys: 0 });
}

#[test]
fn rsa_pss_with_another_salt_length_is_refused() {
    // RFC 7518 §3.5: the salt is as long as the hash.
    let set = rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen0;
    let mut tried = 0;
    for group in rsa_pss_verify::TestSet::load(set).unwrap().test_groups {
        let key = PublicKey::from_spki_der(&group.der, Some(Algorithm::Ps256), None).unwrap();
        for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
            assert!(key.verify(&test.msg, &test.sig).is_err(), "{}", test.tc_id);
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
}

#[test]
fn rsa_pkcs1() {
    let mut tally = Tally::default();
    run!(rsa_pkcs1_verify, tally, Algorithm::Rs256, Rsa2048Sha256);
    run!(rsa_pkcs1_verify, tally, Algorithm::Rs256, Rsa3072Sha256);
    run!(rsa_pkcs1_verify, tally, Algorithm::Rs256, Rsa4096Sha256);
    run!(rsa_pkcs1_verify, tally, Algorithm::Rs256, Rsa8192Sha256);
    run!(rsa_pkcs1_verify, tally, Algorithm::Rs384, Rsa2048Sha384);
    run!(rsa_pkcs1_verify, tally, Algorithm::Rs384, Rsa3072Sha384);
    run!(rsa_pkcs1_verify, tally, Algorithm::Rs384, Rsa4096Sha384);
    run!(rsa_pkcs1_verify, tally, Algorithm::Rs512, Rsa2048Sha512);
    run!(rsa_pkcs1_verify, tally, Algorithm::Rs512, Rsa3072Sha512);
    run!(rsa_pkcs1_verify, tally, Algorithm::Rs512, Rsa4096Sha512);
    // The weak keys are those of exponent 3.
    assert_eq!(tally.weak_keys, 5);
    assert_eq!(tally.valid, 70);
    assert!(tally.invalid >= 2490, "{tally:?}");
}
