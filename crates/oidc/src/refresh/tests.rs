use countersign_types::wire::ErrorCode;
use countersign_types::{WireError as _, wire};

use super::*;
use crate::grant::SignIn;

/// Differs from call to call.
#[derive(Default)]
struct Counting(std::sync::atomic::AtomicU8);

impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
}

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn key(name: &[u8]) -> Option<Confirmation> {
    Some(Confirmation::Jkt(Digest::of(name)))
}

/// A client with a grant that ends at 1000 and idles for 100 seconds.
struct Case {
    client: ClientId,
    is_public: bool,
    allowed: ScopeSet,
    proved: Option<Confirmation>,
    grant: Grant,
    random: Counting,
}

impl Case {
    fn new(is_public: bool, proved: Option<Confirmation>) -> (Self, Successor) {
        let client = ClientId::parse("app").unwrap();
        let scope = ScopeSet::parse("openid offline_access get").unwrap();
        let sign_in = SignIn {
            sid: "s".into(),
            auth_time: Some(at(0)),
            acr: None,
            amr: vec!["pwd".into()],
            through: None,
            credential: None,
        };
        let grant = Grant {
            id: "g".into(),
            subject: "alice".into(),
            client_id: client.clone(),
            scope: scope.clone(),
            resources: Default::default(),
            sign_in,
            expires: at(1000),
            renewal: None,
        };
        let mut case =
            Self { client, is_public, allowed: scope, proved, grant, random: Counting::default() };
        let mut grant = case.grant.clone();
        let first = begin(&mut grant, &case.facts(0), &case.random);
        case.grant = grant;
        (case, first)
    }

    fn facts(&self, now: i64) -> Facts<'_> {
        Facts {
            client: &self.client,
            is_public: self.is_public,
            allowed: &self.allowed,
            proved: self.proved,
            idle: Lifetime::from_secs(100),
            now: at(now),
        }
    }

    fn admit(&self, token: &Successor, scope: &str, now: i64) -> Result<Admitted, RefreshError> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("refresh_token", token.token.expose()), ("scope", scope)])
            .finish();
        let request = parse(&Params::parse(form.as_bytes(), &[]).unwrap())?;
        admit(request, token.record.clone(), self.grant.clone(), &self.facts(now))
    }

    /// What the service does, with a store that gives this answer.
    fn refresh(
        &mut self,
        token: &Successor,
        now: i64,
        seen: Seen,
    ) -> Result<Refreshed, RefreshError> {
        let refreshed = match self.admit(token, "", now)? {
            Admitted::Done(refreshed) => refreshed,
            Admitted::OnceOnly(rotating) => rotating.if_new(seen, &self.random)?,
        };
        if !refreshed.is_repeated {
            self.grant = refreshed.grant.clone();
        }
        Ok(refreshed)
    }
}

#[test]
fn a_confidential_clients_token_lasts() {
    let (mut case, token) = Case::new(false, None);
    assert_eq!(token.expires, at(1000));
    for now in [99, 150, 150, 240] {
        let refreshed = case.refresh(&token, now, Seen::Again).unwrap();
        assert!(refreshed.successor.is_none() && !refreshed.is_repeated);
        assert_eq!(refreshed.grant.renewal.unwrap().used, at(now));
    }
    assert!(matches!(case.refresh(&token, 340, Seen::First), Err(RefreshError::Idle)));
    case.grant.renewal.as_mut().unwrap().used = at(950);
    assert!(matches!(case.refresh(&token, 1000, Seen::First), Err(RefreshError::Unknown)));
}

#[test]
fn a_public_clients_token_is_replaced_and_the_old_one_ends_the_grant() {
    let (mut case, first) = Case::new(true, None);
    assert_eq!((first.expires, first.record.seed.clone()), (at(100), None));
    let second = case.refresh(&first, 90, Seen::First).unwrap().successor.unwrap();
    assert!(!second.token.ct_eq(first.token.expose()));
    assert_eq!((second.expires, second.record.generation), (at(190), 1));
    let third = case.refresh(&second, 91, Seen::First).unwrap().successor.unwrap();
    for old in [&first, &second] {
        assert!(matches!(case.refresh(old, 91, Seen::First), Err(RefreshError::Reused)));
    }
    assert!(case.refresh(&third, 92, Seen::First).is_ok());
    // Used at the same time as by another: the store knows.
    let (mut case, first) = Case::new(true, None);
    assert!(matches!(case.refresh(&first, 1, Seen::Again), Err(RefreshError::Reused)));
}

/// O16: what was given stays given for a moment, to whoever has the key.
#[test]
fn with_the_key_the_same_successor_is_given_once_more() {
    let (mut case, first) = Case::new(true, key(b"key"));
    let given = case.refresh(&first, 50, Seen::First).unwrap();
    let given = given.successor.unwrap();
    for now in [50, 59] {
        let again = case.refresh(&first, now, Seen::First).unwrap();
        assert!(again.is_repeated);
        let again = again.successor.unwrap();
        assert!(again.token.ct_eq(given.token.expose()));
        assert_eq!(again.record, given.record);
    }
    // Too late; another's key; and after the successor was used, it is an old token like any other.
    assert!(matches!(case.refresh(&first, 60, Seen::First), Err(RefreshError::Reused)));
    for proved in [None, key(b"another")] {
        case.proved = proved;
        assert!(matches!(case.refresh(&first, 51, Seen::First), Err(RefreshError::Key)));
        assert!(matches!(case.refresh(&given, 51, Seen::First), Err(RefreshError::Key)));
    }
    case.proved = key(b"key");
    assert!(case.refresh(&given, 52, Seen::First).is_ok());
    assert!(matches!(case.refresh(&first, 53, Seen::First), Err(RefreshError::Reused)));
}

