//! `countersign request`

mod approval;
mod propagation;
mod wait;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use countersign_client::subject::AnyAudience;
use countersign_client::{
    ApproveAudience, Client, ClientError, OwnAccess, Registration, SubjectToken,
};
use countersign_client_auth::Proof;
use countersign_host::Seams;
use countersign_types::{Clock, EmailAddress};
use http::header::{CONTENT_TYPE, LOCATION, WARNING};
use http::{HeaderName, HeaderValue, Method, Response, Uri};
use serde_json::{Map, Value, json};
use url::Url;

use self::approval::AskOnce;
use self::propagation::PropagationArgs;
use self::wait::SavedSession;
use super::explain::Explain;
use super::input;
use crate::cli::Global;
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::Output;
use crate::session::{self, Sessions};

const EXAMPLES: &str = "\
If the resource server asks for it, the claims token of your provider is sent to the authorization \
server that guards the resource. Before a server you have not configured learns your e-mail \
address, you are asked: once for each server, and again if it is somebody else's address, as with --on-behalf-of. \
--yes answers for you, this time. Where there is no terminal and no --yes, nothing is sent.

If the owner of the resource has to be asked first, the command waits for the answer, for an hour unless \
--wait says otherwise. To end it does not take the question back: whoever asks again is not asked about \
again, and gets in once the owner has said yes.

Examples:
  countersign request https://rs.bob.example/rs-api
  countersign request --explain https://rs.bob.example/rs-api > data.json
  countersign request --yes --data '{\"text\":\"hello\"}' \\
      https://rs.bob.example/inbox
  countersign request --wait 0 -X POST --data @letter.txt \\
      https://rs.bob.example/inbox
  countersign request -X PUT --data @album.json \\
      -H 'Content-Type: application/json' https://rs.bob.example/albums/1

With --on-behalf-of the client acts alone: nobody signs in, and its provider lets it name the person. The \
authorization server is told that the client acts.

  countersign request --on-behalf-of alice@alice.example --yes \\
      --data @report https://rs.bob.example/inbox

With --identity-propagation a client that is known by its own URL (`countersign client init`) acts for \
the person: it gets an identity token for the relying party at URL from the person's provider, checks \
it, and shows it with a proof that it is the client the token names. Nobody is asked, since the \
token goes to no one but the server of the URL.

  countersign request --identity-propagation --client mail \\
      https://rp.bob.example/letters
  countersign request --identity-propagation --client mail \\
      --issuer https://sts.alice.example --subject-token-file token \\
      --data '{\"text\":\"hello\"}' https://rp.bob.example/letters

With --dpop the identity token is bound to a key that is made for this one request and proved to the \
provider and to the relying party (RFC 9449): whoever comes by the token can do nothing with it.

  countersign request --identity-propagation --dpop --client mail \\
      https://rp.bob.example/letters";

/// Arguments of `request`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RequestArgs {
    #[command(flatten)]
    http: HttpArgs,

    /// Tell on standard error what is sent, received and checked
    #[arg(long)]
    explain: bool,

    /// Send the claims to whatever authorization server the resource server names
    #[arg(short, long)]
    yes: bool,

    /// Act alone for the person of this address, with an access token of the client's own
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = EmailAddress::parse,
        conflicts_with = "identity_propagation"
    )]
    on_behalf_of: Option<EmailAddress>,

    /// How long to wait for the owner of the resource, if they have to be asked; 0 waits not at all
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 3600,
        conflicts_with = "identity_propagation"
    )]
    wait: u32,

    #[command(flatten)]
    propagation: PropagationArgs,
}

/// The request itself.
#[derive(Args, Debug)]
struct HttpArgs {
    /// Address of the resource
    #[arg(value_name = "URL")]
    url: Uri,

    /// HTTP method [default: GET, or POST with --data]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<Method>,

    /// Body: a text, @FILE, or @- for standard input
    #[arg(short, long, value_name = "DATA")]
    data: Option<String>,

    /// Request header `Name: value`; may be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("no colon between name and value")?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| "not a header name")?;
    let value = HeaderValue::try_from(value.trim()).map_err(|_| "not a header value")?;
    Ok((name, value))
}

pub(crate) async fn run(global: &Global, args: RequestArgs, out: Output) -> Result<(), Failure> {
    let RequestArgs { http, explain, yes, on_behalf_of, wait, propagation } = args;
    let request = http_request(http)?;
    let url = request.uri().to_string();
    let response = if propagation.identity_propagation {
        propagation::send(global, propagation, request, explain, out).await?
    } else {
        let patience = Duration::from_secs(wait.into());
        let manner = Manner { explain, yes, on_behalf_of, patience };
        by_uma(global, request, manner, out).await?
    };
    print(&response, &url, out)
}

/// How to get in.
struct Manner {
    explain: bool,
    yes: bool,
    on_behalf_of: Option<EmailAddress>,
    patience: Duration,
}

