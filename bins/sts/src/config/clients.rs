//! The clients: each by its table, and those that a rule speaks of.

use std::collections::BTreeSet;
use std::path::Path;

use countersign_client_auth::RegisteredClient;
use countersign_host::config::{self, ConfigError, CredentialsConfig};
use countersign_jwt::Algorithm;
use countersign_oidc::refresh::OFFLINE_ACCESS;
use countersign_resolver::UrlClientRule;
use countersign_sts_service::{Client, UrlClientTerms};
use countersign_token_exchange::ClientPolicy;
use countersign_token_exchange::trusted_issuer::SUBJECT_PREFIX;
use countersign_types::ScopeSet;

use super::RESERVED_NAME;
use super::file::{ClientConfig, ClientExchangeConfig, GrantConfig, IdTokenAlg, UrlClientConfig};

pub(super) fn clients(path: &Path, clients: Vec<ClientConfig>) -> Result<Vec<Client>, ConfigError> {
    let (mut known, mut ids) = (Vec::new(), BTreeSet::new());
    for (index, client) in clients.into_iter().enumerate() {
        let at = Place { path, table: format!("clients[{index}]") };
        if !ids.insert(client.id.clone()) {
            return Err(at.refuse("id", "used before"));
        }
        known.push(at.client(client)?);
    }
    Ok(known)
}

/// A client that has a file of its own, in which stands what its table in the configuration would
/// say.
pub(crate) fn client_of_file(path: &Path, text: &str) -> Result<Client, ConfigError> {
    Place { path, table: String::new() }.client(config::parse(path, text)?)
}

/// The rules for clients that are known by their URL.
pub(super) fn url_clients(
    path: &Path,
    rules: Vec<UrlClientConfig>,
) -> Result<Vec<UrlClientRule<UrlClientTerms>>, ConfigError> {
    let mut known = Vec::new();
    for (index, rule) in rules.into_iter().enumerate() {
        let refuse = |member: &str, reason: &str| {
            ConfigError::new(path, format!("url_clients[{index}].{member}"), reason)
        };
        let may = |grant| rule.grants.contains(&grant);
        check_claims(&rule.exchange, rule.public, may(GrantConfig::TokenExchange))
            .map_err(|(member, reason)| refuse(member, reason))?;
        let exchange =
            exchange_policy(rule.exchange, &rule.scopes, may(GrantConfig::TokenExchange))
                .ok_or_else(|| refuse("exchange", "token_exchange, but for no audience"))?;
        check_refresh(&rule.grants, &rule.scopes).map_err(|reason| refuse("grants", reason))?;
        let terms = UrlClientTerms {
            authorization_code: may(GrantConfig::AuthorizationCode),
            refresh_token: may(GrantConfig::RefreshToken),
            client_credentials: may(GrantConfig::ClientCredentials),
            exchange,
            scopes: rule.scopes,
            opaque_access_tokens: rule.opaque_access_tokens,
        };
        known.push(UrlClientRule { clients: rule.id, public: rule.public, terms });
    }
    Ok(known)
}

/// What a client may exchange; `None` if it may, but for nobody.
fn exchange_policy(
    exchange: ClientExchangeConfig,
    scopes: &ScopeSet,
    may_exchange: bool,
) -> Option<ClientPolicy> {
    let nowhere = exchange.claims_token_audiences.is_empty()
        && exchange.access_token_audiences.is_empty()
        && exchange.identity_token_audiences.is_empty();
    (!may_exchange || !nowhere).then(|| ClientPolicy {
        may_exchange,
        claims_token_audiences: exchange.claims_token_audiences,
        access_token_audiences: exchange.access_token_audiences,
        scopes: scopes.clone(),
        subjects_of: exchange.subjects_of,
        may_act: exchange.actor_token,
        may_impersonate: exchange.impersonate,
        identity_token_audiences: exchange.identity_token_audiences,
        actor_audience: exchange.actor_audience.into(),
        email_in_access_token: exchange.email_in_access_token,
        may_delegate_onward: exchange.delegate_onward,
        claims_endpoint: exchange.claims_endpoint,
        people: exchange.people.map(Into::into),
    })
}

/// What both kinds of clients need to be registered for the claims endpoint, and for people to
/// name. The error has the member and the reason.
const fn check_claims(
    exchange: &ClientExchangeConfig,
    public: bool,
    may_exchange: bool,
) -> Result<(), (&'static str, &'static str)> {
    if exchange.claims_endpoint && !may_exchange {
        return Err(("exchange.claims_endpoint", "takes the grant token_exchange"));
    }
    if public && exchange.people.is_some() {
        return Err(("exchange.people", "for clients that prove themselves"));
    }
    Ok(())
}

