use super::*;

const ID: &str = "https://mail.example/client";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(1_800_000_000 + seconds)
}

fn description(algorithm: Algorithm) -> Description {
    let announce = Lifetime::from_secs(600);
    Description { announce, ..Description::new(ClientId::parse(ID).unwrap(), algorithm) }
}

/// What whoever fetched the published files would read.
fn published(client: &UrlClient) -> Vec<String> {
    let document = fs::read(client.document_file()).unwrap();
    let url = client.url.clone();
    let keys = match ClientMetadata::parse(&document, &url).unwrap().keys {
        ClientKeys::Jwks(keys) => keys,
        ClientKeys::JwksUri(_) => {
            let set = fs::read(client.key_set_file().unwrap()).unwrap();
            countersign_jwt::KeySet::parse_own(&set).unwrap()
        }
        ClientKeys::None => panic!("no keys"),
    };
    keys.iter().filter_map(|key| key.kid().map(str::to_owned)).collect()
}

fn signer(client: &UrlClient) -> String {
    client.acting().unwrap().key.key_id().unwrap().to_owned()
}

#[test]
fn no_reader_of_the_document_meets_a_key_it_did_not_know() {
    let jwks_uri = EndpointUrl::parse("https://mail.example/jwks").unwrap();
    for jwks_uri in [None, Some(jwks_uri)] {
        let folder = tempfile::tempdir().unwrap();
        let described = Description { jwks_uri, ..description(Algorithm::Es256) };
        let mut client = UrlClient::create(folder.path(), described, at(0)).unwrap();
        let first = signer(&client);
        assert_eq!(published(&client), [first.as_str()]);

        let (next, until) = client.announce(at(100)).unwrap();
        assert_eq!(until, at(700));
        assert_eq!(signer(&client), first);
        assert_eq!(published(&client), [first.as_str(), next.as_str()]);

        let before = fs::read(folder.path().join(STATE)).unwrap();
        assert!(client.sign_with_next(at(699)).is_err());
        assert_eq!(fs::read(folder.path().join(STATE)).unwrap(), before, "nothing was written");

        // Another process goes on where this one was.
        let mut client = UrlClient::load(folder.path()).unwrap();
        assert_eq!(client.sign_with_next(at(700)).unwrap(), next);
        assert_eq!(signer(&client), next);
        assert_eq!(published(&client), [first.as_str(), next.as_str()]);
        assert!(client.forget(at(700 + 899)).unwrap().is_empty());
        assert_eq!(client.forget(at(700 + 900)).unwrap(), [first.as_str()]);
        assert_eq!(published(&client), [next.as_str()]);
        assert!(!key_file(folder.path(), &first).exists(), "a private key does not stay");
        assert_eq!(signer(&UrlClient::load(folder.path()).unwrap()), next);
    }
}

#[test]
fn what_is_published_is_a_clients_document() {
    let folder = tempfile::tempdir().unwrap();
    let described = Description {
        client_name: Some("Mail".to_owned()),
        redirect_uris: vec![RedirectUri::parse("https://mail.example/callback").unwrap()],
        ..description(Algorithm::Rs256)
    };
    let mut client = UrlClient::create(folder.path(), described, at(0)).unwrap();
    client.announce(at(0)).unwrap();
    let document = client.document().unwrap();
    assert_eq!(document["client_id"], ID);
    assert_eq!(document["token_endpoint_auth_method"], "private_key_jwt");
    assert_eq!(document["token_endpoint_auth_signing_alg"], "RS256");
    let uma = "urn:ietf:params:oauth:grant-type:uma-ticket";
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    assert_eq!(document["grant_types"], serde_json::json!(["authorization_code", exchange, uma]));
    assert_eq!(document["jwks"]["keys"].as_array().unwrap().len(), 2);
    let text = fs::read_to_string(client.document_file()).unwrap();
    for private in ["\"d\"", "\"p\"", "\"q\""] {
        assert!(!text.contains(private), "{private}");
    }
}

#[test]
fn a_client_is_not_overwritten_and_has_a_path() {
    let folder = tempfile::tempdir().unwrap();
    UrlClient::create(folder.path(), description(Algorithm::Es256), at(0)).unwrap();
    let again = UrlClient::create(folder.path(), description(Algorithm::Es256), at(0));
    assert_eq!(again.unwrap_err().code(), Code::Usage);
    for id in ["mail", "https://mail.example", "https://mail.example/a/../b"] {
        let described = Description {
            client_id: ClientId::parse(id).unwrap(),
            ..description(Algorithm::Es256)
        };
        let path = folder.path().join("other");
        assert_eq!(UrlClient::create(&path, described, at(0)).unwrap_err().code(), Code::Usage);
        assert!(!path.exists(), "{id}");
    }
}

#[cfg(unix)]
#[test]
fn private_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let client = UrlClient::create(folder.path(), description(Algorithm::Es256), at(0)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let key = key_file(folder.path(), &signer(&client));
    for private in [&key, &folder.path().join(STATE)] {
        assert_eq!(mode(private), 0o600, "{}", private.display());
        fs::set_permissions(private, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = UrlClient::load(folder.path()).and_then(|client| client.acting().map(drop));
        let failure = refused.unwrap_err();
        assert_eq!(failure.code(), Code::Configuration, "{failure:?}");
        assert!(failure.line().contains("others can read it"), "{failure:?}");
        fs::set_permissions(private, fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(mode(&client.document_file()) & 0o044, 0o044, "a server has to read it");
}

#[test]
fn what_nobody_would_take_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let jwks_uri = EndpointUrl::parse("https://mail.example/jwks").unwrap();
    let described = Description { jwks_uri: Some(jwks_uri), ..description(Algorithm::Es256) };
    let client = UrlClient::create(folder.path(), described, at(0)).unwrap();
    let (document, set) = (client.document_file(), client.key_set_file().unwrap());
    let private = fs::read_to_string(key_file(folder.path(), &signer(&client))).unwrap();
    for (path, text) in [
        (&set, format!("{{\"keys\":[{private}]}}")),
        (&set, "{}".to_owned()),
        (&document, format!("{{\"client_id\":\"{ID}\",\"jwks\":{{\"keys\":[{private}]}}}}")),
        (
            &document,
            "{\"client_id\":\"mail\",\"jwks_uri\":\"https://mail.example/jwks\"}".to_owned(),
        ),
        (&document, "{".to_owned()),
    ] {
        let good = fs::read(path).unwrap();
        fs::write(path, &text).unwrap();
        assert_eq!(client.published().unwrap_err().code(), Code::Configuration, "{text}");
        fs::write(path, good).unwrap();
        assert!(client.published().is_ok(), "{text}");
    }
}
