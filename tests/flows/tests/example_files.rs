//! The three example files together: what they say fits, and a flow runs over them.
//!
//! Only what belongs to a machine is changed: where a server listens, its certificate and store,
//! how the others are found, and which file a secret is in.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use countersign_client::subject::{Person, Subject};
use countersign_client::{Client, Registration};
use countersign_client_auth::Proof;
use countersign_testkit::{Deployment, Party, names};
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, EmailAddress, Issuer};
use serde_json::Value;
use toml::Table;

/// The example of a program, at home on this machine: in `written`'s place, with `secrets` by their
/// places in the file.
fn at_home(program: &str, written: &mut Table, secrets: &[(&[&str], &str)]) {
    let mut example = example(program, "example.toml");
    for key in ["listen", "tls", "store", "outbound", "danger"] {
        example.remove(key);
        if let Some(own) = written.remove(key) {
            example.insert(key.to_owned(), own);
        }
    }
    for (place, file) in secrets {
        let (last, tables) = place.split_last().unwrap();
        let mut table = &mut example;
        for name in tables {
            let value = &mut table[*name];
            let first = value.is_array();
            table = if first { value[0].as_table_mut() } else { value.as_table_mut() }.unwrap();
        }
        let secret = table.get_mut(*last).expect("the example names a secret");
        *secret = Table::from_iter([("file".to_owned(), (*file).into())]).into();
    }
    *written = example;
}

pub(crate) fn folder(program: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bins").join(program)
}

pub(crate) fn example(program: &str, file: &str) -> Table {
    std::fs::read_to_string(folder(program).join(file)).unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_example_files_are_one_deployment() {
    let deployment = Deployment::builder()
        .with(Party::Sts, |sts| {
            at_home("sts", sts, &[(&["clients", "secret"], "rqp-client.secret")]);
        })
        .with(Party::UmaServer, |uma| {
            let secrets: [(&[&str], _); 2] = [
                (&["resource_servers", "secret"], "rs-bob.secret"),
                (&["clients", "secret"], "rqp-client.secret"),
            ];
            at_home("uma-server", uma, &secrets);
        })
        .with(Party::ResourceServer, |rs| {
            let secret = ["authorization_server", "client_secret"];
            at_home("resource-server", rs, &[(&secret, "rs-bob.secret")]);
            let file = folder("resource-server").join("README.md");
            rs["resources"][1]["file"] = file.to_str().unwrap().into();
        })
        .start()
        .await;
    let fetch = deployment.http();
    let seams = deployment.seams();
    let at = |issuer| Registration {
        issuer: Issuer::parse(issuer).unwrap(),
        client_id: ClientId::parse(names::RQP_CLIENT).unwrap(),
        proof: Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET)),
    };
    let alice = Subject {
        person: Person::Email(EmailAddress::parse(names::ALICE).unwrap()),
        ..deployment.alice().await
    };
    let client = Client::builder(fetch, seams.clock, seams.random, at(names::STS), Arc::new(alice))
        .with_registration(at(names::UMA))
        .build();

    let get = |path: &str| http::Request::get(format!("{}{path}", names::RS)).body(Bytes::new());
    let data = client.request(get("/rs-api").unwrap()).await.unwrap();
    assert_eq!(data.status(), 200);
    let data: Value = serde_json::from_slice(data.body()).unwrap();
    let told = &example("resource-server", "example.toml")["resources"][0]["json"];
    assert_eq!(data, serde_json::to_value(told).unwrap());

    // By her department, from her provider; and she sat at the keyboard.
    let manual = client.request(get("/manual").unwrap()).await.unwrap();
    assert_eq!(manual.status(), 200);
    assert_eq!(manual.headers()["content-type"], "text/markdown; charset=utf-8");
    let file = std::fs::read(folder("resource-server").join("README.md")).unwrap();
    assert_eq!(manual.body().as_ref(), file);
}
