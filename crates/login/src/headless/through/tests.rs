use std::sync::Mutex;

use countersign_fetch::FetchError;
use countersign_fetch::request::BoxFuture;
use countersign_types::Params;
use countersign_types::secret::Password;
use http::Method;

use super::*;

const APP: &str = "https://app.example/callback";
const IDP: &str = "https://idp.example";
const CALLBACK: &str = "https://broker.example/callback/university";

/// A broker with two providers, and one of them.
struct World {
    /// Where the broker leads who has chosen.
    leads_to: String,
    /// By which status.
    by: u16,
    /// What the broker answers who comes back.
    then: (u16, &'static str),
    asked: Mutex<Vec<String>>,
}

impl World {
    fn new() -> Self {
        let leads_to = format!("{IDP}/authorize?state=s&redirect_uri={CALLBACK}");
        Self { leads_to, by: 303, then: (303, "/done"), asked: Mutex::default() }
    }

    fn respond(&self, request: &Request) -> Response<Bytes> {
        let url = request.url.as_url();
        let (host, path) = (url.host_str().unwrap(), url.path());
        self.asked.lock().unwrap().push(format!("{} {host}{path}", request.method));
        let page = |text: String| Response::builder().body(Bytes::from(text)).unwrap();
        let redirect = |status: u16, to: &str| {
            let response = Response::builder().status(status).header("location", to);
            response.body(Bytes::new()).unwrap()
        };
        let cookie = request.headers.get("cookie").map_or("", |value| value.to_str().unwrap());
        match (host, path, &request.method) {
            ("broker.example", "/authorize", _) => {
                let text = "<form method=post action=/choose><input type=hidden name=t value=1>\
                    <button name=upstream value=college>a</button>\
                    <button name=upstream value=university>b</button></form>";
                let mut response = page(text.to_owned());
                response.headers_mut().insert("set-cookie", "b=1".parse().unwrap());
                response
            }
            ("broker.example", "/choose", &Method::POST) => {
                let form = Params::parse(&request.body, &[]).unwrap();
                assert_eq!((form.get("t"), form.get("upstream")), (Some("1"), Some("university")));
                assert_eq!(cookie, "b=1");
                assert!(!String::from_utf8_lossy(&request.body).contains("password"));
                redirect(self.by, &self.leads_to)
            }
            ("broker.example", "/callback/university", _) => {
                assert_eq!((cookie, url.query()), ("b=1", Some("code=c&state=s")));
                redirect(self.then.0, self.then.1)
            }
            ("broker.example", "/done", _) => redirect(303, &format!("{APP}?code=b&state=a")),
            ("idp.example", "/authorize", _) => {
                assert_eq!(cookie, "", "the broker's cookies are the broker's");
                page(
                    "<form method=post action=/login><input name=username>\
                    <input name=password type=password></form>"
                        .to_owned(),
                )
            }
            ("idp.example", "/login", &Method::POST) => {
                redirect(303, &format!("{CALLBACK}?code=c&state=s"))
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Fetch for World {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let response = self.respond(&request);
        Box::pin(async move { Ok(response) })
    }
}

async fn sign_in_at(world: &World) -> Result<String, HeadlessError> {
    let url = EndpointUrl::parse("https://broker.example/authorize?client_id=app").unwrap();
    let redirect_uri = RedirectUri::parse(APP).unwrap();
    let provider = Issuer::parse(IDP).unwrap();
    let through = Through { alias: "university", provider: &provider };
    let credentials =
        Credentials { username: "alice".to_owned(), password: Password::new("secret") };
    sign_in_through(world, &url, &redirect_uri, through, &credentials).await
}

#[tokio::test]
async fn the_way_through_a_broker_and_back() {
    let world = World::new();
    assert_eq!(sign_in_at(&world).await.unwrap(), "code=b&state=a");
    let asked = world.asked.lock().unwrap();
    let expected = [
        "GET broker.example/authorize",
        "POST broker.example/choose",
        "GET idp.example/authorize",
        "POST idp.example/login",
        "GET broker.example/callback/university",
        "GET broker.example/done",
    ];
    assert_eq!(*asked, expected);
}

/// Whatever the broker says.
#[tokio::test]
async fn the_password_goes_to_the_named_provider_alone() {
    for leads_to in [
        format!("https://idp.evil.example/authorize?redirect_uri={CALLBACK}"),
        format!("{IDP}:444/authorize?redirect_uri={CALLBACK}"),
        format!("{IDP}/authorize?redirect_uri=https://evil.example/callback"),
        format!("{IDP}/authorize"),
        "nowhere".to_owned(),
    ] {
        let world = World { leads_to, ..World::new() };
        let refused = sign_in_at(&world).await;
        assert!(matches!(refused, Err(HeadlessError::OtherOrigin)), "{refused:?}");
        assert_eq!(world.asked.lock().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_broker_that_does_not_answer_is_told() {
    let world = World { by: 200, ..World::new() };
    assert!(matches!(sign_in_at(&world).await, Err(HeadlessError::Status(_))));
    let world = World { then: (502, "/"), ..World::new() };
    assert!(matches!(sign_in_at(&world).await, Err(HeadlessError::Status(_))));
    let world = World { then: (303, "https://evil.example/"), ..World::new() };
    assert!(matches!(sign_in_at(&world).await, Err(HeadlessError::OtherOrigin)));
    let world = World { then: (303, "/callback/university?code=c&state=s"), ..World::new() };
    assert!(matches!(sign_in_at(&world).await, Err(HeadlessError::TooManySteps)));
}
