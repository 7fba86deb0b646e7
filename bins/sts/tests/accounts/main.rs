//! `sts user`: people come, go and return while the server runs (O13).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::fs;
use std::path::PathBuf;

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use countersign_host::Seams;
use countersign_sts::{check, load};
use countersign_sts_service::PasswordHash;
use countersign_types::secret::Password;
use http::header::LOCATION;
use serde_json::Value;

use self::world::{CONFIG, World, session_of};

/// That of the person in the configuration.
const LISTED_PASSWORD: &str = "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What is said of an account whose password was hashed with other work.
const UNUSABLE: &str = "  needs a new password";

#[tokio::test]
async fn o13_a_disabled_person_is_refused_at_once_and_everywhere() {
    let world = World::new();
    let bob = ["bob", "--name", "Bob", "--email", "bob@alice.example", "--email-verified"];
    let (ok, said) = world.user("add", &bob, "correct-horse-battery");
    assert!(ok && said.starts_with("bob  ") && said.contains("bob@alice.example"), "{said}");

    // The server was there before.
    let tokens = world.sign_in("bob", "correct-horse-battery").await.unwrap();
    assert_eq!(world.userinfo(&tokens).await.json()["email"], "bob@alice.example");
    let tokens = world.refresh(&tokens).await.json();
    let by_address = world.sign_in("bob@alice.example", "correct-horse-battery").await.unwrap();
    assert_eq!(world.userinfo(&by_address).await.json(), world.userinfo(&tokens).await.json());
    assert_eq!(world.sign_in("bob", "wrong").await.unwrap_err(), 403);

    assert!(world.user("disable", &["bob"], "").1.ends_with("disabled\n"));
    let refused = world.refresh(&tokens).await;
    assert_eq!((refused.status, &refused.json()["error"]), (400, &"invalid_grant".into()));
    assert_eq!(world.userinfo(&tokens).await.status, 401);
    for name in ["bob", "bob@alice.example"] {
        assert_eq!(world.sign_in(name, "correct-horse-battery").await.unwrap_err(), 403);
    }
    // Who comes back finds what was allowed before.
    assert!(world.user("enable", &["bob@alice.example"], "").0);
    assert_eq!(world.userinfo(&tokens).await.status, 200);
    assert_eq!(world.refresh(&tokens).await.status, 200);
}

/// O13: whoever knew the former password has nothing of it left.
#[tokio::test]
async fn o13_a_new_password_ends_what_the_former_one_began() {
    let world = World::new();
    assert!(world.user("add", &["bob"], "correct-horse-battery").0);
    let tokens = world.sign_in("bob", "correct-horse-battery").await.unwrap();
    assert_eq!(world.userinfo(&tokens).await.status, 200);

    let session = session_of(&world.log_in("bob", "correct-horse-battery").await);
    let silently = world.authorize(&session, "&prompt=none").await;
    assert!(silently.header(LOCATION).contains("error=consent_required"), "signed in");

    assert!(world.user("password", &["bob"], "another-horse-battery").0);
    let silently = world.authorize(&session, "&prompt=none").await;
    assert!(silently.header(LOCATION).contains("error=login_required"), "no session");
    assert_eq!(world.userinfo(&tokens).await.status, 401);
    let refused = world.refresh(&tokens).await;
    assert_eq!((refused.status, &refused.json()["error"]), (400, &"invalid_grant".into()));
    assert_eq!(world.sign_in("bob", "correct-horse-battery").await.unwrap_err(), 403);
    // Nor is what was allowed before: whoever knew the former password may have done that, too.
    let session = session_of(&world.log_in_to("other", "bob", "another-horse-battery").await);
    let silently = world.authorize(&session, "&prompt=none").await;
    assert!(silently.header(LOCATION).contains("error=consent_required"));
    let silently = world.authorize_for("other", &session, "&prompt=none").await;
    assert!(silently.header(LOCATION).contains("code="), "{}", silently.header(LOCATION));
    let tokens = world.sign_in("bob", "another-horse-battery").await.unwrap();
    let tokens = world.refresh(&tokens).await.json();
    assert_eq!(world.userinfo(&tokens).await.status, 200);
}

