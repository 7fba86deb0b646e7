//! Clients that are known by the URL of a document instead of a registration.
//! draft-ietf-oauth-client-id-metadata-document-01 (CIMD)

use std::sync::Arc;

use countersign_client_auth::{CheckedCredentials, Credentials};
use countersign_jwt::Algorithm;
use countersign_metadata::ClientMetadata;
use countersign_oidc::{code, refresh};
use countersign_resolver::{UrlClient, UrlClientRules};
use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_token_exchange::{ClientPolicy, request};
use countersign_types::{ClientId, EndpointUrl, RedirectUri, ScopeSet};
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};

use crate::clients::{Client, Clients};
use crate::token::client_credentials;

/// So many characters of a client's name are shown.
const MAX_NAME: usize = 64;

/// What clients that a rule speaks of may do here.
#[derive(Clone, Debug)]
pub struct UrlClientTerms {
    /// What they may ask for.
    pub scopes: ScopeSet,
    /// Whether they may use the authorization code grant, with redirection URIs on the origin of
    /// their own identifier (CIMD §6.1).
    pub authorization_code: bool,
    /// Whether they get a refresh token for the scope `offline_access`.
    pub refresh_token: bool,
    /// Whether they may use the client credentials grant.
    pub client_credentials: bool,
    /// What they may do with the token exchange grant.
    pub exchange: ClientPolicy,
    /// Whether their access tokens are opaque.
    pub opaque_access_tokens: bool,
}

/// Registered clients, and beside them those that the rules speak of.
pub struct UrlClients {
    registered: Arc<dyn Clients>,
    rules: UrlClientRules<UrlClientTerms>,
}

impl UrlClients {
    /// Clients by registration, then by rule.
    #[must_use]
    pub fn new(registered: Arc<dyn Clients>, rules: UrlClientRules<UrlClientTerms>) -> Self {
        Self { registered, rules }
    }

    async fn look_up(
        &self,
        id: &ClientId,
        kid: Option<&str>,
    ) -> Result<Option<Arc<Client>>, StoreError> {
        if let Some(client) = self.registered.find_with_key(id, kid).await? {
            return Ok(Some(client));
        }
        Ok(self.rules.find(id, kid).await.map(|found| Arc::new(client(found))))
    }
}

impl Clients for UrlClients {
    fn find<'a>(
        &'a self,
        id: &'a ClientId,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>> {
        Box::pin(self.look_up(id, None))
    }

    fn find_with_key<'a>(
        &'a self,
        id: &'a ClientId,
        kid: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>> {
        Box::pin(self.look_up(id, kid))
    }

    fn find_presenting<'a>(
        &'a self,
        credentials: &'a CheckedCredentials,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>> {
        Box::pin(async {
            if let Some(client) = self.registered.find_presenting(credentials).await? {
                return Ok(Some(client));
            }
            let found = self.rules.find_presenting(credentials).await;
            Ok(found.map(|found| Arc::new(client(found))))
        })
    }

    /// A client by its URL is known while a rule speaks of it.
    fn is_known<'a>(&'a self, id: &'a ClientId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async { Ok(self.registered.is_known(id).await? || self.rules.rule(id).is_some()) })
    }

    fn reads_documents(&self) -> bool {
        !self.rules.is_empty()
    }
}

impl std::fmt::Debug for UrlClients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UrlClients").field("rules", &self.rules).finish_non_exhaustive()
    }
}

fn client(found: UrlClient<'_, UrlClientTerms>) -> Client {
    let UrlClient { registered, metadata, terms } = found;
    let confidential = matches!(registered.credentials, Credentials::Keys(_));
    let redirect_uris = own_redirect_uris(&metadata);
    Client {
        registered,
        name: shown(&metadata),
        authorization_code: terms.authorization_code
            && metadata.uses(code::GRANT_TYPE)
            && !redirect_uris.is_empty(),
        redirect_uris,
        scopes: terms.scopes.clone(),
        refresh_token: terms.refresh_token && metadata.uses(refresh::GRANT_TYPE),
        client_credentials: terms.client_credentials
            && confidential
            && metadata.uses(client_credentials::GRANT_TYPE),
        exchange: ClientPolicy {
            may_exchange: terms.exchange.may_exchange && metadata.uses(request::GRANT_TYPE),
            ..terms.exchange.clone()
        },
        post_logout_redirect_uris: Vec::new(),
        audience: None,
        introspects: Vec::new(),
        id_token_algorithm: Algorithm::Rs256,
        dpop_bound_access_tokens: metadata.dpop_bound_access_tokens,
        opaque_access_tokens: terms.opaque_access_tokens,
    }
}

/// The redirection URIs on the origin of the client itself: another's would let it pass for that
/// one, and a loopback address proves nothing.
fn own_redirect_uris(metadata: &ClientMetadata) -> Vec<RedirectUri> {
    let origin = |url: &str| EndpointUrl::parse(url).ok().map(|url| url.as_url().origin());
    let own = origin(metadata.client_id.as_str());
    let uris = metadata.redirect_uris.iter();
    uris.filter(|uri| own.is_some() && origin(uri.as_str()) == own).cloned().collect()
}

/// The host is what a person can check, so that it comes first; the name is what the client says
/// (CIMD §6.4).
fn shown(metadata: &ClientMetadata) -> String {
    let url = EndpointUrl::parse(metadata.client_id.as_str()).ok();
    let host = url.as_ref().and_then(|url| url.as_url().host_str()).unwrap_or_default();
    match metadata.client_name.as_deref().map(legible) {
        Some(name) if !name.is_empty() => format!("{host} ({name})"),
        _ => host.to_owned(),
    }
}

/// A name without what nobody sees: controls, marks that turn the direction of a line around the
/// host, characters that fonts leave out. White space is one space, and so much is enough.
fn legible(name: &str) -> String {
    let category = CodePointMapData::<GeneralCategory>::new();
    let unseen = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let seen: String = name
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !GeneralCategoryGroup::Other.contains(category.get(*c)) && !unseen.contains(*c))
        .collect();
    let name = seen.split_whitespace().collect::<Vec<_>>().join(" ");
    match name.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use countersign_metadata::{ClientIdUrl, ClientKeys};

    use super::*;

    #[test]
    fn a_name_says_nothing_about_the_host() {
        let long = "x".repeat(MAX_NAME);
        for (name, expected) in [
            ("Mail", "mail.example (Mail)"),
            ("Post für Ålice, 日本語 हिन्दी", "mail.example (Post für Ålice, 日本語 हिन्दी)"),
            ("\u{202e}elpmaxe.knab\u{202c}", "mail.example (elpmaxe.knab)"),
            ("a\u{2066}b\u{2069}c\u{200f}d\u{61c}", "mail.example (abcd)"),
            ("a\u{0}\u{7}\u{85}b\r\n\t c\u{2028}d", "mail.example (a b c d)"),
            ("a\u{200b}\u{feff}\u{ad}\u{115f}\u{3164}\u{e0041}b", "mail.example (ab)"),
            ("\u{e000}\u{10ffff}\u{200d} \u{3000}", "mail.example"),
            ("", "mail.example"),
            (&long, &format!("mail.example ({long})")),
            (&format!("{long}y"), &format!("mail.example ({long}…)")),
        ] {
            let id = ClientId::parse("https://mail.example/client").unwrap();
            let url = ClientIdUrl::of(&id).unwrap();
            let mut metadata = ClientMetadata::new(&url, ClientKeys::None);
            metadata.client_name = Some(name.to_owned());
            assert_eq!(shown(&metadata), expected, "{name:?}");
        }
    }
}
