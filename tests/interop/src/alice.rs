//! What Alice's provider is told of the foreign parties: clients, issuers that it trusts, and
//! providers that people sign in through.

use toml::{Table, toml};

/// Adds everything to the configuration of the deployment's provider. The secrets and the key are
/// files that every deployment has.
pub(crate) fn configure(sts: &mut Table) {
    extend(sts, "clients", applications());
    extend(sts, "clients", apis());
    sts.extend(services());
    sts.extend(universities());
    sts.extend(upstreams());
    bob(sts);
}

/// Bob has an account at Alice's provider, with the password of everybody, and his authorization
/// server is a client.
fn bob(sts: &mut Table) {
    let known = |user: &toml::Value| user.get("password").cloned();
    let users = sts.get("users").and_then(toml::Value::as_array);
    let Some(password) = users.and_then(|users| users.first()).and_then(known) else { return };
    let mut bob = toml! {
        [[users]]
        username = "bob"
        subject = "bob-of-alice-example"
        email = "bob@alice.example"
        email_verified = true

        [[clients]]
        id = "uma-console"
        name = "Bob's authorization server"
        secret = { file = "changed.secret" }
        redirect_uris = ["https://uma.bob.example/console/callback"]
        post_logout_redirect_uris = ["https://uma.bob.example/console/signed-out"]
        grants = ["authorization_code"]
        scopes = ["openid", "email"]
    };
    if let Some(user) = bob.get_mut("users").and_then(|users| users.get_mut(0)) {
        user.as_table_mut().map(|user| user.insert("password".to_owned(), password));
    }
    extend(sts, "users", bob.clone());
    extend(sts, "clients", bob);
}

/// Applications in which people sign in.
fn applications() -> Table {
    toml! {
        [[clients]]
        id = "web-app"
        name = "The web application"
        keys = "key-client.jwks"
        redirect_uris = ["https://app.alice.example/callback"]
        post_logout_redirect_uris = ["https://app.alice.example/goodbye"]
        grants = ["authorization_code", "refresh_token", "client_credentials", "token_exchange"]
        scopes = ["openid", "profile", "email", "offline_access", "letters.read"]
        [clients.exchange]
        access_token_audiences = ["https://letters.alice.example"]
        impersonate = true

        [[clients]]
        id = "python-app"
        name = "The application in Python"
        secret = { file = "plain-client.secret" }
        redirect_uris = ["https://app.alice.example/python"]
        grants = ["authorization_code", "refresh_token", "client_credentials"]
        scopes = ["openid", "profile", "email", "offline_access", "letters.read"]
        audiences = ["https://letters.alice.example"]
        exchange = { access_token_audiences = ["https://letters.alice.example"] }

        [[clients]]
        id = "keycloak"
        name = "The company"
        secret = { file = "rs-bob.secret" }
        redirect_uris = ["https://keycloak.example/realms/company/broker/alice/endpoint"]
        grants = ["authorization_code"]
        scopes = ["openid", "profile", "email"]

        [[clients]]
        id = "native-app"
        name = "The application on her device"
        public = true
        redirect_uris = ["http://127.0.0.1/callback"]
        grants = ["authorization_code", "refresh_token"]
        scopes = ["openid", "offline_access"]
        id_token_alg = "ES256"

        [[clients]]
        id = "discreet-app"
        name = "The application whose tokens say nothing"
        public = true
        redirect_uris = ["http://127.0.0.1/callback"]
        grants = ["authorization_code", "refresh_token"]
        scopes = ["openid", "offline_access", "letters.read"]
        audiences = ["https://letters.alice.example"]
        opaque_access_tokens = true

        [[clients]]
        id = "bound-app"
        name = "The application with a key"
        public = true
        redirect_uris = ["http://127.0.0.1/callback"]
        grants = ["authorization_code", "refresh_token", "token_exchange"]
        scopes = ["openid", "offline_access", "letters.read"]
        dpop_bound_access_tokens = true
        [clients.exchange]
        access_token_audiences = ["https://letters.alice.example"]
        impersonate = true
    }
}