/// O13: so it is for whoever stands in the configuration, when that changes.
#[tokio::test]
async fn o13_another_password_in_the_configuration_ends_what_the_former_one_began() {
    let mut world = World::new();
    let text = fs::read_to_string(&world.file).unwrap();
    let text = text.replace("memory_store = true\n", "");
    let text = text.replace("[keys]", "[store]\npath = \"sts.db\"\n\n[keys]");
    let hash = |password: &str| {
        let hash = PasswordHash::of(&Password::new(password), Seams::system().random.as_ref());
        hash.unwrap().to_string()
    };
    let configured = |hash: &str| text.replace(LISTED_PASSWORD, hash);
    let first = hash("correct-horse-battery");
    fs::write(&world.file, configured(&first)).unwrap();
    world.restart();
    let tokens = world.sign_in("listed", "correct-horse-battery").await.unwrap();
    let session = session_of(&world.log_in_to("other", "listed", "correct-horse-battery").await);
    world.restart();
    assert_eq!(world.userinfo(&tokens).await.status, 200, "a restart alone ends nothing");
    let silently = world.authorize_for("other", &session, "&prompt=none").await;
    assert!(silently.header(LOCATION).contains("code="), "{}", silently.header(LOCATION));

    fs::write(&world.file, configured(&hash("another-horse-battery"))).unwrap();
    world.restart();
    assert_eq!(world.userinfo(&tokens).await.status, 401);
    let refused = world.refresh(&tokens).await;
    assert_eq!((refused.status, &refused.json()["error"]), (400, &"invalid_grant".into()));
    let silently = world.authorize_for("other", &session, "&prompt=none").await;
    assert!(silently.header(LOCATION).contains("error=login_required"));
    assert!(world.sign_in("listed", "another-horse-battery").await.is_ok());
}

#[test]
fn what_cannot_be_an_account_is_refused() {
    let world = World::new();
    assert!(world.user("add", &["carol", "--email", "carol@alice.example"], "a long password").0);
    for (name, arguments, reason) in [
        ("taken", &["carol"][..], "taken"),
        ("address taken", &["dave", "--email", "carol@alice.example"], "taken"),
        ("name is an address", &["carol@alice.example"], "taken"),
        ("listed", &["listed"], "taken"),
        ("another domain", &["dave", "--email", "dave@bob.example"], "email_domains"),
        ("verified what", &["dave", "--email-verified"], "--email"),
        ("a path", &["../carol"], "no name"),
        ("a dot", &[".carol"], "no name"),
        ("nothing", &[""], "no name"),
        ("a blank", &["c d"], "no name"),
    ] {
        let (ok, said) = world.user("add", arguments, "a long password");
        assert!(!ok && said.contains(reason), "{name}: {said}");
    }
    for (command, name) in [("add", "dave"), ("password", "carol")] {
        let (ok, said) = world.user(command, &[name], "five5");
        assert!(!ok && said.contains("at least 15 characters"), "{command}: {said}");
    }
    for command in ["disable", "enable", "password"] {
        let (ok, said) = world.user(command, &["dave"], "a long password");
        assert!(!ok && said.contains("dave"), "{command}: {said}");
    }
    let (ok, said) = world.user("list", &[], "");
    assert!(ok && said.lines().count() == 2, "{said}");
    assert!(said.starts_with("listed  1  configuration\n"), "{said}");
    assert!(said.contains("carol@alice.example (not verified)"), "{said}");
}

