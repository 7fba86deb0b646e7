//! An authorization server without its store, and the words of a test.

use std::cell::RefCell;
use std::collections::BTreeSet;

use countersign_client_auth::{
    AuthenticatedClient, Authentication, Credentials, RegisteredClient, SecretDigest, authenticate,
};
use countersign_jwt::{Algorithm, KeySet, SigningKey, jws};
use countersign_permission_ticket::TicketChallenge;
use countersign_types::secret::{ClientSecret, TicketHandle};
use countersign_types::{
    ClientId, Issuer, Lifetime, Params, ResourceIdentifier, ScopeSet, Timestamp, WireError as _,
};
use countersign_uma::assessment::{
    Assessment, AwaitingPolicy, Decided, Ended, Facts, NeedInfo, Outcome, Settings, Submitted,
};
use countersign_uma::case::Case;
use countersign_uma::grant::REPEATABLE;
use countersign_uma::permission::Registered;
use countersign_uma::policy::rules::{Rule, Rules};
use countersign_uma::policy::{Decision, Policy, PolicyRequest, Revision, Ruling};
use countersign_uma::protection::{OwnerId, Protection, ResourceParameter, ResourceServer};
use countersign_uma::resource::{ResourceDescription, ResourceId};
use countersign_uma::{NamedBy, Process, Rpt, grant, permission};
use serde_json::{Value, json};

pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) const AS: &str = "https://uma.bob.example";

pub(crate) const RS: &str = "https://rs.bob.example";

pub(crate) const STS: &str = "https://sts.alice.example";

pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// An authorization server with one resource server, and Alice's identity provider.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) server: ResourceServer,
    pub(crate) registered: Registered,
    pub(crate) rules: Rules,
    /// Other rules, from this moment on: as a rule has it that goes by the time.
    pub(crate) night: Option<(i64, Rules)>,
    /// What is said instead of what the rules say.
    pub(crate) says: Option<Says>,
    pub(crate) client: AuthenticatedClient,
    pub(crate) scopes: ScopeSet,
    pub(crate) discovered: Option<Issuer>,
    pub(crate) key: SigningKey,
    pub(crate) now: i64,
    /// What Bob was asked about Alice.
    pub(crate) case: RefCell<Option<Case>>,
}

/// What a policy says of a scope, whoever asks for it.
pub(crate) struct Says(pub(crate) fn(&str) -> Decision);

pub(crate) fn client(id: &str, confidential: bool) -> AuthenticatedClient {
    let id = ClientId::parse(id).unwrap();
    let (credentials, form) = if confidential {
        let secret = SecretDigest::of(&ClientSecret::new("s"));
        (Credentials::secret(secret), format!("client_id={id}&client_secret=s"))
    } else {
        (Credentials::Public, format!("client_id={id}"))
    };
    let registered = RegisteredClient { id, credentials };
    let params = Params::parse(form.as_bytes(), &[]).unwrap();
    let presented = countersign_client_auth::parse(&http::HeaderMap::new(), &params).unwrap();
    let issuer = Issuer::parse(AS).unwrap();
    let now = Timestamp::from_unix(NOW);
    match authenticate(presented.check(&issuer, now).unwrap(), Some(&registered)).unwrap() {
        Authentication::Done(client) => client,
        Authentication::OnceOnly(_) => panic!("not an assertion"),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let owner = OwnerId::parse("bob").unwrap();
        let protection = Protection::new(owner, ClientId::parse("rs").unwrap());
        let description = br#"{"resource_scopes":["get","put"],"name":"RS API"}"#;
        let description = ResourceDescription::parse(description).unwrap();
        let rules: Vec<Rule> = serde_json::from_value(json!([
            {"resource": "RS API", "scopes": ["get"], "emails": ["alice@alice.example"]},
            {"resource": "RS API", "scopes": ["put"], "emails": ["alice@alice.example"],
             "claims": {"department": "research"}},
        ]))
        .unwrap();
        Self {
            settings: Settings::new(Issuer::parse(AS).unwrap()),
            server: ResourceServer {
                protection: protection.clone(),
                resource_identifiers: vec![
                    ResourceIdentifier::parse(RS).unwrap(),
                    ResourceIdentifier::parse("https://rs.bob.example/v2").unwrap(),
                ],
                resource_parameter: ResourceParameter::Required,
            },
            registered: Registered::from([(ResourceId::parse("r1").unwrap(), description)]),
            rules: Rules::new().with(protection, rules),
            night: None,
            says: None,
            client: client("app", true),
            scopes: ScopeSet::parse("put").unwrap(),
            discovered: Some(Issuer::parse(STS).unwrap()),
            key: SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap(),
            now: NOW,
            case: RefCell::new(None),
        }
    }

    pub(crate) fn process(&self) -> Process {
        permission::parse(br#"{"resource_id":"r1","resource_scopes":["get"]}"#)
            .unwrap()
            .open(
                &self.registered,
                self.server.protection.clone(),
                "p1".to_owned(),
                Timestamp::from_unix(self.now),
                Lifetime::from_secs(300),
            )
            .unwrap()
    }

    /// The claims of Alice's claims token for this ticket.
    pub(crate) fn claims(&self, ticket: &str) -> Value {
        json!({
            "iss": STS, "sub": "a1", "aud": AS, "jti": "j1",
            "iat": self.now, "exp": self.now + 120,
            "email": "alice@alice.example", "email_verified": true,
            "resource": RS, "ticket_challenge": challenge(ticket),
        })
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        jws::sign("uma-claims+jwt", &self.key, claims).unwrap()
    }

    /// Presents `ticket`, which stands for `process`, with these further parameters.
    pub(crate) fn present(
        &self,
        process: Process,
        ticket: &str,
        form: &[(&str, &str)],
    ) -> Box<Ended> {
        let mut body = format!("ticket={ticket}");
        for (name, value) in form {
            let value = value.replace(' ', "+");
            body = format!("{body}&{name}={value}");
        }
        let request = grant::parse(&Params::parse(body.as_bytes(), REPEATABLE).unwrap()).unwrap();
        let now = Timestamp::from_unix(self.now);
        let presented = process.present(&self.client, now).unwrap();
        let facts = Facts {
            client: &self.client,
            client_scopes: &self.scopes,
            resource_server: &self.server,
            registered: &self.registered,
            settings: &self.settings,
            now,
        };
        let awaiting = match Assessment::begin(presented, &request, facts) {
            Assessment::Ended(ended) => return ended,
            Assessment::Decide(awaiting) => return self.decide(*awaiting),
            Assessment::Poll(polling) => {
                let case = self.case.borrow();
                return polling.looked_up(case.as_ref(), &self.policy());
            }
            Assessment::Discover(awaiting) => awaiting,
        };
        let Some(issuer) = &self.discovered else {
            return awaiting.not_discovered("no such domain");
        };
        let keys = KeySet::from_keys(vec![self.key.public().clone()]).unwrap();
        match awaiting
            .discovered(issuer, NamedBy::WebFinger)
            .and_then(|awaiting| awaiting.verify(&keys))
        {
            Ok(awaiting) => self.decide(awaiting),
            Err(ended) => ended,
        }
    }

    /// Asks policy, and the owner where policy does.
    fn decide(&self, awaiting: AwaitingPolicy<'_>) -> Box<Ended> {
        match awaiting.decide(&self.policy()) {
            Decided::Ended(ended) => ended,
            Decided::Ask(awaiting) => {
                let now = Timestamp::from_unix(self.now);
                let mut case = self.case.borrow_mut();
                let (changed, said) = Case::ask(case.clone(), &awaiting.question(), now);
                *case = changed.or_else(|| case.clone());
                awaiting.answered(said, &self.policy())
            }
        }
    }

    pub(crate) const fn policy(&self) -> ByTime<'_> {
        ByTime { day: &self.rules, night: self.night.as_ref(), says: self.says.as_ref() }
    }

    pub(crate) fn push(&self, claims: &Value) -> Box<Ended> {
        let token = self.token(claims);
        self.present(self.process(), "t1", &pushed(&token))
    }
}

