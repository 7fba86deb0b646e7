//! Published vectors that give the numbers inside, so that the tokens around them are made here.

use countersign_types::digest::Digest;
use serde_json::{Value, json};

use super::content::seal;
use super::{ContentEncryption, DecryptionKey, Encrypted, Malformed};
use crate::base64url;

/// The token of this header whose content was encrypted with this key.
fn token(header: &Value, enc: ContentEncryption, key: &[u8], plaintext: &[u8]) -> String {
    let protected = base64url::encode(header.to_string());
    let iv = vec![7; enc.iv_len()];
    let sealed = seal(enc, key, &iv, protected.as_bytes(), plaintext).unwrap();
    let [iv, ciphertext, tag] = [&iv, &sealed.ciphertext, &sealed.tag].map(base64url::encode);
    format!("{protected}..{iv}.{ciphertext}.{tag}")
}

#[test]
fn rfc7518_c_agreed_key() {
    let bob = json!({
        "kty": "EC", "crv": "P-256",
        "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
        "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
        "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
    });
    let header = json!({
        "alg": "ECDH-ES", "enc": "A128GCM", "apu": "QWxpY2U", "apv": "Qm9i",
        "epk": {
            "kty": "EC", "crv": "P-256",
            "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
            "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
        },
    });
    let agreed = base64url::decode("VqqN6vgjbSBcIijNcacQGg").unwrap();
    let token = token(&header, ContentEncryption::A128Gcm, &agreed, b"to Bob");
    let key = DecryptionKey::from_jwk(&bob).unwrap();
    let decrypted = Encrypted::parse(&token).unwrap().decrypt(&key).unwrap();
    assert_eq!(decrypted.plaintext(), b"to Bob");
    // The names of the parties are part of the key.
    let mut other = header;
    other["apu"] = "Qm9i".into();
    let token = self::token(&other, ContentEncryption::A128Gcm, &agreed, b"to Bob");
    assert!(Encrypted::parse(&token).unwrap().decrypt(&key).is_err());
}

#[test]
fn rfc8037_a6_agreed_key() {
    // The private half is that of RFC 7748 §6.1.
    let bob = json!({
        "kty": "OKP", "crv": "X25519", "kid": "Bob",
        "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08",
        "d": base64url::encode(
            b"\x5d\xab\x08\x7e\x62\x4a\x8a\x4b\x79\xe1\x7f\x8b\x83\x80\x0e\xe6\
              \x6f\x3b\xb1\x29\x26\x18\xb6\xfd\x1c\x2f\x8b\x27\xff\x88\xe0\xeb",
        ),
    });
    let header = json!({
        "alg": "ECDH-ES", "enc": "A128GCM", "kid": "Bob",
        "epk": {
            "kty": "OKP", "crv": "X25519",
            "x": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo",
        },
    });
    let shared = b"\x4a\x5d\x9d\x5b\xa4\xce\x2d\xe1\x72\x8e\x3b\xf4\x80\x35\x0f\x25\
        \xe0\x7e\x21\xc9\x47\xd1\x9e\x33\x76\xf0\x9b\x3c\x1e\x16\x17\x42";
    // RFC 7518 §4.6.2: a round number, the secret, the algorithm, no names, the length in bits.
    let mut input = vec![0, 0, 0, 1];
    input.extend_from_slice(shared);
    input.extend_from_slice(b"\0\0\0\x07A128GCM\0\0\0\0\0\0\0\0\0\0\0\x80");
    let digest = Digest::of(&input).to_base64url();
    let agreed = base64url::decode(&digest).unwrap();
    let token = token(&header, ContentEncryption::A128Gcm, &agreed[..16], b"to Bob");
    let key = DecryptionKey::from_jwk(&bob).unwrap();
    let decrypted = Encrypted::parse(&token).unwrap().decrypt(&key).unwrap();
    assert_eq!(decrypted.plaintext(), b"to Bob");
}

#[test]
fn rfc7516_a1_a2_a3_algorithms_outside_the_list() {
    let tokens = [
        // A.1, RSA-OAEP with SHA-1.
        "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.\
         OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9j\
         wQRb23nfa6c9d-StnImGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322\
         i-vDxRfqNzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRcZ_ZT2LawVCWT\
         Iy3brGPi6UklfCpIMfIjf7iGdXKHzg.48V1_ALb6US04U3b.\
         5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A.XFBoMYUZodetZdvTiFvSkQ",
        // A.2, RSA1_5.
        "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.\
         UGhIOguC7IuEvf_NPVaXsGMoLOmwvc1GyqlIKOK1nN94nHPoltGRhWhw7Zx0-kFm1NJn8LE9XShH59_i8J0PH5ZZyNfGy2xGdULU7sHN\
         F6Gp2vPLgNZ__deLKxGHZ7PcHALUzoOegEI-8E66jX2E4zyJKxYxzZIItRzC5hlRirb6Y5Cl_p-ko3YvkkysZIFNPccxRU7qve1WYPxq\
         bb2Yw8kZqa2rMWI5ng8OtvzlV7elprCbuPhcCdZ6XDP0_F8rkXds2vE4X-ncOIM8hAYHHi29NX0mcKiRaD0-D-ljQTP-cFPgwCp6X-nZ\
         Zd9OHBv-B3oWh2TbqmScqXMR4gp_A.AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.\
         9hH0vgRfYgPnAHOd8stkvw",
        // A.3, A128KW.
        "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.\
         6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ.AxY8DCtDaGlsbGljb3RoZQ.\
         KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ",
    ];
    for token in tokens {
        assert_eq!(Encrypted::parse(token).unwrap_err(), Malformed::Algorithm("alg"));
    }
}