/// APIs, which are clients when they ask about tokens or exchange them.
fn apis() -> Table {
    toml! {
        [[clients]]
        id = "letters-api"
        name = "The letters"
        secret = { file = "other-client.secret" }
        redirect_uris = []
        grants = ["token_exchange"]
        scopes = ["letters.read"]
        introspect = ["https://letters.alice.example"]
        [clients.exchange]
        access_token_audiences = ["https://archive.alice.example"]
        subjects_of = ["web-app"]

        [[clients]]
        id = "results-api"
        name = "The results"
        secret = { file = "rqp-client.secret" }
        redirect_uris = []
        grants = ["token_exchange", "refresh_token"]
        scopes = ["results.read"]
        [clients.exchange]
        access_token_audiences = ["https://results.alice.example"]
        impersonate = true
    }
}

/// Services that the provider has never heard of may act for whoever uses Alice's application.
fn services() -> Table {
    toml! {
        [[url_clients]]
        id = "https://*.services.example/client"
        grants = ["token_exchange"]
        scopes = []
        [url_clients.exchange]
        actor_token = true
        identity_token_audiences = ["https://party.bob.example"]
        subjects_of = ["rqp-client"]
    }
}

/// The issuers whose tokens the results API exchanges.
fn universities() -> Table {
    toml! {
        [[trusted_issuers]]
        alias = "university"
        issuer = "https://idp.university.example"
        claims = ["name"]
        [trusted_issuers.introspection]
        client_id = "sts.alice.example"
        client_secret = { file = "rqp-client.secret" }
        [[trusted_issuers.exchanges]]
        client = "results-api"
        audiences = ["https://results.alice.example"]
        clients = ["dashboard"]
        refresh = 3600
        [[trusted_issuers.roles]]
        from = "groups"
        roles = { staff = "curator" }

        [[trusted_issuers]]
        alias = "college"
        issuer = "https://idp.college.example"
        user_info = true
        claims = ["name"]
        [trusted_issuers.introspection]
        client_id = "sts.alice.example"
        client_secret = { file = "rqp-client.secret" }
        [[trusted_issuers.exchanges]]
        client = "results-api"
        clients = ["dashboard"]

        [[trusted_issuers]]
        alias = "keycloak"
        issuer = "https://keycloak.example/realms/university"
        access_tokens = "keycloak"
        user_info = true
        claims = ["name"]
        [[trusted_issuers.exchanges]]
        client = "results-api"
        clients = ["dashboard"]
        [[trusted_issuers.roles]]
        from = "resource_access.results.roles"
        roles = { staff = "curator" }
        [[trusted_issuers.roles]]
        from = "realm_access.roles"
        roles = { member = "reader" }
    }
}

/// The providers that people may sign in through.
fn upstreams() -> Table {
    toml! {
        accounts = { directory = "accounts" }

        [[upstreams]]
        alias = "university"
        name = "the University"
        issuer = "https://idp.university.example"
        client_id = "sts.alice.example"
        client_secret = { file = "rqp-client.secret" }
        email_domains = ["university.example"]
        scopes = ["openid", "profile", "email"]
        claims = ["name"]
        [[upstreams.roles]]
        from = "groups"
        roles = { staff = "curator" }

        [[upstreams]]
        alias = "college"
        name = "the College"
        issuer = "https://idp.college.example"
        client_id = "sts.alice.example"
        client_secret = { file = "rqp-client.secret" }
        email_domains = ["college.example", "alice.example"]
        scopes = ["openid", "profile", "email"]
        claims = ["name"]
        user_info = true

        [[upstreams]]
        alias = "keycloak"
        name = "the Keycloak"
        issuer = "https://keycloak.example/realms/university"
        client_id = "sts.alice.example"
        client_secret = { file = "rqp-client.secret" }
        email_domains = ["university.example"]
        scopes = ["openid", "profile", "email"]
        claims = ["name"]
    }
}

/// Appends the tables of an array to those that are there.
pub(crate) fn extend(sts: &mut Table, name: &str, mut more: Table) {
    let more = more.remove(name).and_then(|value| value.as_array().cloned()).unwrap_or_default();
    if let Some(tables) = sts.get_mut(name).and_then(toml::Value::as_array_mut) {
        tables.extend(more);
    }
}