/// Gets in by UMA, if the resource server asks for it.
async fn by_uma(
    global: &Global,
    request: http::Request<Bytes>,
    manner: Manner,
    out: Output,
) -> Result<Response<Bytes>, Failure> {
    let config = Config::load(global.config.as_deref())?;
    let (provider, _) = config.provider()?;
    let Seams { clock, random } = Seams::system();
    let path = session::path(global.session.as_deref())?;
    let subject = match &manner.on_behalf_of {
        Some(address) => alone(&config, provider, address)?,
        None => signed_in(&path, provider, &clock)?,
    };

    let approve: Arc<dyn ApproveAudience> = if manner.yes {
        Arc::new(AnyAudience)
    } else {
        let ask = move |question: &str| out.is_interactive().then(|| out.ask(question));
        Arc::new(AskOnce::beside(&path, provider.issuer.clone(), out, ask)?)
    };
    let mut builder = Client::builder(config.fetch(), clock, random, provider.clone(), subject)
        .with_approval(approve);
    if let Some(issuer) = &config.claims_provider {
        builder = builder.with_claims_provider(issuer.clone());
    }
    if let Some(address) = manner.on_behalf_of {
        builder = builder.naming(address);
    }
    for registration in &config.servers {
        builder = builder.with_registration(Registration::clone(registration));
    }
    if let Some((client_id, key)) = &config.elsewhere {
        builder = builder.with_identity_elsewhere(client_id.clone(), key.clone());
    }
    if manner.explain {
        builder = builder.with_observer(Arc::new(Explain::new(out)));
    }
    let client = builder.build();
    let first = client.request(request.clone()).await;
    let resume = async |pending| client.resume(pending, request.clone()).await;
    let answered =
        wait::until_answered(first, manner.patience, out, resume, tokio::time::sleep).await;
    answered.map_err(|error| refused(error, out))
}

/// Whoever is signed in.
fn signed_in(
    path: &Path,
    provider: &Registration,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn SubjectToken>, Failure> {
    // Who is not signed in learns it before anything is sent.
    let sessions = Sessions::load(path)?;
    sessions.live(&provider.issuer, clock.now())?;
    let (issuer, clock) = (provider.issuer.clone(), Arc::clone(clock));
    Ok(Arc::new(SavedSession { path: path.to_owned(), issuer, clock }))
}

/// The client alone, for the person of an address.
fn alone(
    config: &Config,
    provider: &Registration,
    address: &EmailAddress,
) -> Result<Arc<dyn SubjectToken>, Failure> {
    if matches!(provider.proof, Proof::None) {
        let reason =
            "a public client has no access token of its own: configure what it proves itself with";
        return Err(config.refuse("provider", reason));
    }
    let Seams { clock, random } = Seams::system();
    let mut own = OwnAccess::new(provider.clone(), address.clone(), config.fetch(), clock, random);
    if let Some(issuer) = config.claims_provider.as_ref().filter(|it| **it != provider.issuer) {
        own = own.for_claims_provider(issuer.clone());
    }
    Ok(Arc::new(own))
}

fn http_request(args: HttpArgs) -> Result<http::Request<Bytes>, Failure> {
    let default = if args.data.is_some() { Method::POST } else { Method::GET };
    let body = match args.data.as_deref() {
        None => Bytes::new(),
        Some(data) => match data.strip_prefix('@') {
            Some(path) => Bytes::copy_from_slice(&input::octets(Path::new(path))?),
            None => Bytes::copy_from_slice(data.as_bytes()),
        },
    };
    let has_type = args.headers.iter().any(|(name, _)| name == CONTENT_TYPE);
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
    let mut builder = http::Request::builder().method(args.method.unwrap_or(default)).uri(args.url);
    for (name, value) in args.headers {
        builder = builder.header(name, value);
    }
    if args.data.is_some() && !has_type {
        let guess = if is_json { "application/json" } else { "application/octet-stream" };
        builder = builder.header(CONTENT_TYPE, HeaderValue::from_static(guess));
    }
    builder.body(body).map_err(|error| Failure::of(Code::Usage, error))
}

fn refused(error: ClientError, out: Output) -> Failure {
    match &error {
        ClientError::NeedInfo { info, .. } => {
            for claim in &info.required_claims {
                let name = claim.friendly_name.as_ref().or(claim.name.as_ref());
                let name = name.map_or("a claim", String::as_str);
                let issuers = match claim.issuer.as_slice() {
                    [] => String::new(),
                    issuers => format!(" from {}", issuers.join(" or ")),
                };
                out.remark(&crate::failure::one_line(&format!("needed: {name}{issuers}")));
            }
            if let Some(page) = &info.redirect_user {
                out.remark(&crate::failure::one_line(&format!(
                    "or answer its questions at {page}"
                )));
            }
        }
        ClientError::Submitted(pending) => {
            let wait = pending.interval.map_or_else(String::new, |s| format!(" in {s} s or later"));
            out.remark(&format!("the owner of the resource has been asked; try again{wait}"));
        }
        _ => {}
    }
    error.into()
}

fn print(response: &Response<Bytes>, url: &str, out: Output) -> Result<(), Failure> {
    for warning in warnings(response) {
        out.remark(&warning);
    }
    if out.is_json() {
        out.result("", &describe(response))?;
    } else if let Some(outcome) = outcome(response, url) {
        out.remark(&outcome);
    } else {
        out.write(response.body())?;
    }
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        return Err(Failure::new(Code::No, format!("the resource server answered {status}")));
    }
    Ok(())
}

