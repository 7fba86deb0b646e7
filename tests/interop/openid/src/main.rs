//! A resource server and a client on the crate `openid`, against the UMA server, with the subject
//! token and the names that the test bed's file has.
//!
//! The library was written for Keycloak, and where that has a dialect of its own, so does the
//! library. Each of its calls is made here: those that are what UMA 2.0 specifies work, and of the
//! others this program says what they ask for instead; an answer that is another than it was is an
//! error too.
//!
//! ```text
//! openid_uma2 WORLD
//! ```

use std::error::Error;
use std::fmt::{Debug, Display};
use std::net::SocketAddr;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openid::uma2::{
    DiscoveredUma2, Uma2AuthenticationMethod, Uma2ClaimTokenFormat, Uma2Config,
    Uma2PermissionTicketRequest, discover_uma2,
};
use openid::{Bearer, Client, StandardClaims, Token};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

type Failure = Box<dyn Error>;
type Uma = Client<DiscoveredUma2, StandardClaims>;

/// The resource server and the client, as the servers know them.
const RESOURCE_SERVER: &str = "rust-rs";
const CLIENT: &str = "rqp-client";
const IDENTIFIER: &str = "https://rust.services.example";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("NO  {error}");
            ExitCode::FAILURE
        }
    }
}

fn check(what: &str, holds: bool, found: impl Debug) -> Result<(), Failure> {
    if !holds {
        return Err(format!("{what}: found {found:?}").into());
    }
    println!("ok  {what}");
    Ok(())
}

/// A call of the library that cannot work, and what it says of that.
fn fails<T>(what: &str, done: Result<T, impl Display>, says: &str) -> Result<(), Failure> {
    let Err(error) = done else { return Err(format!("{what}: it worked").into()) };
    let said = error.to_string();
    check(&format!("{what}: {says}"), said.contains(says), said)
}

struct World(Value);

impl World {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    fn secret(&self, id: &str) -> String {
        self.0["secrets"][id].as_str().unwrap_or_default().to_owned()
    }

    /// An HTTP client that trusts the test bed's authority and finds its names.
    fn http(&self) -> Result<reqwest::Client, Failure> {
        let root = reqwest::Certificate::from_pem(&std::fs::read(self.text("roots"))?)?;
        let mut builder = reqwest::Client::builder().add_root_certificate(root);
        for entry in self.0["connect_to"].as_array().into_iter().flatten() {
            let (name, address) =
                entry.as_str().and_then(|it| it.split_once('=')).ok_or("no place")?;
            let host = name.split(':').next().unwrap_or_default();
            builder = builder.resolve(host, address.parse::<SocketAddr>()?);
        }
        Ok(builder.build()?)
    }
}

async fn run() -> Result<(), Failure> {
    let path = std::env::args().nth(1).ok_or("the file of the test bed is needed")?;
    let world = World(serde_json::from_slice(&std::fs::read(path)?)?);
    let http = world.http()?;
    let issuer = Url::parse(world.text("owners_server"))?;

    fails(
        "discover_uma2 takes the server for an OpenID provider",
        discover_uma2(&http, &issuer).await,
        "missing field `authorization_endpoint`",
    )?;
    let metadata = document(&http, issuer.join(".well-known/uma2-configuration")?).await?;
    let own = uma(&world, &http, &metadata, RESOURCE_SERVER)?;
    let bearer = own.request_token_using_client_credentials("uma_protection").await?;
    let pat = bearer.access_token.clone();
    check("request_token_using_client_credentials gives a PAT", !pat.is_empty(), ())?;

    let id = registration(&own, &http, &metadata, &pat).await?;
    let rpt = grant(&world, &http, &metadata, &own, &pat, &id).await?;
    introspection(&own, &http, &metadata, &pat, bearer, &rpt).await?;

    let done = own.delete_uma2_resource(pat.clone(), id).await;
    fails("delete_uma2_resource waits for a document, where UF §3.2.4 has none", done, "decoding")?;
    let left = own.search_for_uma2_resources(pat, None, None, None, None, None).await?;
    check("  but the resource is gone", left.is_empty(), left)
}

/// What the server publishes, with the members that the library's type has to have of an OpenID
/// provider.
fn uma(world: &World, http: &reqwest::Client, metadata: &Value, id: &str) -> Result<Uma, Failure> {
    let mut filled = metadata.clone();
    for name in ["authorization_endpoint", "jwks_uri"] {
        filled[name] = json!(format!("{}/none", world.text("owners_server")));
    }
    filled["response_types_supported"] = json!([]);
    let config: Uma2Config = serde_json::from_value(filled)?;
    Ok(Client::new(config.into(), id.to_owned(), world.secret(id), None, http.clone(), None))
}

