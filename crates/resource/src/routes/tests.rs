use super::*;

fn table() -> Routes {
    Routes::new()
        .open("GET /health")
        .require("GET /albums", "read")
        .require("POST /albums", "read write")
        .require("GET /albums/{id}", "read")
        .open("GET /albums/cover")
        .require_at("GET /files/{*path}", "Files", "get")
        .identified("GET /me")
        .build()
        .unwrap()
}

#[track_caller]
fn check(request: &str, expected: &str) {
    let (method, path) = request.split_once(' ').unwrap();
    let table = table();
    let found = table.find(&method.parse().unwrap(), &StrictPath::parse(path).unwrap());
    let found = match found {
        Found::Nothing => "404".to_owned(),
        Found::MethodNotAllowed(methods) => {
            let names: Vec<_> = methods.iter().map(Method::as_str).collect();
            format!("405 {}", names.join(" "))
        }
        Found::Need(Need::Open) => "open".to_owned(),
        Found::Need(Need::Caller(requirement)) => {
            let resource = requirement.resource.as_deref().unwrap_or("-");
            format!("{resource} [{}]", requirement.scopes)
        }
    };
    assert_eq!(found, expected, "{request}");
}

#[test]
fn without_a_rule_everything_needs_a_caller_or_nothing_is_there() {
    let anybody = Need::Caller(Requirement::default());
    let (everywhere, nowhere) = (Routes::identified_everywhere(), Routes::new().build().unwrap());
    for path in ["/", "/albums", "/ADMIN/", "/.well-known/x"] {
        let path = StrictPath::parse(path).unwrap();
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::DELETE] {
            assert_eq!(everywhere.find(&method, &path), Found::Need(&anybody), "{path:?}");
            assert_eq!(nowhere.find(&method, &path), Found::Nothing, "{path:?}");
        }
        for method in [Method::CONNECT, Method::TRACE] {
            assert_eq!(everywhere.find(&method, &path), Found::Nothing, "{path:?}");
        }
    }
    assert!(everywhere.scopes().is_empty());
    assert_eq!(everywhere.iter().map(|(_, need)| need).collect::<Vec<_>>(), [&anybody]);
}

#[test]
fn a_request_needs_what_its_rule_says() {
    check("GET /health", "open");
    check("GET /albums", "- [read]");
    check("HEAD /albums", "- [read]");
    check("POST /albums", "- [read write]");
    check("GET /albums/7", "- [read]");
    check("GET /albums/a%20b", "- [read]");
    check("GET /albums/cover", "open");
    check("GET /files/a", "Files [get]");
    check("GET /files/a/b", "Files [get]");
    check("GET /me", "- []");
}

#[test]
fn what_is_not_named_is_not_served() {
    for request in [
        "GET /",
        "GET /album",
        "GET /albums/",
        "GET /albums/7/",
        "GET /albums/7/8",
        "GET /ALBUMS",
        "GET /files",
        "GET /files/",
    ] {
        check(request, "404");
    }
    check("DELETE /albums", "405 GET POST HEAD");
    check("HEAD /health/", "404");
    check("POST /files/a", "405 GET HEAD");
    check("get /me", "405 GET HEAD");
}

