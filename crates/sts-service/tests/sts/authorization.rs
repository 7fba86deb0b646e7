//! The authorization endpoint: which answer goes where, and who gets a code.

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE, X_FRAME_OPTIONS,
};
use http::{Request, StatusCode};

use crate::browser::Browser;
use crate::support::*;

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn the_page_names_who_asks_for_what() {
    let world = World::new();
    let (page, token, _) = world.page(&[]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("The rqp-client &#60;app&#62;"), "escaped: {}", page.text);
    for text in ["<code>claims-provider</code>", "<code>email</code>", "https://app.example"] {
        assert!(page.text.contains(text), "{text}");
    }
    assert!(page.text.contains("Sign in and allow this"));
    assert!(!token.is_empty());
    assert!(!page.text.contains("<script") && !page.text.contains("style="));
}

#[tokio::test]
async fn every_page_is_protected() {
    let world = World::new();
    let (page, token, cookie) = world.page(&[]).await;
    let wrong = [("form_token", token.as_str()), ("username", "alice"), ("password", "wrong")];
    for (name, answer) in [
        ("page", page),
        ("error page", world.get("/authorize?client_id=nobody").await),
        ("wrong password", world.submit(&cookie, &wrong).await),
        ("no form token", world.submit(&cookie, &[]).await),
    ] {
        let policy = answer.header(CONTENT_SECURITY_POLICY);
        for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(directive), "{name}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{name}: {policy}");
        assert_eq!(answer.header(X_FRAME_OPTIONS), "DENY", "{name}");
        assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{name}");
        assert_eq!(answer.header(REFERRER_POLICY), "no-referrer", "{name}");
        assert_eq!(answer.header(CONTENT_TYPE), "text/html; charset=utf-8", "{name}");
    }
    let (page, ..) = world.page(&[]).await;
    let cookie = page.header(SET_COOKIE);
    for attribute in ["__Host-login=", "; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(
        page.header(CONTENT_SECURITY_POLICY).contains("form-action 'self' https://app.example")
    );
}

#[tokio::test]
async fn a_person_signs_in_and_the_client_gets_a_code() {
    let world = World::new();
    for username in ["alice", "alice@alice.example"] {
        let (_, token, cookie) = world.page(&[]).await;
        let fields =
            [("form_token", token.as_str()), ("username", username), ("password", PASSWORD)];
        let answer = world.submit(&cookie, &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "never 302 or 307 after a password");
        assert!(answer.header(LOCATION).starts_with("https://app.example/cb?code="));
        assert_eq!(answer.location("state").as_deref(), Some("s&t"));
        assert_eq!(answer.location("iss").as_deref(), Some(STS));
    }
}

