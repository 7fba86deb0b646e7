//! What a provider is believed: which of its claims count here, and as what.

use std::collections::{BTreeMap, BTreeSet};

use countersign_claims_token::VerifiedEmail;
use countersign_jwt::{ClaimError, Claims};
use countersign_token_exchange::trusted_issuer::{
    ROLES, RoleMapping, RolesError, mapped_roles, may_be_released, missing,
};
use serde_json::{Map, Value, json};

use crate::users::{Origin, User};

/// The most octets of roles and other claims that are taken over.
const MAX_RELEASED: usize = 4 * 1024;

/// The longest name of a person that is taken over, in characters.
const MAX_NAME: usize = 128;

/// The claims that say something about the address together, and nothing apart.
const EMAIL: &[&str] = &["email", "email_address", "email_verified"];

/// What a provider is trusted to say. Whatever is not listed here is ignored.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// The domains whose e-mail addresses it speaks for, in canonical form: an address that it says
    /// it verified is the person's.
    pub email_domains: BTreeSet<String>,
    /// The names of the claims about a person that are taken over from it; see [`may_be_released`].
    pub claims: BTreeSet<String>,
    /// Which of its roles are which of ours.
    pub roles: Vec<RoleMapping>,
    /// The roles of everybody who comes through it.
    pub everyone: BTreeSet<String>,
    /// Claims that have to be there, each with one of these values.
    pub required: BTreeMap<String, Vec<Value>>,
    /// The authentication methods that are taken over where it says that it used them.
    /// [RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)
    pub amr: BTreeSet<String>,
    /// Which of its authentication context classes are which of ours.
    pub acr: BTreeMap<String, String>,
}

/// Why a person may not come through, or why what is said of them cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MappingError {
    #[error("a claim has another form")]
    Claim(#[from] ClaimError),
    #[error("the roles have another form")]
    Roles(#[from] RolesError),
    #[error("the claim {0} is missing or has another value")]
    Required(String),
    #[error("the claims are too large")]
    TooLarge,
    #[error("UserInfo is about somebody else")]
    UserInfo,
}

/// What is believed of a person.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// What the provider calls them.
    pub(crate) label: String,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<VerifiedEmail>,
    /// Claims, `roles` among them.
    pub(crate) claims: Map<String, Value>,
    /// Those by which they were let in.
    pub(crate) required: Map<String, Value>,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Vec<String>,
}

/// Adds what UserInfo says and the ID token does not. [OpenID Connect Core §5.3.2]
///
/// [OpenID Connect Core §5.3.2]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse
pub(crate) fn with_user_info(
    mut claims: Map<String, Value>,
    user_info: Claims,
) -> Result<Map<String, Value>, MappingError> {
    if user_info.str("sub")? != claims.get("sub").and_then(Value::as_str) {
        return Err(MappingError::UserInfo);
    }
    // Whether one address was verified says nothing about another.
    let has_email = EMAIL.iter().any(|name| claims.contains_key(*name));
    for (name, value) in user_info.into_map() {
        // What says how the person signed in is the ID token's alone.
        let is_sign_in = matches!(name.as_str(), "acr" | "amr" | "auth_time");
        let is_settled = is_sign_in || (has_email && EMAIL.contains(&name.as_str()));
        if !is_settled {
            claims.entry(name).or_insert(value);
        }
    }
    Ok(claims)
}

impl Mapping {
    /// What counts of verified claims about the person whom the provider calls `sub`.
    pub(crate) fn read(
        &self,
        sub: &str,
        claims: Map<String, Value>,
    ) -> Result<Profile, MappingError> {
        if let Some(name) = missing(&self.required, &claims) {
            return Err(MappingError::Required(name.to_owned()));
        }
        let mut roles = mapped_roles(&self.roles, &claims)?;
        roles.extend(self.everyone.iter().cloned());
        let believed = self.claims.iter().filter(|name| may_be_released(name));
        let believed = believed.filter_map(|name| claims.get_key_value(name));
        let mut released: Map<_, _> =
            believed.map(|(name, it)| (name.clone(), it.clone())).collect();
        let shown = |name: &str| released.get(name).and_then(Value::as_str).and_then(text);
        let (name, preferred) = (shown("name"), shown("preferred_username"));
        released.remove("name");
        if !roles.is_empty() {
            released.insert(ROLES.to_owned(), json!(roles));
        }
        let required = self.requirements(&claims);
        if json!([released, required]).to_string().len() > MAX_RELEASED {
            return Err(MappingError::TooLarge);
        }
        let claims = Claims::from_map(claims);
        let email = VerifiedEmail::from_claims(&claims).ok();
        let email = email.filter(|it| self.email_domains.contains(it.address().domain()));
        let address = email.as_ref().map(|it| it.address().as_str().to_owned());
        let label = preferred.or(address).or_else(|| text(sub)).unwrap_or_default();
        let amr = claims.get("amr").and_then(Value::as_array).into_iter().flatten();
        let amr = amr.filter_map(Value::as_str).filter(|method| self.amr.contains(*method));
        let acr = claims.str("acr")?.and_then(|acr| self.acr.get(acr)).cloned();
        let amr = amr.map(str::to_owned).collect();
        Ok(Profile { label, name, email, claims: released, required, acr, amr })
    }

    /// What is still believed of a person who was let in before, perhaps under other rules; `None`
    /// if they have to sign in anew to show that they may come in.
    pub(crate) fn still_believed(&self, user: &User, origin: &Origin) -> Option<User> {
        if missing(&self.required, &origin.required).is_some() {
            return None;
        }
        let mut believed = user.clone();
        believed.claims.retain(|name, value| match value {
            Value::Array(roles) if name == ROLES => {
                roles.retain(|role| role.as_str().is_some_and(|role| self.gives(role)));
                !roles.is_empty()
            }
            _ => self.claims.contains(name),
        });
        believed.name = believed.name.filter(|_| self.claims.contains("name"));
        let email = believed.email;
        believed.email = email.filter(|it| self.email_domains.contains(it.address().domain()));
        Some(believed)
    }

    /// Whether anybody gets this role of ours here.
    fn gives(&self, role: &str) -> bool {
        let mut mapped = self.roles.iter().flat_map(|mapping| mapping.roles.values());
        self.everyone.contains(role) || mapped.any(|ours| ours == role)
    }

    /// The values that are required of a person, as far as they have them.
    fn requirements(&self, claims: &Map<String, Value>) -> Map<String, Value> {
        let has = |(name, values): (&String, &Vec<Value>)| {
            let had = match claims.get(name)? {
                Value::Array(found) => {
                    found.iter().filter(|value| values.contains(value)).cloned().collect()
                }
                found => found.clone(),
            };
            Some((name.clone(), had))
        };
        self.required.iter().filter_map(has).collect()
    }
}

/// A text that can be shown: one line, not too long, and something to see.
fn text(text: &str) -> Option<String> {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.to_owned())
}
