//! `countersign jwt decode`

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_host::Seams;
use countersign_jwt::Unverified;
use countersign_types::Timestamp;
use serde_json::{Value, json};

use super::TokenArgs;
use crate::command::input;
use crate::date;
use crate::failure::{Code, Failure};
use crate::output::Output;

/// Claims that are points in time.
const TIMES: [&str; 4] = ["iat", "nbf", "exp", "auth_time"];

pub(super) fn run(args: &TokenArgs, out: Output) -> Result<(), Failure> {
    let text = input::text(args.token.as_deref())?;
    let (header, claims) = decode(&text).map_err(|why| Failure::new(Code::No, why))?;
    if let Err(error) = Unverified::parse(&text) {
        let failure = Failure::caused(Code::No, "note: refused by our own reader", error);
        out.remark(&failure.line());
    }
    let now = Seams::system().clock.now();
    out.result(&render(&header, &claims, now), &json!({ "header": header, "claims": claims }))
}

/// Header and claims of a compact JWS, whatever its algorithm: this is for looking, and nothing
/// is decided by it.
fn decode(token: &str) -> Result<(Value, Value), &'static str> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, _] = parts.as_slice() else {
        return Err("not a token: it has not three parts");
    };
    let part = |part: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    match (part(header), part(claims)) {
        (Some(header), Some(claims)) => Ok((header, claims)),
        _ => Err("not a token: a part is not base64url of JSON"),
    }
}

fn render(header: &Value, claims: &Value, now: Timestamp) -> String {
    let mut text = format!("header {header:#}\nclaims {claims:#}\n");
    for name in TIMES {
        if let Some(seconds) = claims.get(name).and_then(Value::as_i64) {
            let time = Timestamp::from_unix(seconds);
            let (date, relative) = (time.to_string(), date::relative(time, now));
            text += &format!("{name:9} {date} ({relative})\n");
        }
    }
    text + "the signature was not verified\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7519_section_3_1() {
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
            eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
            dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let (header, claims) = decode(token).unwrap();
        assert_eq!(header, json!({ "typ": "JWT", "alg": "HS256" }));
        assert_eq!(claims["iss"], "joe");
        let text = render(&header, &claims, Timestamp::from_unix(1_300_819_380));
        assert!(text.contains("exp       2011-03-22T18:43:00Z (now)"), "{text}");
    }

    #[test]
    fn what_is_no_token_is_told() {
        for text in ["", "a.b", "a.b.c", "a.b.c.d", "e30.e30=.x", "{}"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
