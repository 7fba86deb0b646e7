//! A person's browser, as far as authorization codes need one. It calls the router without a
//! network: what it does is not measured.

use axum::Router;
use axum::body::Body;
use countersign_bench_tests::load;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use tower_service::Service as _;

/// [RFC 7636 Appendix B](https://www.rfc-editor.org/rfc/rfc7636#appendix-B)
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) const CALLBACK: &str = "https://app.example/cb";

/// A browser in which somebody is signed in.
#[derive(Clone)]
pub(crate) struct Browser {
    router: Router,
    cookies: String,
}

impl Browser {
    /// Signs somebody in, who by that allows the client what it asks for.
    pub(crate) async fn sign_in(
        router: Router,
        (username, password): (&str, &str),
        (client, scope): (&str, &str),
    ) -> Self {
        let mut browser = Self { router, cookies: String::new() };
        let (page, text) = browser.send(Request::get(authorization(client, scope)), "").await;
        browser.cookies = set_cookies(&page);
        let fields =
            [("form_token", form_token(&text)), ("username", username), ("password", password)];
        let (answer, text) = browser.send(form("/login"), &load::encoded(&fields)).await;
        assert!(answer.contains_key(LOCATION), "{text}");
        browser.cookies = format!("{}; {}", browser.cookies, set_cookies(&answer));
        browser
    }

    /// A code for what a client asks for. The person allows it, if they are asked.
    pub(crate) async fn code(self, client: &'static str, scope: &'static str) -> String {
        let (mut answer, text) = self.send(Request::get(authorization(client, scope)), "").await;
        if !answer.contains_key(LOCATION) {
            let fields = [("form_token", form_token(&text)), ("decision", "allow")];
            (answer, _) = self.send(form("/consent"), &load::encoded(&fields)).await;
        }
        let location = answer[LOCATION].to_str().unwrap();
        let (_, code) = location.split_once("?code=").unwrap();
        code.split('&').next().unwrap().to_owned()
    }

    async fn send(&self, request: http::request::Builder, body: &str) -> (HeaderMap, String) {
        let request = request.header(COOKIE, &self.cookies);
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = self.router.clone().call(request).await.unwrap();
        assert!(matches!(answer.status(), StatusCode::OK | StatusCode::SEE_OTHER));
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.headers, String::from_utf8(body.to_vec()).unwrap())
    }
}

fn authorization(client: &str, scope: &str) -> String {
    let fields = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("scope", scope),
        ("state", "af0ifjsldkj"),
        ("nonce", "n-0S6_WzA2Mj"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    format!("/authorize?{}", load::encoded(&fields))
}

fn form(path: &str) -> http::request::Builder {
    Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded")
}

/// The cookies that an answer sets, as they are sent back.
fn set_cookies(answer: &HeaderMap) -> String {
    let cookies = answer.get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    cookies.map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

fn form_token(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"form_token\" value=\"").unwrap();
    rest.split('"').next().unwrap()
}
