//! How a client authenticates at the token endpoint.

use serde::{Deserialize, Serialize};

/// A registered `token_endpoint_auth_method`. [OpenID Connect Core §9], [RFC 7591 §2]
///
/// [OpenID Connect Core §9]: https://openid.net/specs/openid-connect-core-1_0.html#ClientAuthentication
/// [RFC 7591 §2]: https://www.rfc-editor.org/rfc/rfc7591#section-2
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A public client names itself and proves nothing.
    None,
    /// Client id and secret in the `Authorization` header.
    ClientSecretBasic,
    /// Client id and secret as parameters.
    ClientSecretPost,
    /// An assertion signed with the client's own key.
    PrivateKeyJwt,
}

impl Method {
    /// Every method, as metadata lists them.
    pub const ALL: &'static [Self] =
        &[Self::None, Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt];

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_registered_ones_in_every_form() {
        for method in Method::ALL {
            let json = format!("\"{method}\"");
            assert_eq!(serde_json::to_string(method).unwrap(), json);
            assert_eq!(serde_json::from_str::<Method>(&json).unwrap(), *method);
        }
        assert!(serde_json::from_str::<Method>("\"client_secret_jwt\"").is_err());
    }
}