/// Whoever stands in the configuration is refused while the server runs, as everybody else is.
#[tokio::test]
async fn o13_a_person_of_the_configuration_is_refused_at_once_and_everywhere() {
    let mut world = World::new();
    let hash =
        PasswordHash::of(&Password::new("correct-horse-battery"), Seams::system().random.as_ref());
    let config = CONFIG.replace(LISTED_PASSWORD, &hash.unwrap().to_string());
    let config = config.replace(
        "subject = \"1\"",
        "subject = \"1\"\nemail = \"listed@alice.example\"\nemail_verified = true",
    );
    fs::write(&world.file, config).unwrap();
    world.restart();
    let tokens = world.sign_in("listed", "correct-horse-battery").await.unwrap();
    let session = session_of(&world.log_in_to("other", "listed", "correct-horse-battery").await);
    let was = world.authorize_for("other", &session, "&prompt=none").await;
    assert!(was.header(LOCATION).contains("code="), "{}", was.header(LOCATION));

    let line = "listed  1  listed@alice.example  configuration";
    let (ok, said) = world.user("disable", &["listed"], "");
    assert!(ok && said.contains(&format!("{line}  disabled")), "{said}");
    for name in ["listed", "listed@alice.example"] {
        assert_eq!(world.sign_in(name, "correct-horse-battery").await.unwrap_err(), 403, "{name}");
    }
    assert_eq!(world.refresh(&tokens).await.status, 400);
    assert_eq!(world.userinfo(&tokens).await.status, 401);
    let gone = world.authorize_for("other", &session, "&prompt=none").await;
    assert!(gone.header(LOCATION).contains("error=login_required"), "{}", gone.header(LOCATION));
    assert_eq!(world.user("list", &[], "").1.trim_end(), format!("{line}  disabled"));
    // Nobody else gets the name, and who is refused stays so over a restart.
    assert!(!world.user("add", &["listed"], "another-horse-battery").0);
    world.restart();
    assert_eq!(world.sign_in("listed", "correct-horse-battery").await.unwrap_err(), 403);

    // By the subject, too; what was allowed counts again.
    let (ok, said) = world.user("enable", &["1"], "");
    assert!(ok && said.contains(line) && !said.contains("disabled"), "{said}");
    assert!(world.sign_in("listed", "correct-horse-battery").await.is_ok());
    let (ok, said) = world.user("password", &["listed"], "another-horse-battery");
    assert!(!ok && said.contains("stands in the configuration"), "{said}");

    // Where nobody knows who is refused, nobody of the configuration signs in, and nobody is told
    // that their password is wrong. Whoever has to be refused at once is so whatever else is wrong
    // with the files.
    let accounts = world.file.with_file_name("accounts");
    fs::write(accounts.join("AAAAAAAAAAAAAAAAAAAAAA.json"), "{").unwrap();
    assert!(!world.user("list", &[], "").0);
    assert!(world.user("disable", &["listed"], "").0);
    assert_eq!(world.sign_in("listed", "correct-horse-battery").await.unwrap_err(), 403);
    fs::remove_dir_all(accounts.join("disabled")).unwrap();
    assert_eq!(world.sign_in("listed", "correct-horse-battery").await.unwrap_err(), 503);
}

/// Nobody finds a file outside the directory, and a file that is none is named.
#[tokio::test]
async fn the_directory_is_read_with_care() {
    let world = World::new();
    assert!(world.user("add", &["erin"], "correct-horse-battery").0);
    for name in ["../names/erin", "/etc/passwd", ".", "erin/", "names"] {
        assert_eq!(world.sign_in(name, "correct-horse-battery").await.unwrap_err(), 403, "{name}");
    }
    let accounts = world.file.with_file_name("accounts");
    let is_account = |path: &PathBuf| path.extension().is_some_and(|it| it == "json");
    let account = fs::read_dir(&accounts).unwrap().map(|entry| entry.unwrap().path());
    let account = account.filter(is_account).collect::<Vec<_>>();
    let [account] = account.as_slice() else { panic!("{account:?}") };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for path in [account, &accounts.join("names/erin")] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }
    let good = fs::read_to_string(account).unwrap();
    for (name, text) in [
        ("not JSON", "{".to_owned()),
        ("unknown member", good.replacen('{', "{\"admin\":true,", 1)),
        ("another's", good.replace("\"subject\": \"", "\"subject\": \"x")),
    ] {
        fs::write(account, text).unwrap();
        let error = check(&load(&world.file).unwrap()).unwrap_err();
        assert_eq!(error.key, "accounts.directory", "{name}");
        assert!(error.reason.contains(".json"), "{name}: {error}");
        assert_eq!(
            world.sign_in("erin", "correct-horse-battery").await.unwrap_err(),
            503,
            "{name}"
        );
    }
    fs::write(account, good).unwrap();
    assert!(world.sign_in("erin", "correct-horse-battery").await.is_ok());
    assert!(check(&load(&world.file).unwrap()).is_ok());
}

