//! `countersign request`

mod explain;

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use countersign_client::subject::AnyAudience;
use countersign_client::{ApproveAudience, Client, ClientError, NewAudience, Registration};
use countersign_fetch::request::BoxFuture;
use countersign_host::Seams;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Response, Uri};
use serde_json::{Map, Value, json};

use super::input;
use crate::cli::Global;
use crate::command::request::explain::Explain;
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::Output;
use crate::session::{self, Sessions};

const EXAMPLES: &str = "\
If the resource server asks for it, the claims token of your provider is sent to the authorization
server that guards the resource. Before a server you have not configured learns your e-mail
address, you are asked; --yes answers for you.

Examples:
  countersign request https://rs.bob.example/rs-api
  countersign request --explain https://rs.bob.example/rs-api > data.json
  countersign request --yes --data '{\"text\":\"hello\"}' https://rs.bob.example/inbox
  countersign request -X PUT --data @album.json -H 'Content-Type: application/json' \\
      https://rs.bob.example/albums/1";

/// Arguments of `request`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RequestArgs {
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

    /// Tell on standard error what is sent, received and checked
    #[arg(long)]
    explain: bool,

    /// Send the claims to whatever authorization server the resource server names
    #[arg(short, long)]
    yes: bool,
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("no colon between name and value")?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| "not a header name")?;
    let value = HeaderValue::try_from(value.trim()).map_err(|_| "not a header value")?;
    Ok((name, value))
}

pub(crate) async fn run(global: &Global, args: RequestArgs, out: Output) -> Result<(), Failure> {
    let (explain, yes) = (args.explain, args.yes);
    let request = http_request(args)?;
    let config = Config::load(global.config.as_deref())?;
    let (provider, _) = config.provider()?;
    let Seams { clock, random } = Seams::system();
    let sessions = Sessions::load(&session::path(global.session.as_deref())?)?;
    let subject = sessions.live(&provider.issuer, clock.now())?.subject();

    let approve: Arc<dyn ApproveAudience> =
        if yes { Arc::new(AnyAudience) } else { Arc::new(AskPerson(out)) };
    let mut builder =
        Client::builder(config.fetch(), clock, random, provider.clone(), Arc::new(subject))
            .with_approval(approve);
    for registration in &config.servers {
        builder = builder.with_registration(Registration::clone(registration));
    }
    if let Some((client_id, key)) = &config.elsewhere {
        builder = builder.with_identity_elsewhere(client_id.clone(), key.clone());
    }
    if explain {
        builder = builder.with_observer(Arc::new(Explain::new(out)));
    }
    let response = builder.build().request(request).await.map_err(|error| refused(error, out))?;
    print(&response, out)
}

fn http_request(args: RequestArgs) -> Result<http::Request<Bytes>, Failure> {
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

/// Asks whoever sits at the terminal; nobody there means no.
struct AskPerson(Output);

impl ApproveAudience for AskPerson {
    fn approve<'a>(&'a self, new: &'a NewAudience) -> BoxFuture<'a, bool> {
        let question = format!(
            "{} wants {} to know your verified e-mail address. Send it?",
            new.resource, new.audience
        );
        // A question at a terminal holds up nothing but this command.
        let answer = self.0.is_interactive() && self.0.ask(&question);
        Box::pin(std::future::ready(answer))
    }
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

fn print(response: &Response<Bytes>, out: Output) -> Result<(), Failure> {
    if out.is_json() {
        out.result("", &describe(response))?;
    } else {
        out.write(response.body())?;
    }
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        return Err(Failure::new(Code::No, format!("the resource server answered {status}")));
    }
    Ok(())
}

fn describe(response: &Response<Bytes>) -> Value {
    let mut headers = Map::new();
    for name in response.headers().keys() {
        let values = response.headers().get_all(name).iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.to_string(), json!(values.join(", ")));
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

    fn args(data: Option<&str>, headers: &[&str]) -> RequestArgs {
        RequestArgs {
            url: Uri::from_static("https://rs.example/a"),
            method: None,
            data: data.map(str::to_owned),
            headers: headers.iter().map(|text| header(text).unwrap()).collect(),
            explain: false,
            yes: false,
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
}