/// To services that overlook case or a slash at the end, these are the path of the narrow rule.
#[test]
fn h11_a_wide_rule_does_not_speak_of_the_twins_of_a_narrow_one() {
    let table = Routes::new()
        .open("GET /{*rest}")
        .require("GET /admin", "admin")
        .require("GET /Staff/", "staff")
        .require("GET /users/{id}/keys", "keys")
        .require("GET /vault/{*rest}", "vault")
        .open("GET /\u{c4}rger")
        .build()
        .unwrap();
    let found = |path: &str| {
        let path = StrictPath::parse(&StrictPath::encode(path)).unwrap();
        match table.find(&Method::GET, &path) {
            Found::Need(Need::Open) => "open".to_owned(),
            Found::Need(Need::Caller(requirement)) => requirement.scopes.to_string(),
            other => format!("{other:?}"),
        }
    };
    for (path, expected) in [
        ("/admin", "admin"),
        ("/Staff/", "staff"),
        ("/users/Bob/keys", "keys"),
        ("/vault/A/", "vault"),
        ("/\u{c4}rger", "open"),
        ("/other", "open"),
        ("/Other/", "open"),
        ("/users/7/", "open"),
        ("/vault", "open"),
    ] {
        assert_eq!(found(path), expected, "{path}");
    }
    for path in [
        "/admin/",
        "/ADMIN",
        "/Admin/",
        "/Staff",
        "/staff/",
        "/users/7/keys/",
        "/Users/7/keys",
        "/users/7/KEYS",
        "/VAULT/a",
        "/\u{e4}rger",
    ] {
        assert_eq!(found(path), "Nothing", "{path}");
    }
    let twice = Routes::new().open("GET /A/{id}").require("GET /a/{*rest}", "read").build();
    assert!(matches!(twice, Err(RoutesError::Twice(_))), "{twice:?}");
    let both = Routes::new().open("GET /docs").open("GET /docs/").open("POST /{a}/x");
    assert!(both.open("GET /{b}/y").build().is_ok());
}

#[test]
fn a_rule_that_means_nothing_is_refused() {
    for rule in ["", "GET", "/albums", "get /albums", "GET\t/albums", "G@T /a"] {
        assert!(matches!(Routes::new().open(rule).build(), Err(RoutesError::Rule(_))), "{rule}");
    }
    for rule in [
        "GET albums",
        "GET ",
        "GET  /albums",
        "GET /a//b",
        "GET /a/../b",
        "GET /a;b",
        "GET /%61",
        "GET /a\\b",
        "GET /{*rest}/b",
        "GET /{}",
    ] {
        assert!(matches!(Routes::new().open(rule).build(), Err(RoutesError::Path(_))), "{rule}");
    }
    let doubled = Routes::new().open("GET /a").require("GET /a", "b").build();
    assert!(matches!(doubled, Err(RoutesError::Twice(_))));
    let conflicting = Routes::new().open("GET /{a}").open("POST /{b}").build();
    assert!(matches!(conflicting, Err(RoutesError::Twice(_))));
    let scopes = Routes::new().require("GET /a", "b  c").build();
    assert!(matches!(scopes, Err(RoutesError::Scopes { .. })));
}

#[test]
fn a_rule_may_ask_the_policy() {
    let read = Action::new("albums.read").with_attribute("kind", "album");
    let requirement = Requirement::default()
        .with_scopes(ScopeSet::parse("read").unwrap())
        .at("Albums")
        .by_policy(read);
    let routes = Routes::new()
        .need("GET /albums/{owner}/{*rest}", requirement.clone())
        .by_policy("GET /me", "me")
        .open("GET /health")
        .build()
        .unwrap();
    let path = StrictPath::parse("/albums/a%20b/c/d").unwrap();
    assert_eq!(routes.find(&Method::GET, &path), Found::Need(&Need::Caller(requirement)));
    let placeholders = routes.placeholders(&path).into_iter().collect::<Vec<_>>();
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(placeholders, [text("owner", "a b"), text("rest", "c/d")]);
    assert!(routes.placeholders(&StrictPath::parse("/other").unwrap()).is_empty());
    assert_eq!(routes.actions().collect::<Vec<_>>(), ["albums.read", "me"]);
    assert_eq!(routes.scopes().to_string(), "read");

    let long = "a".repeat(129);
    for name in ["", "a b", "a\"", "a\\", "\u{e4}", "a\n", &long] {
        let routes = Routes::new().by_policy("GET /a", name).build();
        assert!(matches!(routes, Err(RoutesError::Action(_))), "{name}");
    }
    for path in ["/{kind}", "/{*kind}"] {
        let action = Action::new("read").with_attribute("kind", "album");
        let requirement = Requirement::default().by_policy(action);
        let routes = Routes::new().need(&format!("GET {path}"), requirement).build();
        assert!(matches!(routes, Err(RoutesError::Action(_))), "{path}");
    }
}

#[test]
fn the_scopes_of_all_rules() {
    assert_eq!(table().scopes().to_string(), "get read write");
    assert_eq!(table().iter().count(), 7);
}
