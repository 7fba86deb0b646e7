use std::sync::Mutex;

use countersign_fetch::request::BoxFuture;
use countersign_types::Params;
use http::Method;

use super::*;

const REDIRECT: &str = "http://127.0.0.1:1/callback";

/// A provider with a sign-in page that ties its form to a cookie.
struct Provider {
    page: String,
    then: String,
    requests: Mutex<Vec<Request>>,
}

impl Provider {
    fn new(action: &str, then: &str) -> Self {
        let page = format!(
            "<form method=\"post\" action=\"{action}\">\
             <input type=\"hidden\" name=\"form_token\" value=\"t&amp;1\">\
             <input name=\"username\"><input name=\"password\" type=\"password\">\
             <button name=\"decision\" value=\"allow\">Allow</button></form>"
        );
        Self { page, then: then.to_owned(), requests: Mutex::default() }
    }

    fn respond(&self, request: &Request) -> Response<Bytes> {
        let builder = Response::builder();
        let response = match (&request.method, request.url.as_url().path()) {
            (&Method::POST, "/authorize") => {
                assert_eq!(request.url.as_str(), "https://op.example/authorize");
                assert_eq!(request.body, "client_id=app&scope=openid+email");
                let builder = builder.header("set-cookie", "__Host-login=abc; Path=/; Secure");
                return builder.status(200).body(self.page.clone().into()).unwrap();
            }
            (&Method::GET, "/authorize") => builder.status(303).header("location", "/page"),
            (&Method::GET, "/page") => {
                let builder = builder.header("set-cookie", "__Host-login=abc; Path=/; Secure");
                return builder.body(self.page.clone().into()).unwrap();
            }
            (&Method::POST, _) if self.has_signed_in(request) => {
                builder.status(303).header("location", self.then.as_str())
            }
            (&Method::POST, _) => {
                return builder.status(200).body(self.page.clone().into()).unwrap();
            }
            _ => builder.status(404),
        };
        response.body(Bytes::new()).unwrap()
    }

    fn has_signed_in(&self, request: &Request) -> bool {
        let form = Params::parse(&request.body, &[]).unwrap();
        assert_eq!(request.headers["cookie"], "__Host-login=abc");
        assert_eq!(request.headers["origin"], "https://op.example");
        assert_eq!(form.get("form_token"), Some("t&1"));
        assert_eq!(form.get("decision"), Some("allow"));
        form.get("username") == Some("alice") && form.get("password") == Some("p&ss wörd")
    }
}

impl Fetch for Provider {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        assert_eq!(request.url.as_url().host_str(), Some("op.example"), "{request:?}");
        let response = self.respond(&request);
        self.requests.lock().unwrap().push(request);
        Box::pin(async move { Ok(response) })
    }
}

async fn sign_in_at(provider: &Provider, password: &str) -> Result<String, HeadlessError> {
    let url = EndpointUrl::parse("https://op.example/authorize?client_id=app").unwrap();
    let redirect_uri = RedirectUri::parse(REDIRECT).unwrap();
    let credentials =
        Credentials { username: "alice".to_owned(), password: Password::new(password) };
    sign_in(provider, &url, &redirect_uri, &credentials).await
}

#[tokio::test]
async fn the_form_is_filled_and_the_answer_read() {
    let provider = Provider::new("/login", &format!("{REDIRECT}?code=c&state=s"));
    let answer = sign_in_at(&provider, "p&ss wörd").await.unwrap();
    assert_eq!(answer, "code=c&state=s");
    let paths = provider.requests.lock().unwrap();
    let paths = paths.iter().map(|request| request.url.as_url().path()).collect::<Vec<_>>();
    assert_eq!(paths, ["/authorize", "/page", "/login"]);
}

#[tokio::test]
async fn a_request_may_be_a_form() {
    let provider = Provider::new("/login", &format!("{REDIRECT}?code=c&state=s"));
    let url = "https://op.example/authorize?client_id=app&scope=openid%20email";
    let url = EndpointUrl::parse(url).unwrap();
    let redirect_uri = RedirectUri::parse(REDIRECT).unwrap();
    let credentials =
        Credentials { username: "alice".to_owned(), password: Password::new("p&ss wörd") };
    let answer = sign_in_by_post(&provider, &url, &redirect_uri, &credentials).await.unwrap();
    assert_eq!(answer, "code=c&state=s");
    let paths = provider.requests.lock().unwrap();
    let paths = paths.iter().map(|request| request.url.as_url().path()).collect::<Vec<_>>();
    assert_eq!(paths, ["/authorize", "/login"]);
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let provider = Provider::new("/login", REDIRECT);
    let refused = sign_in_at(&provider, "wrong").await;
    assert!(matches!(refused, Err(HeadlessError::Refused)), "{refused:?}");
    assert_eq!(provider.requests.lock().unwrap().len(), 3);
}

/// The password leaves for the first origin only; `Provider` asserts that no other is asked.
#[tokio::test]
async fn other_origins_are_not_visited() {
    let answer = format!("{REDIRECT}?code=c");
    for action in ["https://evil.example/login", "http://op.example/login", "//evil.example/"] {
        let refused = sign_in_at(&Provider::new(action, &answer), "p&ss wörd").await;
        assert!(matches!(refused, Err(HeadlessError::OtherOrigin)), "{action}: {refused:?}");
    }
    for then in [
        "https://evil.example/?code=c",
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:1/callback/more?code=c",
        "http://127.0.0.1:1/callback@evil.example?code=c",
    ] {
        let refused = sign_in_at(&Provider::new("/login", then), "p&ss wörd").await;
        assert!(matches!(refused, Err(HeadlessError::OtherOrigin)), "{then}: {refused:?}");
    }
}

#[tokio::test]
async fn circles_and_pages_without_a_form_end() {
    let circle = Provider::new("/login", "/authorize");
    assert!(matches!(sign_in_at(&circle, "p&ss wörd").await, Err(HeadlessError::Refused)));
    let mut blank = Provider::new("", "");
    for page in ["", "<form><input name=username><input name=password></form>"] {
        page.clone_into(&mut blank.page);
        assert!(matches!(sign_in_at(&blank, "x").await, Err(HeadlessError::NoForm)), "{page}");
    }
    let lost = Provider::new("/login", "/nowhere");
    assert!(matches!(
        sign_in_at(&lost, "p&ss wörd").await,
        Err(HeadlessError::Status(StatusCode::NOT_FOUND))
    ));
}