/// What came of a request whose answer has no body: a person would see nothing at all.
/// [RFC 9110 §10.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.2)
fn outcome(response: &Response<Bytes>, url: &str) -> Option<String> {
    let status = response.status();
    if !response.body().is_empty() || !status.is_success() {
        return None;
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    // It may be relative, to what was asked for.
    let place = location.and_then(|location| Url::parse(url).ok()?.join(location).ok());
    let place = place.map_or_else(String::new, |place| format!(": {place}"));
    Some(crate::failure::one_line(&format!("{status}{place}")))
}

/// What a resource server says that cannot reach its authorization server. [UMA Grant §3.2.2]
///
/// [UMA Grant §3.2.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#permission-failure-to-client
fn warnings(response: &Response<Bytes>) -> Vec<String> {
    let warnings = response.headers().get_all(WARNING).iter();
    warnings
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .map(|text| crate::failure::one_line(&format!("the resource server warns: {text}")))
        .collect()
}

fn describe(response: &Response<Bytes>) -> Value {
    let mut headers = Map::new();
    for name in response.headers().keys() {
        let values = response.headers().get_all(name).iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        // RFC 9110 §5.3: some headers, `Set-Cookie` among them, cannot be split again once joined.
        let value = if let [value] = &*values { json!(value) } else { json!(values) };
        headers.insert(name.to_string(), value);
    }
    let (name, body) = match std::str::from_utf8(response.body()) {
        Ok(text) => ("body", text.to_owned()),
        Err(_) => ("body_base64", STANDARD.encode(response.body())),
    };
    json!({ "status": response.status().as_u16(), "headers": headers, name: body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(data: Option<&str>, headers: &[&str]) -> HttpArgs {
        HttpArgs {
            url: Uri::from_static("https://rs.example/a"),
            method: None,
            data: data.map(str::to_owned),
            headers: headers.iter().map(|text| header(text).unwrap()).collect(),
        }
    }

    #[test]
    fn a_body_makes_it_a_post_of_its_type() {
        for (data, headers, method, content_type) in [
            (None, &[][..], "GET", None),
            (Some("{\"a\":1}"), &[][..], "POST", Some("application/json")),
            (Some("hello"), &[][..], "POST", Some("application/octet-stream")),
            (Some("hello"), &["content-type: text/plain"][..], "POST", Some("text/plain")),
        ] {
            let request = http_request(args(data, headers)).unwrap();
            assert_eq!(request.method(), method);
            let found = request.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap());
            assert_eq!(found, content_type, "{data:?}");
        }
    }

    #[test]
    fn a_header_is_a_name_and_a_value() {
        assert!(header("Accept: text/plain").is_ok());
        for bad in ["Accept", "a b: c", "a: b\r\nc: d", ": x"] {
            assert!(header(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_body_that_is_no_text_is_base64_in_json() {
        let response = Response::new(Bytes::from_static(b"\xff\x00"));
        assert_eq!(describe(&response)["body_base64"], "/wA=");
        let response = Response::new(Bytes::from_static(b"text"));
        assert_eq!(describe(&response)["body"], "text");
    }

    /// RFC 9110 §5.3.
    #[test]
    fn a_header_that_comes_twice_has_both_values_in_json() {
        let response = Response::builder()
            .header("set-cookie", "a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT")
            .header("set-cookie", "b=2")
            .header("location", "/in/1")
            .body(Bytes::new())
            .unwrap();
        let headers = &describe(&response)["headers"];
        let cookies = ["a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT", "b=2"];
        assert_eq!(headers["set-cookie"], json!(cookies));
        assert_eq!(headers["location"], "/in/1");
    }

    #[test]
    fn an_answer_without_a_body_is_said() {
        for (status, location, body, said) in [
            (201, Some("/in/1"), "", Some("201 Created: https://rs.example/in/1")),
            (201, Some("1"), "", Some("201 Created: https://rs.example/box/1")),
            (201, Some("https://b.example/1"), "", Some("201 Created: https://b.example/1")),
            (201, Some("/in/1"), "{}", None),
            (201, None, "", Some("201 Created")),
            (204, None, "", Some("204 No Content")),
            (200, None, "text", None),
            (404, None, "", None),
        ] {
            let mut response = Response::builder().status(status);
            if let Some(location) = location {
                response = response.header(LOCATION, location);
            }
            let response = response.body(Bytes::from_static(body.as_bytes())).unwrap();
            let found = outcome(&response, "https://rs.example/box/in");
            assert_eq!(found.as_deref(), said, "{status} {location:?}");
        }
    }

    #[test]
    fn a_warning_is_one_line() {
        let mut response = Response::new(Bytes::new());
        assert!(warnings(&response).is_empty());
        let text = "199 - \"UMA Authorization Server Unreachable\"";
        response.headers_mut().insert(WARNING, HeaderValue::from_static(text));
        assert_eq!(warnings(&response), [format!("the resource server warns: {text}")]);
    }
}