/// A password that was hashed with other work or otherwise, by an older version or elsewhere, is
/// nobody's until it is replaced, and nobody else is in the way of that.
#[tokio::test]
async fn a_hash_of_other_work_is_a_password_that_nobody_has() {
    let mut world = World::new();
    assert!(world.user("add", &["erin"], "correct-horse-battery").0);
    assert!(world.user("add", &["bob"], "correct-horse-battery").0);
    let erin = world.user("list", &[], "").1;
    let (_, rest) = erin.split_once("erin  ").unwrap();
    let account = format!("accounts/{}.json", &rest[..22]);
    let account = world.file.with_file_name(account);
    let good = fs::read_to_string(&account).unwrap();
    let params = Params::new(4096, 3, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let other =
        argon2.hash_password_with_salt(b"correct-horse-battery", &[7; 16]).unwrap().to_string();
    let start = good.find("$argon2id").unwrap();
    let end = start + good[start..].find('"').unwrap();
    let hash = &good[start..end];
    for other in [
        other,
        hash.replace("argon2id", "argon2i"),
        hash.replace("v=19", "v=16"),
        hash.replace("m=19456", "m=7"),
        hash.replace("p=1", "p=9999"),
        hash.replace('$', ""),
        String::new(),
    ] {
        fs::write(&account, format!("{}{other}{}", &good[..start], &good[end..])).unwrap();
        assert!(check(&load(&world.file).unwrap()).is_ok(), "{other}");
        world.restart();
        assert_eq!(
            world.sign_in("erin", "correct-horse-battery").await.unwrap_err(),
            403,
            "{other}"
        );
        assert!(world.sign_in("bob", "correct-horse-battery").await.is_ok(), "{other}");
        let (ok, said) = world.user("list", &[], "");
        let is_shown = |line: &str| line.starts_with("erin") && line.ends_with(UNUSABLE);
        assert!(ok && said.lines().any(is_shown), "{other}: {said}");
        assert_eq!(said.matches(UNUSABLE).count(), 1, "{said}");
        assert!(world.user("disable", &["erin"], "").0 && world.user("enable", &["erin"], "").0);
        let kept = fs::read_to_string(&account).unwrap();
        assert!(kept.contains(&format!("\"{other}\"")), "the file keeps it");
    }

    assert!(world.user("password", &["erin"], "another-horse-battery").0);
    assert!(!world.user("list", &[], "").1.contains(UNUSABLE));
    assert!(world.sign_in("erin", "another-horse-battery").await.is_ok());
}

/// People who came through another provider are kept like others, by their subject.
#[test]
fn imported_people_are_shown_and_disabled() {
    let world = World::new();
    assert!(world.user("add", &["bob"], "correct-horse-battery").0);
    let subject = "AAAAAAAAAAAAAAAAAAAAAA";
    let file = world.file.with_file_name("accounts").join(format!("{subject}.json"));
    let imported = serde_json::json!({
        "subject": subject, "username": "university:ada",
        "imported": {
            "alias": "university", "issuer": "https://idp.university.example", "sub": "7",
        },
    });
    let write = |account: &Value| {
        fs::write(&file, account.to_string()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
    };
    write(&imported);
    let line = format!("university:ada  {subject}  through university");
    let (_, listed) = world.user("list", &[], "");
    assert!(listed.contains("bob  ") && listed.contains(&line), "{listed}");
    assert!(world.user("disable", &[subject], "").1.contains(&format!("{line}  disabled")));
    assert!(world.user("enable", &[subject], "").1.contains(&line));
    for name in ["university:ada", "7", "BBBBBBBBBBBBBBBBBBBBBB"] {
        let (ok, said) = world.user("disable", &[name], "");
        assert!(!ok && said.contains("no account"), "{name}: {said}");
    }
    let (ok, said) = world.user("password", &[subject], "a long password");
    assert!(!ok && said.contains("another provider"), "{said}");
    // Either a password or where the person comes from, and not both.
    let mut both = imported;
    both["password"] = "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into();
    write(&both);
    assert!(!world.user("list", &[], "").0);
}