/// The answer was lost before the grant was written: its holder goes on.
#[test]
fn what_was_begun_is_finished_for_whoever_has_the_key() {
    let (mut case, first) = Case::new(true, key(b"key"));
    let lost = match case.admit(&first, "", 10).unwrap() {
        Admitted::OnceOnly(rotating) => rotating.if_new(Seen::First, &case.random).unwrap(),
        Admitted::Done(_) => panic!("not rotated"),
    };
    let again = case.refresh(&first, 99, Seen::Again).unwrap().successor.unwrap();
    assert!(again.token.ct_eq(lost.successor.unwrap().token.expose()));
    let next = case.refresh(&again, 99, Seen::First).unwrap().successor.unwrap();
    assert_eq!(case.grant.renewal.as_ref().unwrap().generation, 2);
    assert!(matches!(case.refresh(&first, 99, Seen::First), Err(RefreshError::Reused)));
    assert!(case.refresh(&next, 150, Seen::First).is_ok());
}

/// RFC 9449 §5: what a public client is given on a proof is bound to it, from then on.
#[test]
fn a_proof_binds_the_tokens_of_a_public_client() {
    let (mut case, first) = Case::new(true, None);
    case.proved = key(b"key");
    let second = case.refresh(&first, 1, Seen::First).unwrap().successor.unwrap();
    assert!(second.record.seed.is_some());
    case.proved = None;
    assert!(matches!(case.refresh(&second, 2, Seen::First), Err(RefreshError::Key)));

    let (mut case, token) = Case::new(false, key(b"key"));
    case.proved = None;
    assert!(case.refresh(&token, 1, Seen::First).is_ok(), "a confidential client proves itself");
}

/// O14: a token that was given out unbound has whoever shows it for its bearer, so that no key
/// which was bound to meanwhile keeps its reuse from being seen.
#[test]
fn a_token_given_out_unbound_is_reused_by_whatever_key() {
    for proved in [None, key(b"another"), key(b"thief")] {
        let (mut case, first) = Case::new(true, None);
        case.proved = key(b"thief");
        let second = case.refresh(&first, 1, Seen::First).unwrap().successor.unwrap();
        case.proved = proved;
        for seen in [Seen::First, Seen::Again] {
            assert!(
                matches!(case.refresh(&first, 2, seen), Err(RefreshError::Reused)),
                "{proved:?}"
            );
        }
        // One that was given out bound is nothing without its key.
        case.proved = key(b"thief");
        let third = case.refresh(&second, 2, Seen::First).unwrap().successor.unwrap();
        case.proved = None;
        for bound in [&second, &third] {
            assert!(matches!(case.refresh(bound, 2, Seen::First), Err(RefreshError::Key)));
        }
    }
}

/// O17: never more than was granted, and no more than is allowed by now.
#[test]
fn a_scope_is_never_wider() {
    let (mut case, token) = Case::new(false, None);
    let scope = |case: &Case, text: &str| match case.admit(&token, text, 1)? {
        Admitted::Done(refreshed) => Ok(refreshed.scope.to_string()),
        Admitted::OnceOnly(_) => panic!("rotated"),
    };
    assert_eq!(scope(&case, "").unwrap(), "get offline_access openid");
    assert_eq!(scope(&case, "get").unwrap(), "get");
    for wider in ["get email", "email", "Get", "get  get\t"] {
        let refused: RefreshError = scope(&case, wider).unwrap_err();
        assert_eq!(refused.wire().code, ErrorCode::INVALID_SCOPE, "{wider}");
    }
    case.allowed = ScopeSet::parse("openid email").unwrap();
    assert_eq!(scope(&case, "").unwrap(), "openid");
    assert!(scope(&case, "get").is_err());
    case.allowed = ScopeSet::empty();
    assert!(scope(&case, "").is_err());
}

#[test]
fn a_token_is_its_clients_own() {
    let (mut case, token) = Case::new(true, None);
    case.client = ClientId::parse("other").unwrap();
    assert!(matches!(case.refresh(&token, 1, Seen::First), Err(RefreshError::Unknown)));
    let (mut case, token) = Case::new(true, None);
    case.grant.renewal = None;
    assert!(matches!(case.refresh(&token, 1, Seen::First), Err(RefreshError::Unknown)));
    let missing = parse(&Params::parse(b"scope=get", &[]).unwrap()).unwrap_err();
    assert_eq!(missing.wire().code, ErrorCode::INVALID_REQUEST);
}

#[test]
fn every_refusal_but_of_the_scope_looks_the_same() {
    let refusals =
        [RefreshError::Unknown, RefreshError::Idle, RefreshError::Key, RefreshError::Reused];
    let answers = refusals.map(|error| error.wire());
    for answer in answers {
        assert_eq!(answer, answers[0]);
        assert_eq!((answer.code, answer.status.as_u16()), (ErrorCode::INVALID_GRANT, 400));
        assert!(wire::is_description(answer.description));
    }
}

#[test]
fn what_is_kept_survives_the_store() {
    let (case, first) = Case::new(true, key(b"key"));
    let grant: Grant = serde_json::from_str(&serde_json::to_string(&case.grant).unwrap()).unwrap();
    assert_eq!(grant, case.grant);
    let record = serde_json::to_string(&first.record).unwrap();
    assert_eq!(serde_json::from_str::<RefreshRecord>(&record).unwrap(), first.record);
    assert!(!record.contains(first.token.expose()));
}
