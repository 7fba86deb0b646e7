//! `countersign client`

mod serve;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use countersign_host::Seams;
use countersign_jwt::Algorithm;
use countersign_resolver::{ClientDocuments, ClientDocumentsConfig};
use countersign_types::{ClientId, EndpointUrl, Lifetime, RedirectUri, Timestamp};
use serde_json::json;

pub(crate) use self::serve::router;
use super::jwk::algorithm;
use crate::cli::Global;
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::Output;
use crate::url_client::{ANNOUNCE, Description, MAX_ANNOUNCE, MIN_ANNOUNCE, UrlClient};

const INIT: &str = "\
The client identifier is the https URL under which the document is to be published, with a path. The \
directory gets a private key, for you alone, and document.json, which everybody may read: put it at \
that URL, or let `countersign client serve` answer there.

Examples:
  countersign client init https://mail.example/client --dir mail --name Mail
  countersign client init https://mail.example/client --dir mail \\
      --redirect-uri https://mail.example/callback \\
      --jwks-uri https://mail.example/jwks";

const ROTATE: &str = "\
Each call takes the step that is due, and refuses to take it too early:

  1. a next key is made and published; it does not sign
  2. once it was published for long enough (--announce of `client init`), and
     is seen at the client's URL, it signs; the key that it replaces stays
     published until what it signed has run out
  3. the next call begins anew

Keys that are over are removed on the way.

Examples:
  countersign client rotate --dir mail
  countersign client rotate --dir mail --offline  # look at nothing published";

/// What to do as a client that is known by its own URL.
#[derive(Subcommand, Debug)]
pub(crate) enum ClientCommand {
    /// Make a client's keys and the document to publish
    #[command(after_help = INIT)]
    Init(InitArgs),
    /// Show who a client is, and which key does what
    Show(DirArgs),
    /// Replace the signing key: publish the next one ahead, then sign with it
    #[command(after_help = ROTATE)]
    Rotate(RotateArgs),
    /// Serve a client's document
    Serve(serve::ServeArgs),
}

#[derive(Args, Debug)]
pub(crate) struct DirArgs {
    /// The client's directory
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// The client identifier: where its document will be
    #[arg(value_name = "URL", value_parser = ClientId::parse)]
    client_id: ClientId,

    #[command(flatten)]
    at: DirArgs,

    /// A name for people
    #[arg(long)]
    name: Option<String>,

    /// Algorithm
    #[arg(long, value_name = "ALG", default_value = "ES256", value_parser = algorithm())]
    alg: Algorithm,

    /// Where it may receive authorization responses; may be repeated
    #[arg(long, value_name = "URL", value_parser = RedirectUri::parse)]
    redirect_uri: Vec<RedirectUri>,

    /// Publish the keys there instead of in the document
    #[arg(long, value_name = "URL", value_parser = EndpointUrl::parse)]
    jwks_uri: Option<EndpointUrl>,

    /// For how many seconds a next key is published before it signs
    #[arg(long, value_name = "SECONDS", default_value_t = ANNOUNCE.as_secs(),
        value_parser = clap::value_parser!(u32).range(i64::from(MIN_ANNOUNCE)..=i64::from(MAX_ANNOUNCE)))]
    announce: u32,
}

#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    at: DirArgs,

    /// Do not look whether the next key is published at the client's URL
    #[arg(long)]
    offline: bool,
}

pub(crate) async fn run(
    global: &Global,
    command: ClientCommand,
    out: Output,
) -> Result<(), Failure> {
    match command {
        ClientCommand::Init(args) => init(args, out),
        ClientCommand::Show(args) => show(&args.dir, out),
        ClientCommand::Rotate(args) => rotate(global, &args, out).await,
        ClientCommand::Serve(args) => serve::run(args).await,
    }
}

