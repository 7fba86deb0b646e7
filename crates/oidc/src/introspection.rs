//! Introspection of access tokens: what a resource server is told of one. [RFC 7662 §2]
//!
//! [RFC 7662 §2]: https://www.rfc-editor.org/rfc/rfc7662#section-2

use countersign_types::params::ParamsError;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, Params, UrlPattern};
use serde_json::{Map, Value, json};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Its identifier, authenticated.
    pub client_id: &'a ClientId,
    /// The audiences that it answers for, beside itself.
    pub audiences: &'a [UrlPattern],
}

/// Parses an introspection request. `token_type_hint` changes nothing: there is one type of token
/// to be asked about. [RFC 7662 §2.1]
///
/// # Errors
/// [`ParamsError`].
///
/// [RFC 7662 §2.1]: https://www.rfc-editor.org/rfc/rfc7662#section-2.1
pub fn parse(params: &Params) -> Result<AccessToken, ParamsError> {
    Ok(AccessToken::new(params.require("token")?))
}

/// The answer about a token that is expired, revoked, unknown, garbage or none of the asker's
/// business: always the same octets. [RFC 7662 §2.2]
///
/// [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
#[must_use]
pub fn inactive() -> Value {
    json!({ "active": false })
}

/// The answer about a live token: its claims, but for those of a `private` name, if the asker is
/// one that the token is for. [RFC 7662 §2.2, §4]
///
/// [RFC 7662 §2.2, §4]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
#[must_use]
pub fn active(asker: Asker<'_>, claims: &Map<String, Value>, private: &[&str]) -> Value {
    if !is_for(asker, claims.get("aud")) {
        return inactive();
    }
    let mut answer = claims.clone();
    answer.retain(|name, _| !private.contains(&name.as_str()));
    let token_type = if claims.contains_key("cnf") { "DPoP" } else { "Bearer" };
    answer.insert("token_type".to_owned(), json!(token_type));
    answer.insert("active".to_owned(), json!(true));
    Value::Object(answer)
}

fn is_for(asker: Asker<'_>, audience: Option<&Value>) -> bool {
    let is_askers = |audience: &Value| {
        audience.as_str().is_some_and(|audience| {
            audience == asker.client_id.as_str()
                || asker.audiences.iter().any(|pattern| pattern.matches(audience))
        })
    };
    match audience {
        Some(Value::Array(all)) => all.iter().any(is_askers),
        Some(one) => is_askers(one),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(client: &str, audiences: &[&str], claims: &Value) -> Value {
        let client_id = ClientId::parse(client).unwrap();
        let audiences: Vec<_> =
            audiences.iter().map(|text| UrlPattern::parse(text).unwrap()).collect();
        let asker = Asker { client_id: &client_id, audiences: &audiences };
        active(asker, claims.as_object().unwrap(), &["grant_id"])
    }

    #[test]
    fn whom_a_token_is_for_is_told_what_it_says() {
        let claims = json!({ "aud": "https://rs.bob.example", "sub": "alice", "scope": "get",
            "grant_id": "g", "exp": 7 });
        let told = json!({ "aud": "https://rs.bob.example", "sub": "alice", "scope": "get", "exp": 7,
            "active": true, "token_type": "Bearer" });
        assert_eq!(ask("rs", &["https://rs.bob.example"], &claims), told);
        assert_eq!(
            ask("rs", &["https://b.example", "https://*.bob.example"], &claims)["active"],
            true
        );
        assert_eq!(ask("https://rs.bob.example", &[], &claims), told);

        let bound = json!({ "aud": ["a", "rs"], "cnf": { "jkt": "x" } });
        let told = ask("rs", &[], &bound);
        assert_eq!((&told["token_type"], &told["cnf"]), (&json!("DPoP"), &json!({ "jkt": "x" })));
    }

    #[test]
    fn everybody_else_is_told_nothing() {
        let claims = json!({ "aud": "https://rs.bob.example", "sub": "alice", "client_id": "app" });
        for (client, audiences) in [
            ("app", &[][..]),
            ("rs", &[]),
            ("https://rs.bob.example/", &[]),
            ("rs", &["https://other.example"]),
        ] {
            assert_eq!(ask(client, audiences, &claims), inactive(), "{client}");
        }
        for claims in
            [json!({}), json!({ "aud": 7 }), json!({ "aud": [] }), json!({ "aud": [["rs"]] })]
        {
            assert_eq!(ask("rs", &["*"], &claims), inactive(), "{claims}");
        }
    }
}
