use http::header::CONTENT_TYPE;

use super::*;

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

#[track_caller]
fn check(query: &str, status: u16) -> Response<Vec<u8>> {
    let response = respond(query, |account| {
        account.as_str().ends_with("@alice.example").then(|| {
            assert_ne!(account.local_part(), "nobody");
            Issuer::parse("https://sts.alice.example").unwrap()
        })
    });
    assert_eq!(response.status().as_u16(), status, "{query}");
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    response
}

#[test]
fn queries_are_encoded_as_in_rfc_7033() {
    // RFC 7033 §3.1.
    assert_eq!(
        query_url(&address("carol@example.com")).unwrap().as_str(),
        "https://example.com/.well-known/webfinger?resource=acct%3Acarol%40example.com\
         &rel=http%3A%2F%2Fopenid.net%2Fspecs%2Fconnect%2F1.0%2Fissuer"
    );
    // `/`, `%` and `#` are no characters of a userpart; `+` and `&` are.
    assert_eq!(acct(&address("a/b%c#d+e&f@example.com")), "acct:a%2Fb%25c%23d+e&f@example.com");
    let url = query_url(&address("a/b%c+d&e=f@BÜCHER.example")).unwrap();
    assert_eq!(url.as_url().host_str(), Some("xn--bcher-kva.example"));
    assert!(
        url.as_str()
            .contains("?resource=acct%3Aa%252Fb%2525c%2Bd%26e%3Df%40xn--bcher-kva.example&rel=")
    );
}

#[test]
fn a_known_account_is_answered() {
    let response = check("resource=acct%3Aalice%40alice.example", 200);
    assert_eq!(response.headers()[CONTENT_TYPE], MEDIA_TYPE);
    let jrd = Jrd::parse(response.body()).unwrap();
    assert_eq!(jrd.subject.as_deref(), Some("acct:alice@alice.example"));
    assert_eq!(jrd.issuer().unwrap().unwrap().as_str(), "https://sts.alice.example");
}

#[test]
fn spellings_of_one_account_are_one_account() {
    for (query, account) in [
        ("resource=acct:alice@ALICE.Example", "alice@alice.example"),
        ("resource=ACCT:alice@alice.example", "alice@alice.example"),
        ("resource=acct:%61lice%40alice.example", "alice@alice.example"),
        ("resource=acct:al+ice@alice.example", "al+ice@alice.example"),
        ("resource=acct:al%2Bice%40alice.example", "al+ice@alice.example"),
        ("resource=acct%3Aal%252Fice%40alice.example", "al/ice@alice.example"),
        ("resource=acct%3Aal%2525ice%40alice.example", "al%ice@alice.example"),
        ("resource=acct:a@b%C3%BCcher.example", "a@xn--bcher-kva.example"),
        ("resource=acct:a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example"),
        ("%72esource=acct:alice@alice.example&x", "alice@alice.example"),
    ] {
        let parsed = Query::parse(query).unwrap();
        assert_eq!(parsed.account(), Some(&address(account)), "{query}");
    }
}

#[test]
fn a_malformed_query_is_400_and_asks_nobody() {
    for query in [
        "",
        "rel=x",
        "resource",
        "resource=",
        "resource=alice",
        "resource=acct:",
        "resource=acct:alice",
        "resource=acct:@alice.example",
        "resource=acct:nobody@",
        "resource=acct:a@alice.example&resource=acct:b@alice.example",
        "resource=acct:a@alice.example&%72esource=acct:b@alice.example",
        "resource=acct:*)(uid=*@alice.example",
        "resource=acct:nobody%00@alice.example",
        "resource=acct:nobody%2500@alice.example",
        "resource=acct:nobody%0d%0aSet-Cookie:x@alice.example",
        "resource=acct:nobody%250d%250a@alice.example",
        "resource=acct:nobody%20@alice.example",
        "resource=acct:nobody@evil.example%40alice.example",
        "resource=acct:nobody@evil.example%2540alice.example",
        "resource=acct:nobody%@alice.example",
        "resource=acct:nobody%4@alice.example",
        "resource=acct:nobody%ff@alice.example",
        "resource=acct:nobody@alice.example%2F..",
        "resource=acct:nobody@127.0.0.1",
        "resource=1a:x",
    ] {
        check(query, 400);
    }
    let many = format!("resource=acct:a@alice.example{}", "&rel=x".repeat(MAX_RELS + 1));
    check(&many, 400);
}