#[tokio::test]
async fn a_post_to_the_endpoint_is_the_same_request() {
    let world = World::new();
    let browser = Browser::new(&world);
    let page = browser.posts(&[]).await;
    assert_eq!(page.status, StatusCode::OK);
    let fields = [("username", "alice"), ("password", PASSWORD)];
    assert!(browser.submit(&page, &fields).await.location("code").is_some());
    // Whoever is signed in is so by POST, too, though the form's own request has no cookies.
    for wish in [&[][..], &[("prompt", "none")]] {
        let answer = browser.posts(wish).await;
        assert!(answer.location("code").is_some(), "{wish:?} {}", answer.text);
        assert_eq!(answer.location("state").as_deref(), Some("s&t"));
    }
    // A form of this server's own origin brings them, and is answered at once.
    let request = Request::post("/authorize").header(CONTENT_TYPE, FORM);
    let answer = browser.send(request, authorization(&[])).await;
    assert!(answer.location("code").is_some(), "{}", answer.text);
    let json = Request::post("/authorize").header(CONTENT_TYPE, "application/json");
    let answer = world.send(json.body(Body::from(authorization(&[]))).unwrap()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_person_may_say_no() {
    let world = World::new();
    let (_, token, cookie) = world.page(&[]).await;
    let answer = world.submit(&cookie, &[("form_token", &token), ("decision", "deny")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.location("error").as_deref(), Some("access_denied"));
    assert_eq!(answer.location("iss").as_deref(), Some(STS));
    assert_eq!(answer.location("code"), None);
}

#[tokio::test]
async fn unknown_users_and_wrong_passwords_get_the_same_answer() {
    let world = World::new();
    let (_, token, cookie) = world.page(&[]).await;
    let mut pages = Vec::new();
    for (username, password) in
        [("alice", "wrong"), ("nobody", "wrong"), ("nobody", PASSWORD), ("alice", "")]
    {
        let fields =
            [("form_token", token.as_str()), ("username", username), ("password", password)];
        let answer = world.submit(&cookie, &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{username}");
        assert_eq!(answer.header(LOCATION), "");
        // What differs is what was typed, and the time in the form token.
        let page = answer.text.replace(&format!("value=\"{username}\""), "");
        pages.push(page);
    }
    assert!(pages.iter().all(|page| *page == pages[0]));
    assert!(pages[0].contains("The user name or the password is wrong."));
}

/// H13, H15: whoever is turned away because too many sign in at the moment has not guessed. Those
/// whom nobody knows take the places as everybody does, since a password is compared for them, too.
#[tokio::test]
async fn h13_h15_whoever_is_turned_away_unheard_has_not_guessed() {
    let world = World::new();
    let (_, token, cookie) = world.page(&[]).await;
    let (world, token, cookie) = (&world, token.as_str(), cookie.as_str());
    let attempt = async |username: String, password: &str| {
        let fields =
            [("form_token", token), ("username", username.as_str()), ("password", password)];
        world.submit(cookie, &fields).await
    };
    // Four passwords are compared at a time, and sixty wait. More guesses than Alice has then come
    // at once.
    let strangers = (0..64).map(|number| attempt(format!("nobody-{number}"), "guess"));
    let guesses = (0..20).map(|_| attempt("alice".to_owned(), "guess"));
    let answers = crate::broker::futures_of(strangers.chain(guesses)).await;
    let (heard, turned_away) = answers.split_at(64);
    assert!(heard.iter().all(|answer| answer.status == StatusCode::FORBIDDEN));
    for answer in turned_away {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
        assert!(answer.text.contains("Too many people are signing in."), "{}", answer.text);
        assert!(answer.text.contains("value=\"alice\""), "and may try again: {}", answer.text);
    }
    for _ in 0..9 {
        let wrong = attempt("alice".to_owned(), "guess").await;
        assert_eq!(wrong.status, StatusCode::FORBIDDEN, "all her guesses are left");
    }
    assert_eq!(attempt("alice".to_owned(), PASSWORD).await.status, StatusCode::SEE_OTHER);
}

/// H15: who goes away while others' passwords are compared has not guessed, and who does while
/// their own is has.
#[tokio::test]
async fn h15_whoever_goes_away_has_guessed_if_their_password_is_compared() {
    let world = World::new();
    let (_, token, cookie) = world.page(&[]).await;
    let send = async |username: &str, password: &str| {
        world.send(sign_in_from("127.0.0.1", &cookie, &token, (username, password))).await.status
    };
    // Four passwords are compared at a time, and nobody else's turn comes while these wait.
    let names: Vec<_> = (0..8).map(|number| format!("nobody-{number}")).collect();
    let mut strangers = Box::pin(crate::broker::futures_of(names.iter().map(|it| send(it, "x"))));
    std::future::poll_fn(|task| {
        assert!(strangers.as_mut().poll(task).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    for _ in 0..10 {
        assert!(!let_go(send("alice", "guess"), 3).await);
    }
    assert_eq!(strangers.await, [StatusCode::FORBIDDEN; 8]);
    assert_eq!(send("alice", PASSWORD).await, StatusCode::SEE_OTHER);

    for _ in 0..4 {
        let_go(send("alice", "guess"), 1).await;
    }
    for _ in 0..6 {
        assert_eq!(send("alice", "guess").await, StatusCode::FORBIDDEN);
    }
    assert_eq!(send("alice", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_form_from_elsewhere_signs_nobody_in() {
    let world = World::new();
    let (_, token, cookie) = world.page(&[]).await;
    let good = [("form_token", token.as_str()), ("username", "alice"), ("password", PASSWORD)];
    let other = World::new();
    let (_, foreign, _) = other.page(&[("state", "x")]).await;
    let forged = [("form_token", foreign.as_str()), good[1], good[2]];
    for (name, answer) in [
        ("no cookie", world.submit("a=b", &good).await),
        ("another cookie", world.submit(&format!("__Host-login={}", "A".repeat(43)), &good).await),
        ("two cookies", world.submit(&format!("{cookie}; {cookie}"), &good).await),
        ("no token", world.submit(&cookie, &good[1..]).await),
        ("a foreign token", world.submit(&cookie, &forged).await),
        ("two tokens", world.submit(&cookie, &[good[0], good[0], good[1], good[2]]).await),
    ] {
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
        assert_eq!(answer.header(LOCATION), "", "{name}");
    }
    let json = Request::post("/login").header(COOKIE, &cookie).header(CONTENT_TYPE, "text/plain");
    let answer = world.send(json.body(Body::from(encoded(&good))).unwrap()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    world.clock.advance(601);
    assert_eq!(world.submit(&cookie, &good).await.status, StatusCode::FORBIDDEN, "too late");
}

/// The key of forms lives as long as the process; here another world is the process that follows.
#[tokio::test]
async fn a_page_that_was_open_over_a_restart_leads_back_to_the_form() {
    let (before, after) = (World::new(), World::new());
    let change = [("login_hint", "somebody"), ("state", "kept & whole")];
    let (_, token, cookie) = before.page(&change).await;
    let fields = [("form_token", token.as_str()), ("username", "alice"), ("password", PASSWORD)];
    let again = after.submit(&cookie, &fields).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert_eq!(again.header(LOCATION), "", "nobody is signed in by it");
    assert!(again.text.contains("this server was restarted"), "{}", again.text);
    assert!(!again.text.contains(PASSWORD));
    let [username, password] = inputs(&again.text);
    assert!(username.contains("value=\"alice\"") && !username.contains("autofocus"), "{username}");
    assert!(password.contains("autofocus"), "what is left to be typed: {password}");

    let fresh = hidden(&again.text);
    let fields = [("form_token", fresh.as_str()), ("username", "alice"), ("password", PASSWORD)];
    let answer = after.submit(&cookie, &fields).await;
    assert!(answer.header(LOCATION).starts_with("https://app.example/cb?code="));
    assert_eq!(answer.location("state").as_deref(), Some("kept & whole"));
    let code = answer.location("code").unwrap();
    assert_eq!(after.redeem(&code).await.status, StatusCode::OK, "scope, nonce and PKCE are kept");
}

/// Who wants to go back goes back, to where the request would be answered.
#[tokio::test]
async fn a_page_that_was_open_over_a_restart_can_be_cancelled() {
    let (before, after) = (World::new(), World::new());
    let (_, token, cookie) = before.page(&[("state", "kept & whole")]).await;
    let fields = [("form_token", token.as_str()), ("username", ""), ("decision", "deny")];
    let answer = after.submit(&cookie, &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.header(LOCATION).starts_with("https://app.example/cb?"));
    assert_eq!(answer.location("error").as_deref(), Some("access_denied"));
    assert_eq!(answer.location("state").as_deref(), Some("kept & whole"));
    assert_eq!(answer.location("iss").as_deref(), Some(STS));
}

#[tokio::test]
async fn the_page_waits_for_what_is_left_to_be_typed() {
    let world = World::new();
    for (hint, waiting) in [(None, 0), (Some(("login_hint", "alice")), 1)] {
        let (answer, ..) = world.page(&hint.into_iter().collect::<Vec<_>>()).await;
        let focused = inputs(&answer.text).map(|input| input.contains("autofocus"));
        assert_eq!(focused, [waiting == 0, waiting == 1], "{hint:?}");
    }
}

/// The inputs for name and password.
fn inputs(page: &str) -> [&str; 2] {
    ["<input id=\"username\"", "<input id=\"password\""].map(|start| {
        let (_, rest) = page.split_once(start).unwrap();
        rest.split_once('>').unwrap().0
    })
}

/// What a form that cannot be trusted says is a request like any other.
#[tokio::test]
async fn a_forged_form_leads_no_further_than_a_link() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let world = World::new();
    let (_, token, cookie) = world.page(&[]).await;
    let (content, tag) = token.split_once('.').unwrap();
    let content = String::from_utf8(URL_SAFE_NO_PAD.decode(content).unwrap()).unwrap();
    for (from, to) in [(CALLBACK, "https://evil.example/cb"), ("rqp-client", "nobody")] {
        assert!(content.contains(from));
        let forged = URL_SAFE_NO_PAD.encode(content.replace(from, to));
        let forged = format!("{forged}.{tag}");
        for decision in ["allow", "deny"] {
            let fields = [("form_token", forged.as_str()), ("decision", decision)];
            let answer = world.submit(&cookie, &fields).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{to}");
            assert_eq!(answer.header(LOCATION), "", "{to}");
            assert!(!answer.text.contains("evil") && !answer.text.contains("<form"), "{to}");
        }
    }
}

#[tokio::test]
async fn guessing_ends_after_some_failures() {
    let world = World::new();
    let (_, token, cookie) = world.page(&[]).await;
    let attempt = async |username: &str, password: &str| {
        let fields =
            [("form_token", token.as_str()), ("username", username), ("password", password)];
        world.submit(&cookie, &fields).await
    };
    for n in 0..10 {
        let username = if n % 2 == 0 { "alice@alice.example" } else { "alice@ALICE.example" };
        assert_eq!(attempt(username, "wrong").await.status, StatusCode::FORBIDDEN);
        assert_eq!(attempt("nobody", "wrong").await.status, StatusCode::FORBIDDEN);
    }
    let stopped = attempt("alice@Alice.example", PASSWORD).await;
    assert_eq!(stopped.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(stopped.header(RETRY_AFTER), "600");
    let unknown = attempt("nobody", PASSWORD).await;
    assert_eq!(unknown.status, StatusCode::TOO_MANY_REQUESTS, "an account nobody has ends alike");
    // H13: the other name of the account must not tell that the account exists.
    assert_eq!(attempt("alice", "wrong").await.status, StatusCode::FORBIDDEN);
    assert_eq!(attempt("mallory", PASSWORD).await.status, StatusCode::SEE_OTHER);
}

/// H15: attempts count before they are made, so that none gets by while others are under way; and
/// who guesses at a name keeps nobody else from it.
#[tokio::test]
async fn h15_fifty_at_once_are_ten_attempts_of_one_source() {
    let world = std::sync::Arc::new(World::new());
    let (_, token, cookie) = world.page(&[]).await;
    let request = |password, address| sign_in_from(address, &cookie, &token, ("alice", password));
    let (guesser, person) = ("192.0.2.1", "192.0.2.2");
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (world, request) = (std::sync::Arc::clone(&world), request("wrong", guesser));
        attempts.spawn(async move { world.send(request).await.status });
    }
    let statuses = attempts.join_all().await;
    let count = |status| statuses.iter().filter(|it| **it == status).count();
    let made = (count(StatusCode::FORBIDDEN), count(StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(made, (10, 40), "{statuses:?}");
    let right = world.send(request(PASSWORD, guesser)).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS, "the guesser learns nothing");
    let elsewhere = world.send(request(PASSWORD, person)).await;
    assert_eq!(elsewhere.status, StatusCode::SEE_OTHER, "alice signs in from where she is");
}

/// H15: whoever guesses at one name after the other has an end, too, and so has whoever shares the
/// network.
#[tokio::test]
async fn h15_a_source_guesses_at_few_names() {
    let world = World::new();
    let (_, token, cookie) = world.page(&[]).await;
    let attempt = async |address: &str, username: &str, password: &str| {
        world.send(sign_in_from(address, &cookie, &token, (username, password))).await
    };
    let (guesser, neighbour) = ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2");
    for number in 0..100 {
        let name = format!("nobody-{}", number % 50);
        let wrong = attempt(guesser, &name, "wrong").await;
        assert_eq!(wrong.status, StatusCode::FORBIDDEN, "{number}");
        if number % 10 == 0 {
            let own = attempt(guesser, "mallory", PASSWORD).await;
            assert_eq!(
                own.status,
                StatusCode::SEE_OTHER,
                "which gives back no guess, and takes none"
            );
        }
    }
    for address in [guesser, neighbour] {
        let stopped = attempt(address, "alice", PASSWORD).await;
        assert_eq!(stopped.status, StatusCode::TOO_MANY_REQUESTS, "{address}");
        assert_eq!(stopped.header(RETRY_AFTER), "600");
    }
    let elsewhere = attempt("2001:db8:0:2::1", "alice", PASSWORD).await;
    assert_eq!(elsewhere.status, StatusCode::SEE_OTHER);
    world.clock.advance(600);
    let (_, token, cookie) = world.page(&[]).await;
    let later = sign_in_from(guesser, &cookie, &token, ("alice", PASSWORD));
    assert_eq!(world.send(later).await.status, StatusCode::SEE_OTHER);
}

/// H15: a source has a part of the places for passwords, so that others sign in meanwhile.
#[tokio::test]
async fn h15_no_source_keeps_all_others_waiting() {
    let world = World::new();
    let (_, token, cookie) = world.page(&[]).await;
    let (world, token, cookie) = (&world, token.as_str(), cookie.as_str());
    let attempt = async |address: &str, username: String, password: &str| {
        world.send(sign_in_from(address, cookie, token, (&username, password))).await.status
    };
    let strangers = (0..64).map(|number| attempt("192.0.2.1", format!("nobody-{number}"), "guess"));
    let person = std::iter::once(attempt("192.0.2.2", "alice".to_owned(), PASSWORD));
    let mut statuses = crate::broker::futures_of(strangers.chain(person)).await;
    assert_eq!(statuses.pop(), Some(StatusCode::SEE_OTHER));
    let (heard, turned_away) = statuses.split_at(16);
    assert_eq!(heard, [StatusCode::FORBIDDEN; 16]);
    assert_eq!(turned_away, [StatusCode::SERVICE_UNAVAILABLE; 48]);
}

/// H15: behind a proxy on this machine everybody has its address, and no one of them uses up what
/// all have.
#[tokio::test]
async fn h15_a_proxy_on_this_machine_is_no_source() {
    let world = World::new();
    let (_, token, cookie) = world.page(&[]).await;
    for number in 0..101 {
        let name = format!("nobody-{number}");
        let wrong = sign_in_from("127.0.0.1", &cookie, &token, (&name, "wrong"));
        assert_eq!(world.send(wrong).await.status, StatusCode::FORBIDDEN, "{number}");
    }
    let alice = sign_in_from("127.0.0.1", &cookie, &token, ("alice", PASSWORD));
    assert_eq!(world.send(alice).await.status, StatusCode::SEE_OTHER);
}

/// H15: so it is behind a proxy that is named. A name has the end that it has everywhere.
#[tokio::test]
async fn h15_a_proxy_that_is_named_is_no_source() {
    let proxies = ["192.0.2.10", "2001:db8:1::/64"].map(|it| it.parse().unwrap()).to_vec();
    let engine = std::sync::Arc::new(countersign_store::MemoryEngine::new());
    let with_proxies = |sts: countersign_sts_service::Sts, _| sts.with_proxies(proxies);
    let world = World::peopled(std::sync::Arc::new(people()), engine, with_proxies);
    let (_, token, cookie) = world.page(&[]).await;
    let (world, token, cookie) = (&world, token.as_str(), cookie.as_str());
    let attempt = async |address: &str, username: &str, password: &str| {
        world.send(sign_in_from(address, cookie, token, (username, password))).await.status
    };
    let names: Vec<_> = (0..102).map(|number| format!("nobody-{number}")).collect();
    for (proxy, neighbour) in [("192.0.2.10", "192.0.2.11"), ("2001:db8:1::2", "2001:db8:2::2")] {
        for some in names.chunks(51) {
            let guesses = some.iter().map(|name| attempt(proxy, name, "guess"));
            let statuses = crate::broker::futures_of(guesses).await;
            assert_eq!(statuses, [StatusCode::FORBIDDEN; 51], "{proxy}");
        }
        assert_eq!(attempt(proxy, "alice", PASSWORD).await, StatusCode::SEE_OTHER, "{proxy}");

        let guesses = names.iter().take(51).map(|name| attempt(neighbour, name, "guess"));
        let statuses = crate::broker::futures_of(guesses).await;
        let (heard, turned_away) = statuses.split_at(16);
        assert_eq!(heard, [StatusCode::FORBIDDEN; 16], "{neighbour}");
        assert_eq!(turned_away, [StatusCode::SERVICE_UNAVAILABLE; 35], "{neighbour}");
    }
    for _ in 0..10 {
        assert_eq!(attempt("192.0.2.10", "mallory", "guess").await, StatusCode::FORBIDDEN);
    }
    assert_eq!(attempt("2001:db8:1::3", "mallory", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(attempt("192.0.2.9", "mallory", PASSWORD).await, StatusCode::SEE_OTHER);
}

/// The sign-in form, sent from this address.
fn sign_in_from(
    address: &str,
    cookie: &str,
    token: &str,
    (username, password): (&str, &str),
) -> Request<Body> {
    let fields = [("form_token", token), ("username", username), ("password", password)];
    let peer = std::net::SocketAddr::new(address.parse().unwrap(), 50_000);
    let form = Request::post("/login").header(COOKIE, cookie).header(CONTENT_TYPE, FORM);
    form.extension(ConnectInfo(peer)).body(Body::from(encoded(&fields))).unwrap()
}

/// Name, change of the request, and the error that the client receives or `None` for a page.
type Row = (&'static str, &'static [(&'static str, &'static str)], Option<&'static str>);

#[tokio::test]
async fn each_error_goes_where_it_belongs() {
    let rows: &[Row] = &[
        ("unknown client", &[("client_id", "nobody")], None),
        ("no client", &[("client_id", "")], None),
        ("no redirect_uri", &[("redirect_uri", "")], None),
        ("foreign redirect_uri", &[("redirect_uri", "https://evil.example/cb")], None),
        ("longer redirect_uri", &[("redirect_uri", "https://app.example/cb/")], None),
        ("userinfo", &[("redirect_uri", "https://app.example@evil.example/cb")], None),
        ("script", &[("redirect_uri", "JaVaScRiPt:alert(1)")], None),
        ("page before redirect", &[("redirect_uri", "https://evil.example"), ("scope", "x")], None),
        ("response_type", &[("response_type", "token")], Some("unsupported_response_type")),
        ("no response_type", &[("response_type", "")], Some("invalid_request")),
        ("scope", &[("scope", "openid admin")], Some("invalid_scope")),
        ("no challenge", &[("code_challenge", "")], Some("invalid_request")),
        ("plain", &[("code_challenge_method", "plain")], Some("invalid_request")),
        ("no method", &[("code_challenge_method", "")], Some("invalid_request")),
        ("prompt none", &[("prompt", "none")], Some("login_required")),
        ("request object", &[("request", "e30.e30.")], Some("request_not_supported")),
        ("client without the grant", &[("client_id", "idle")], Some("unauthorized_client")),
    ];
    let world = World::new();
    for (name, change, expected) in rows {
        let answer = world.get(&format!("/authorize?{}", authorization(change))).await;
        match expected {
            None => {
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
                assert_eq!(answer.header(LOCATION), "", "{name}");
            }
            Some(code) => {
                assert_eq!(answer.status, StatusCode::SEE_OTHER, "{name}");
                assert!(answer.header(LOCATION).starts_with("https://app.example/cb?"), "{name}");
                assert_eq!(answer.location("error").as_deref(), Some(*code), "{name}");
                assert_eq!(answer.location("state").as_deref(), Some("s&t"), "{name}");
                assert_eq!(answer.location("iss").as_deref(), Some(STS), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_native_app_comes_back_to_any_port() {
    let world = World::new();
    let (page, token, cookie) = world.page(&[("redirect_uri", "http://127.0.0.1:49152/cb")]).await;
    assert!(page.header(CONTENT_SECURITY_POLICY).contains("'self' http://127.0.0.1:49152;"));
    let fields = [("form_token", token.as_str()), ("username", "alice"), ("password", PASSWORD)];
    let answer = world.submit(&cookie, &fields).await;
    assert!(answer.header(LOCATION).starts_with("http://127.0.0.1:49152/cb?code="));

    // A policy has no word for an IPv6 literal: browsers skip it, and stop the answer.
    let (page, ..) = world.page(&[("redirect_uri", "http://[::1]:49152/cb")]).await;
    let policy = page.header(CONTENT_SECURITY_POLICY);
    assert!(policy.contains("form-action 'self' http:;"), "{policy}");
    assert!(page.text.contains("http://[::1]:49152"), "the person sees where");
}

#[tokio::test]
async fn what_is_typed_is_shown_escaped() {
    let world = World::new();
    let (_, token, cookie) = world.page(&[]).await;
    let username = "\"><script>alert(1)</script>";
    let fields = [("form_token", token.as_str()), ("username", username), ("password", "x")];
    let answer = world.submit(&cookie, &fields).await;
    assert!(!answer.text.contains("<script"), "{}", answer.text);
    let (page, ..) = world.page(&[("login_hint", username)]).await;
    assert!(!page.text.contains("<script"), "{}", page.text);
}