/// A refresh token is what the scope `offline_access` asks for, on a code (OpenID Connect Core
/// §11), or comes with the exchange of another issuer's token.
fn check_refresh(grants: &BTreeSet<GrantConfig>, scopes: &ScopeSet) -> Result<(), &'static str> {
    let refreshes = grants.contains(&GrantConfig::RefreshToken);
    let exchanges_alone = grants.contains(&GrantConfig::TokenExchange)
        && !grants.contains(&GrantConfig::AuthorizationCode);
    if refreshes && exchanges_alone && !scopes.contains(OFFLINE_ACCESS) {
        return Ok(());
    }
    if refreshes != scopes.contains(OFFLINE_ACCESS) {
        return Err("refresh_token and the scope offline_access belong together");
    }
    if refreshes && !grants.contains(&GrantConfig::AuthorizationCode) {
        return Err("refresh_token comes with authorization_code only");
    }
    Ok(())
}

/// Where a client's table is, for errors; the name is empty if it is the whole file.
struct Place<'a> {
    path: &'a Path,
    table: String,
}

impl Place<'_> {
    fn key(&self, member: &str) -> String {
        if self.table.is_empty() { member.to_owned() } else { format!("{}.{member}", self.table) }
    }

    fn refuse(&self, member: &str, reason: &str) -> ConfigError {
        ConfigError::new(self.path, self.key(member), reason)
    }

    fn client(&self, client: ClientConfig) -> Result<Client, ConfigError> {
        if client.id.as_str().starts_with(SUBJECT_PREFIX) {
            return Err(self.refuse("id", RESERVED_NAME));
        }
        let credentials = config::credentials(
            self.path,
            &self.table,
            &CredentialsConfig {
                secret: client.secret,
                secret_sha256: client.secret_sha256,
                keys: client.keys,
                public: client.public,
            },
        )?;
        let may = |grant| client.grants.contains(&grant);
        if may(GrantConfig::ClientCredentials) && client.public {
            return Err(self.refuse("grants", "client_credentials is for confidential clients"));
        }
        if client.public && !client.introspect.is_empty() {
            return Err(self.refuse("introspect", "introspection is for confidential clients"));
        }
        if may(GrantConfig::AuthorizationCode) == client.redirect_uris.is_empty() {
            let reason = "authorization_code and redirect_uris belong together";
            return Err(self.refuse("redirect_uris", reason));
        }
        if !may(GrantConfig::AuthorizationCode) && !client.audiences.is_empty() {
            return Err(self.refuse("audiences", "they are of the grant authorization_code"));
        }
        // A token for two APIs lets each of them act at the other in the person's name.
        if client.audiences.len() > 1 {
            return Err(self.refuse("audiences", "at most one: a token is for one API"));
        }
        // The API has the token as well, and could exchange it: the client proves nothing there.
        if client.public
            && may(GrantConfig::TokenExchange)
            && !client.audiences.is_empty()
            && !client.dpop_bound_access_tokens
        {
            let reason = "a public client that exchanges its tokens takes dpop_bound_access_tokens";
            return Err(self.refuse("audiences", reason));
        }
        check_refresh(&client.grants, &client.scopes)
            .map_err(|reason| self.refuse("grants", reason))?;
        check_claims(&client.exchange, client.public, may(GrantConfig::TokenExchange))
            .map_err(|(member, reason)| self.refuse(member, reason))?;
        // Whoever the token is for would be taken for the client, which proves nothing there.
        if client.exchange.claims_endpoint && !client.audiences.is_empty() {
            let reason = "takes tokens that are for this server alone, and audiences are others";
            return Err(self.refuse("exchange.claims_endpoint", reason));
        }
        let exchange =
            exchange_policy(client.exchange, &client.scopes, may(GrantConfig::TokenExchange))
                .ok_or_else(|| self.refuse("exchange", "token_exchange, but for no audience"))?;
        Ok(Client {
            name: client.name,
            redirect_uris: client.redirect_uris,
            post_logout_redirect_uris: client.post_logout_redirect_uris,
            authorization_code: client.grants.contains(&GrantConfig::AuthorizationCode),
            refresh_token: client.grants.contains(&GrantConfig::RefreshToken),
            client_credentials: client.grants.contains(&GrantConfig::ClientCredentials),
            exchange,
            audience: client.audiences.into_iter().next(),
            introspects: client.introspect,
            scopes: client.scopes,
            id_token_algorithm: match client.id_token_alg {
                IdTokenAlg::Rs256 => Algorithm::Rs256,
                IdTokenAlg::Es256 => Algorithm::Es256,
            },
            dpop_bound_access_tokens: client.dpop_bound_access_tokens,
            opaque_access_tokens: client.opaque_access_tokens,
            registered: RegisteredClient { id: client.id, credentials },
        })
    }
}