#[test]
fn what_is_not_known_is_404() {
    check("resource=acct:bob@bob.example", 404);
    check("resource=https://alice.example/alice", 404);
    check("resource=mailto:alice@alice.example", 404);
}

#[test]
fn rel_filters_the_links() {
    let links = |rel: &str| {
        let query = format!("resource=acct:alice@alice.example{rel}");
        Jrd::parse(check(&query, 200).body()).unwrap().links.len()
    };
    assert_eq!(links(""), 1);
    assert_eq!(links("&rel=http://openid.net/specs/connect/1.0/issuer"), 1);
    assert_eq!(links("&rel=x&rel=http%3A%2F%2Fopenid.net%2Fspecs%2Fconnect%2F1.0%2Fissuer"), 1);
    assert_eq!(links("&rel=http://webfinger.net/rel/avatar"), 0);
}

#[test]
fn the_first_usable_issuer_link_counts() {
    let issuer = |links: &str| {
        Jrd::parse(format!(r#"{{"subject":"acct:a@b.example","links":{links}}}"#).as_bytes())
            .unwrap()
            .issuer()
    };
    let rel = ISSUER_REL;
    assert_eq!(issuer("[]").unwrap(), None);
    assert_eq!(issuer(r#"[{"rel":"x","href":"https://x.example"}]"#).unwrap(), None);
    for href in
        ["http://x.example", "https://x.example?q", "https://x.example#f", "javascript:x", ""]
    {
        let refused = issuer(&format!(r#"[{{"rel":"{rel}","href":"{href}"}}]"#));
        assert!(matches!(refused, Err(JrdError::Issuer(_))), "{href}");
    }
    assert!(issuer(&format!(r#"[{{"rel":"{rel}"}}]"#)).is_err());
    let second = format!(
        r#"[{{"rel":"{rel}","href":"http://x.example"}},{{"rel":"{rel}","href":"https://y.example"}}]"#
    );
    assert_eq!(issuer(&second).unwrap().unwrap().as_str(), "https://y.example");
}

#[test]
fn malformed_descriptors_are_refused() {
    for document in ["", "[]", r#"{"links":{}}"#, r#"{"links":[{}]}"#, r#"{"links":[],"links":[]}"#]
    {
        assert!(
            matches!(Jrd::parse(document.as_bytes()), Err(JrdError::Malformed(_))),
            "{document}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn the_server_understands_every_query_of_the_client(
        local in "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}",
    ) {
        let asked = address(&format!("{local}@alice.example"));
        let url = query_url(&asked).unwrap();
        let query = Query::parse(url.as_url().query().unwrap()).unwrap();
        proptest::prop_assert_eq!(query.account(), Some(&asked));
        proptest::prop_assert!(query.wants(ISSUER_REL));
    }

    #[test]
    fn parse_after_render_is_identity(local in "[a-z]{1,9}", path in "[a-z/]{0,9}") {
        let issuer = Issuer::parse(&format!("https://as.example/{path}")).unwrap();
        let jrd = Jrd::naming(&issuer, &address(&format!("{local}@alice.example")));
        let parsed = Jrd::parse(&serde_json::to_vec(&jrd).unwrap()).unwrap();
        proptest::prop_assert_eq!(&parsed, &jrd);
        proptest::prop_assert_eq!(parsed.issuer().unwrap(), Some(issuer));
    }

    #[test]
    fn parsing_never_panics(query in ".{0,80}") {
        let _ = Query::parse(&query);
        let _ = Jrd::parse(query.as_bytes());
    }
}