/// One policy, which goes by the time if there is a night.
pub(crate) struct ByTime<'a> {
    day: &'a Rules,
    night: Option<&'a (i64, Rules)>,
    says: Option<&'a Says>,
}

impl Policy for ByTime<'_> {
    fn assess(&self, request: &PolicyRequest<'_>) -> Ruling {
        if let Some(Says(says)) = self.says {
            return says(request.scope).into();
        }
        let night = self.night.filter(|(from, _)| request.now.as_unix() >= *from);
        night.map_or(self.day, |(_, rules)| rules).assess(request)
    }

    fn revision(&self, protection: &Protection, now: Timestamp) -> Revision {
        let night = self.night.map(|(_, rules)| rules.revision(protection, now));
        Revision::joined([Some(self.day.revision(protection, now)), night])
    }

    fn is_timed(&self, _: &Protection) -> bool {
        self.night.is_some()
    }

    fn claims(&self, protection: &Protection) -> BTreeSet<String> {
        let night = self.night.map(|(_, rules)| rules.claims(protection));
        self.day.claims(protection).into_iter().chain(night.into_iter().flatten()).collect()
    }
}

pub(crate) fn challenge(ticket: &str) -> String {
    TicketChallenge::of(&TicketHandle::new(ticket)).to_string()
}

pub(crate) fn pushed(token: &str) -> [(&str, &str); 3] {
    [("claim_token", token), ("claim_token_format", JWT), ("resource", RS)]
}

/// The failed check is the last one, and there is none if access is granted.
#[track_caller]
pub(crate) fn well_formed(ended: &Ended) {
    let granted = matches!(ended.outcome, Outcome::Granted(_));
    let (last, before) = ended.checks.split_last().unwrap();
    assert_eq!(last.passed, granted, "{last:?}");
    assert!(before.iter().all(|check| check.passed), "{before:?}");
}

#[track_caller]
pub(crate) fn granted(ended: Box<Ended>) -> Rpt {
    well_formed(&ended);
    match ended.outcome {
        Outcome::Granted(rpt) => *rpt,
        other => panic!("{other:?} after {:?}", ended.checks),
    }
}

#[track_caller]
pub(crate) fn need_info(ended: Box<Ended>) -> NeedInfo {
    well_formed(&ended);
    match ended.outcome {
        Outcome::NeedInfo(need_info) => {
            assert!(!need_info.required_claims.is_empty());
            need_info
        }
        other => panic!("{other:?} after {:?}", ended.checks),
    }
}

#[track_caller]
pub(crate) fn submitted(ended: Box<Ended>) -> Submitted {
    well_formed(&ended);
    match ended.outcome {
        Outcome::Submitted(submitted) => submitted,
        other => panic!("{other:?} after {:?}", ended.checks),
    }
}

#[track_caller]
pub(crate) fn refused(ended: Box<Ended>, code: &str) {
    well_formed(&ended);
    match ended.outcome {
        Outcome::Refused(error) => assert_eq!(error.wire().code.as_str(), code, "{error}"),
        other => panic!("{other:?} after {:?}", ended.checks),
    }
}