fn init(args: InitArgs, out: Output) -> Result<(), Failure> {
    let description = Description {
        client_name: args.name,
        redirect_uris: args.redirect_uri,
        jwks_uri: args.jwks_uri,
        announce: Lifetime::from_secs(args.announce),
        ..Description::new(args.client_id, args.alg)
    };
    let client = UrlClient::create(&args.at.dir, description, Seams::system().clock.now())?;
    let client_id = &client.description().client_id;
    let text = format!("made {client_id}; publish {}", to_publish(&client));
    out.result(&text, &files(&client))
}

fn show(directory: &Path, out: Output) -> Result<(), Failure> {
    let client = UrlClient::load(directory)?;
    let keys = client.rotation().keys();
    let lines = keys.iter().map(|key| format!("\n  {}  {}", key.kid, key.says()));
    let text = format!(
        "{}\n  publish {}{}",
        client.description().client_id,
        to_publish(&client),
        lines.collect::<String>()
    );
    let mut json = files(&client);
    if let Some(members) = json.as_object_mut() {
        members.insert("keys".to_owned(), json!(client.rotation()));
        members.insert("document".to_owned(), client.published()?.document);
    }
    out.result(&text, &json)
}

async fn rotate(global: &Global, args: &RotateArgs, out: Output) -> Result<(), Failure> {
    let mut client = UrlClient::load(&args.at.dir)?;
    let now = Seams::system().clock.now();
    for kid in client.forget(now)? {
        out.remark(&format!("key {kid} is over and was removed"));
    }
    let announce = client.description().announce;
    let Some((next, until)) = client.rotation().next(announce) else {
        let (kid, until) = client.announce(now)?;
        return said(&client, "announced", &kid, until, out);
    };
    if now >= until && !args.offline {
        check_published(global, &client, next).await?;
    }
    let kid = client.sign_with_next(now)?;
    said(&client, "signing", &kid, now, out)
}

fn said(
    client: &UrlClient,
    step: &str,
    kid: &str,
    from: Timestamp,
    out: Output,
) -> Result<(), Failure> {
    let text = if step == "announced" {
        format!(
            "key {kid} is the next; publish {} now\nit may sign from {} on: then `rotate` again",
            to_publish(client),
            from
        )
    } else {
        format!("key {kid} signs from now on; the one before stays published for a while")
    };
    let mut json = files(client);
    if let Some(members) = json.as_object_mut() {
        members.insert("step".to_owned(), json!(step));
        members.insert("kid".to_owned(), json!(kid));
        members.insert("signs_from".to_owned(), json!(from));
    }
    out.result(&text, &json)
}

/// Whoever is to verify what the next key signs has to find it at the client's URL.
async fn check_published(global: &Global, client: &UrlClient, kid: &str) -> Result<(), Failure> {
    let config = Config::load(global.config.as_deref())?;
    let clock = Arc::clone(&Seams::system().clock);
    let documents = ClientDocuments::new(config.fetch(), clock, &ClientDocumentsConfig::default());
    let client_id = &client.description().client_id;
    let published = documents.resolve(client_id, Some(kid)).await.map_err(|error| {
        Failure::caused(Code::Unavailable, format!("the document at {client_id}"), error)
    })?;
    if published.keys.contains_kid(kid) {
        return Ok(());
    }
    Err(Failure::new(
        Code::No,
        format!(
            "too early: key {kid} is not published at {client_id} yet; publish {}",
            to_publish(client)
        ),
    ))
}

/// The files to publish, for people.
fn to_publish(client: &UrlClient) -> String {
    let document = client.document_file().display().to_string();
    match client.key_set_file() {
        Some(set) => format!("{document} and {}", set.display()),
        None => document,
    }
}

fn files(client: &UrlClient) -> serde_json::Value {
    let mut json = json!({
        "client_id": client.description().client_id,
        "document_file": client.document_file(),
    });
    if let (Some(set), Some(members)) = (client.key_set_file(), json.as_object_mut()) {
        members.insert("jwks_file".to_owned(), json!(set));
    }
    json
}