/// Registers a resource and gives its identifier.
async fn registration(
    own: &Uma,
    http: &reqwest::Client,
    metadata: &Value,
    pat: &str,
) -> Result<String, Failure> {
    let (name, scopes) = ("Letters".to_owned(), vec!["read".to_owned()]);
    let made = own.create_uma2_resource(
        pat.to_owned(),
        name.clone(),
        None,
        None,
        scopes.clone(),
        None,
        None,
        None,
    );
    // {"name": "read", "id": null} in the place of "read".
    fails("create_uma2_resource sends scopes as Keycloak's objects", made.await, "InvalidRequest")?;
    let endpoint = text(metadata, "resource_registration_endpoint")?;
    let resource = json!({ "name": name, "resource_scopes": scopes });
    let made = http.post(endpoint).bearer_auth(pat).json(&resource).send().await?;
    let status = made.status().as_u16();
    let made: Value = made.json().await?;
    check("a resource is registered as UF §3.2.1 has it", status == 201, &made)?;
    let id = text(&made, "_id")?.to_owned();

    let found = own.search_for_uma2_resources(pat.to_owned(), None, None, None, None, None).await?;
    check("search_for_uma2_resources lists it", found == [id.clone()], found)?;
    let read = own.get_uma2_resource_by_id(pat.to_owned(), id.clone()).await;
    fails(
        "get_uma2_resource_by_id expects scopes as objects",
        read,
        "expected struct Uma2ResourceScope",
    )?;
    let update = own.update_uma2_resource(
        pat.to_owned(),
        "Letters".to_owned(),
        None,
        None,
        None,
        None,
        None,
        None,
    );
    fails(
        "update_uma2_resource puts to the list, where there is no PUT",
        update.await,
        "missing field",
    )?;
    let policy = own.associate_uma2_resource_with_a_permission(
        pat.to_owned(),
        id.clone(),
        String::new(),
        String::new(),
        Vec::new(),
        None,
        None,
        None,
        None,
        None,
        None,
    );
    fails(
        "associate_uma2_resource_with_a_permission is Keycloak's own",
        policy.await,
        "No permissions policy association endpoint",
    )?;
    Ok(id)
}

/// From a permission ticket to an RPT.
async fn grant(
    world: &World,
    http: &reqwest::Client,
    metadata: &Value,
    own: &Uma,
    pat: &str,
    id: &str,
) -> Result<String, Failure> {
    let ask = async || {
        let scopes = Some(vec!["read".to_owned()]);
        let wanted = Uma2PermissionTicketRequest {
            resource_id: id.to_owned(),
            resource_scopes: scopes,
            claims: None,
        };
        own.create_uma2_permission_ticket(pat.to_owned(), vec![wanted]).await
    };
    let ticket = ask().await?.ticket;
    check("create_uma2_permission_ticket gives a ticket", !ticket.is_empty(), ())?;

    let client = uma(world, http, metadata, CLIENT)?;
    let basic = STANDARD.encode(format!("{CLIENT}:{}", world.secret(CLIENT)));
    let obtain = async |ticket: &str, claims: Option<String>| {
        let format = claims.is_some().then_some(Uma2ClaimTokenFormat::OAuthJwt);
        let by = Uma2AuthenticationMethod::Basic;
        client
            .obtain_requesting_party_token(
                basic.clone(),
                by,
                ticket.to_owned(),
                claims,
                format,
                None,
                None,
                None,
                None,
                None,
                None,
            )
            .await
    };
    let early = obtain(&ticket, None).await;
    fails(
        "without claims obtain_requesting_party_token has no words for need_info",
        early,
        "missing field",
    )?;
    let ticket = ask().await?.ticket;
    let claims = claims_token(world, http, &ticket).await?;
    let rpt = obtain(&ticket, Some(claims)).await?;
    check("with a claims token obtain_requesting_party_token gives an RPT", !rpt.is_empty(), ())?;
    Ok(rpt)
}

/// Of the provider's security token service, bound to the ticket; the library has no token
/// exchange.
async fn claims_token(
    world: &World,
    http: &reqwest::Client,
    ticket: &str,
) -> Result<String, Failure> {
    let issuer = Url::parse(world.text("sts"))?;
    let provider = document(http, issuer.join(".well-known/openid-configuration")?).await?;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(ticket));
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", world.text("subject_token")),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("audience", world.text("owners_server")),
        ("resource", IDENTIFIER),
        ("ticket_challenge", &challenge),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = http.post(text(&provider, "token_endpoint")?);
    let request = request.basic_auth(CLIENT, Some(world.secret(CLIENT)));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer: Value = request.body(body).send().await?.json().await?;
    Ok(text(&answer, "access_token")?.to_owned())
}

async fn introspection(
    own: &Uma,
    http: &reqwest::Client,
    metadata: &Value,
    pat: &str,
    bearer: Bearer,
    rpt: &str,
) -> Result<(), Failure> {
    let token = Token::from(Bearer { access_token: rpt.to_owned(), ..bearer });
    let asked = own.request_token_introspection::<StandardClaims>(&token).await;
    fails(
        "request_token_introspection loses the endpoint that was found",
        asked,
        "Config has no introspection url",
    )?;
    let request = http.post(text(metadata, "introspection_endpoint")?).bearer_auth(pat);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let told: Value = request.body(format!("token={rpt}")).send().await?.json().await?;
    let permitted = told["permissions"][0]["resource_scopes"] == json!(["read"]);
    check(
        "with the PAT, the RPT is active and permits what was asked",
        told["active"] == true && permitted,
        told,
    )
}

async fn document(http: &reqwest::Client, url: Url) -> Result<Value, Failure> {
    Ok(http.get(url).send().await?.error_for_status()?.json().await?)
}

fn text<'a>(document: &'a Value, name: &str) -> Result<&'a str, Failure> {
    document[name].as_str().ok_or_else(|| format!("no {name}: {document}").into())
}
