//! A case from the first question to the end of everything.

use countersign_types::scope::MAX_SCOPES;
use countersign_types::{EmailAddress, Issuer};
use serde_json::json;

use super::*;

const ASKED: i64 = 1000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn alice(claims: &Value) -> Person {
    Person {
        iss: Issuer::parse("https://sts.a.example").unwrap(),
        sub: "1".to_owned(),
        email: EmailAddress::parse("alice@a.example").unwrap(),
        present: true,
        claims: claims.as_object().unwrap().clone(),
        unheard: serde_json::Map::new(),
        vouching: crate::person::Vouching::default(),
    }
}

fn client(id: &str) -> ClientId {
    ClientId::parse(id).unwrap()
}

fn permissions(scopes: &str) -> Vec<Permission> {
    vec![Permission {
        resource_id: ResourceId::parse("inbox").unwrap(),
        resource_scopes: ScopeSet::parse(scopes).unwrap(),
    }]
}

fn question(scopes: &str) -> Question {
    Question {
        person: alice(&json!({})),
        client: client("app"),
        permissions: permissions(scopes),
        why: vec!["rule 1".to_owned()],
        lifetime: LIFETIME,
    }
}

fn decision(verdict: Verdict, scopes: &str, seen: u64) -> OwnerDecision {
    OwnerDecision {
        client: client("app"),
        present: true,
        permissions: permissions(scopes),
        verdict,
        seen,
        by: "bob".to_owned(),
    }
}

/// Alice asked for these scopes.
fn asked(scopes: &str) -> Case {
    Case::ask(None, &question(scopes), at(ASKED)).0.unwrap()
}

#[track_caller]
fn decided(case: Case, verdict: Verdict, scopes: &str) -> Case {
    let seen = case.revision();
    Case::decide(Some(case), &decision(verdict, scopes, seen), at(ASKED + 1)).unwrap()
}

fn said(case: &Case, scopes: &str) -> Said {
    case.said(&client("app"), true, &permissions(scopes), at(ASKED + 1))
}

fn happened(case: &Case) -> Vec<&Happened> {
    case.history().iter().map(|event| &event.what).collect()
}

#[test]
fn a_question_waits_and_is_asked_once() {
    let (case, first) = Case::ask(None, &question("view create"), at(ASKED));
    assert_eq!(first, Said { waiting: true, ..Said::default() });
    let case = case.unwrap();
    assert_eq!((case.entries().len(), case.revision()), (2, 1));
    assert!(case.is_waiting(at(ASKED)));

    let (again, second) = Case::ask(Some(case.clone()), &question("create"), at(ASKED + 60));
    assert!(again.is_none(), "nothing is new, so nothing is written");
    assert_eq!(second, first);
    let (more, _) = Case::ask(Some(case), &question("create delete"), at(ASKED + 60));
    assert_eq!(happened(&more.unwrap()), [&Happened::Asked, &Happened::Asked]);
}

#[test]
fn the_owner_decides_scope_by_scope() {
    let case = decided(asked("view create delete"), Verdict::Approve, "create");
    let case = decided(case, Verdict::Deny, "delete");
    let now = said(&case, "view create delete");
    assert_eq!(now.approved, permissions("create"));
    assert!(now.denied && now.waiting && !now.unasked && now.more.is_empty());
    let inbox = ResourceId::parse("inbox").unwrap();
    for (name, approves) in [
        ("create", case.approves(&client("app"), true, &inbox, "create")),
        ("view", !case.approves(&client("app"), true, &inbox, "view")),
        ("delete", !case.approves(&client("app"), true, &inbox, "delete")),
        ("another client", !case.approves(&client("app2"), true, &inbox, "create")),
        ("an agent", !case.approves(&client("app"), false, &inbox, "create")),
    ] {
        assert!(approves, "{name}");
    }
    assert_eq!(happened(&case), [&Happened::Asked, &Happened::Approved, &Happened::Denied]);
    let event = &case.history()[1];
    assert_eq!((event.by.as_deref(), event.at), (Some("bob"), at(ASKED + 1)));
    assert_eq!(event.permissions, permissions("create"));

    // What was decided can be decided otherwise.
    let case = decided(case, Verdict::Approve, "delete");
    let case = decided(case, Verdict::Deny, "create");
    assert_eq!(said(&case, "create delete").approved, permissions("delete"));
}

#[test]
fn a_decision_is_about_what_the_owner_saw_and_about_what_was_asked() {
    let case = asked("create");
    let refused = |decision: &OwnerDecision, now: i64| {
        Case::decide(Some(case.clone()), decision, at(now)).unwrap_err()
    };
    let yes = decision(Verdict::Approve, "create", 1);
    assert_eq!(refused(&OwnerDecision { seen: 0, ..yes.clone() }, ASKED), CaseError::Changed);
    let other = OwnerDecision { client: client("app2"), ..yes.clone() };
    assert_eq!(refused(&other, ASKED), CaseError::NotAsked);
    let agent = OwnerDecision { present: false, ..yes.clone() };
    assert_eq!(refused(&agent, ASKED), CaseError::NotAsked);
    let wider = decision(Verdict::Approve, "create view", 1);
    assert_eq!(refused(&wider, ASKED), CaseError::NotAsked, "whole or not at all");
    let nothing = OwnerDecision { permissions: Vec::new(), ..yes.clone() };
    assert_eq!(refused(&nothing, ASKED), CaseError::Nothing);
    let none = decision(Verdict::AskMore(BTreeSet::new()), "create", 1);
    assert_eq!(refused(&none, ASKED), CaseError::Nothing);
    let late = ASKED + i64::from(LIFETIME.as_secs());
    assert_eq!(refused(&yes, late), CaseError::NotAsked);
    assert_eq!(Case::decide(None, &yes, at(ASKED)).unwrap_err(), CaseError::NotAsked);
}

#[test]
fn an_owner_may_want_to_know_more() {
    let names = BTreeSet::from(["department".to_owned()]);
    let case = decided(asked("create"), Verdict::AskMore(names.clone()), "create");
    assert_eq!(said(&case, "create").more, names);
    assert!(!case.is_waiting(at(ASKED)));

    // The same claims as before are no answer.
    let (same, again) = Case::ask(Some(case.clone()), &question("create"), at(ASKED + 2));
    assert!(same.is_none() && again.more == names);

    let person = alice(&json!({"department": "research"}));
    let answer = Question { person: person.clone(), ..question("create") };
    let (case, now) = Case::ask(Some(case), &answer, at(ASKED + 2));
    let case = case.unwrap();
    assert!(now.waiting && now.more.is_empty());
    assert_eq!(case.person(), &person, "the owner sees what is new");
    let case = decided(case, Verdict::Approve, "create");
    let claims = case.history().last().unwrap().claims.as_ref().unwrap();
    assert_eq!(claims["department"], "research", "and the history what they saw");

    let seen = case.revision();
    let late = decision(Verdict::AskMore(names), "create", seen);
    let error = Case::decide(Some(case), &late, at(ASKED + 3)).unwrap_err();
    assert_eq!(error, CaseError::NotAsked, "it is decided");
}

#[test]
fn what_is_revoked_is_denied_and_who_comes_late_changes_nothing() {
    let case = decided(asked("view create"), Verdict::Approve, "create");
    let seen = case.revision();
    let revoked = Case::revoke(Some(case), "bob", at(ASKED + 5)).unwrap();
    let now = said(&revoked, "view create");
    assert!(now.denied && !now.waiting && now.approved.is_empty());
    assert_eq!(revoked.history().last().unwrap().permissions, permissions("view create"));
    let late = decision(Verdict::Approve, "view", seen);
    let error = Case::decide(Some(revoked.clone()), &late, at(ASKED + 6)).unwrap_err();
    assert_eq!(error, CaseError::Changed);
    let (asked_again, now) = Case::ask(Some(revoked.clone()), &question("create"), at(ASKED + 7));
    assert!(asked_again.is_none() && now.denied, "no is no");
    assert_eq!(Case::revoke(Some(revoked.clone()), "bob", at(ASKED + 8)), None);
    assert_eq!(Case::revoke(None, "bob", at(ASKED)), None);

    let reopened = decided(revoked, Verdict::Reopen, "create");
    assert!(said(&reopened, "create").unasked);
    let (case, now) = Case::ask(Some(reopened), &question("create"), at(ASKED + 9));
    assert!(case.is_some() && now.waiting);
}

#[test]
fn what_nobody_answers_is_over_after_a_week() {
    let case = asked("create");
    let over = at(ASKED).after(LIFETIME);
    assert_eq!(case.kept_until(), Some(over));
    assert!(!case.is_waiting(over));
    let before = case.said(&client("app"), true, &permissions("create"), at(over.as_unix() - 1));
    assert!(before.waiting);
    assert!(case.said(&client("app"), true, &permissions("create"), over).unasked);
    let (again, now) = Case::ask(Some(case.clone()), &question("create"), over);
    assert!(now.waiting);
    assert_eq!(again.unwrap().entries().len(), 1, "what was over is gone");
}

#[test]
fn only_what_was_approved_is_kept_for_good() {
    let approved = decided(asked("create"), Verdict::Approve, "create");
    assert_eq!(approved.kept_until(), None);
    let revoked = Case::revoke(Some(approved), "bob", at(ASKED + 2)).unwrap();
    assert_eq!(revoked.kept_until(), None, "what was approved once, too");

    let remembered = |seconds| Some(at(seconds).after(REMEMBERED));
    let denied = decided(asked("create"), Verdict::Deny, "create");
    assert!(!denied.is_open(at(ASKED)) && asked("create").is_open(at(ASKED)));
    assert_eq!(denied.kept_until(), remembered(ASKED + 1));
    let reopened = decided(denied, Verdict::Reopen, "create");
    assert_eq!(reopened.kept_until(), remembered(ASKED + 1), "nothing is left of it");
    let revoked = Case::revoke(Some(asked("create")), "bob", at(ASKED + 2)).unwrap();
    assert_eq!(revoked.kept_until(), remembered(ASKED + 2));

    // Nothing that still waits is forgotten with what was denied.
    let late = at(ASKED).after(REMEMBERED);
    let denied = decided(asked("create"), Verdict::Deny, "create");
    let (case, said) = Case::ask(Some(denied), &question("create view"), late);
    assert!(said.denied && said.waiting);
    assert_eq!(case.unwrap().kept_until(), Some(late.after(LIFETIME)));
}

#[test]
fn a_case_is_bounded() {
    let mut case = None;
    for number in 0..=MAX_ENTRIES {
        let question = Question { client: client(&format!("app{number}")), ..question("create") };
        let (changed, said) = Case::ask(case.clone(), &question, at(ASKED));
        assert_eq!(said.unasked, number == MAX_ENTRIES, "{number}");
        case = changed.or(case);
    }
    let case = case.unwrap();
    assert_eq!((case.entries().len(), case.history().len()), (MAX_ENTRIES, MAX_QUESTIONS));
}

/// Clients ask one by one for more scopes of a resource than a permission names.
fn asked_for_65_scopes() -> Case {
    let ask = |case, number: usize| {
        Case::ask(case, &question(&format!("scope-{number:02}")), at(ASKED)).0
    };
    (0..=MAX_SCOPES).fold(None, ask).unwrap()
}

fn first_64_scopes() -> Vec<Permission> {
    let scopes: Vec<_> = (0..MAX_SCOPES).map(|number| format!("scope-{number:02}")).collect();
    permissions(&scopes.join(" "))
}

#[test]
fn of_what_waits_at_a_resource_64_scopes_are_named() {
    let case = asked_for_65_scopes();
    assert_eq!(case.entries().len(), MAX_SCOPES + 1);
    assert_eq!(case.waiting(at(ASKED)), first_64_scopes());
}

#[test]
fn what_is_revoked_is_denied_whether_the_history_names_it_or_not() {
    let revoked = Case::revoke(Some(asked_for_65_scopes()), "bob", at(ASKED + 1)).unwrap();
    assert_eq!(revoked.entries().len(), MAX_SCOPES + 1);
    assert!(revoked.entries().iter().all(|entry| entry.standing == Standing::Denied));
    assert_eq!(revoked.history().last().unwrap().permissions, first_64_scopes());
    let stored = serde_json::to_vec(&revoked).unwrap();
    assert_eq!(serde_json::from_slice::<Case>(&stored).unwrap(), revoked);
}

#[test]
fn a_case_survives_its_store() {
    let more = Verdict::AskMore(BTreeSet::from(["department".to_owned()]));
    let case = decided(decided(asked("view create"), more, "view"), Verdict::Deny, "create");
    let stored = serde_json::to_vec(&case).unwrap();
    assert_eq!(serde_json::from_slice::<Case>(&stored).unwrap(), case);
}

#[test]
fn a_person_is_issuer_subject_and_address() {
    let id = PersonId::of(&alice(&json!({})));
    assert_eq!(PersonId::parse(&id.to_string()), Some(id));
    assert_eq!(id, PersonId::of(&alice(&json!({"department": "research"}))));
    for (iss, sub, email) in [
        ("https://sts.b.example", "1", "alice@a.example"),
        ("https://sts.a.example", "2", "alice@a.example"),
        ("https://sts.a.example", "1", "eve@a.example"),
    ] {
        let other = Person {
            iss: Issuer::parse(iss).unwrap(),
            sub: sub.to_owned(),
            email: EmailAddress::parse(email).unwrap(),
            ..alice(&json!({}))
        };
        assert_ne!(PersonId::of(&other), id);
    }
}

#[test]
fn so_many_tickets_wait_and_no_more() {
    let digest = |number: usize| Digest::of(&number.to_be_bytes());
    let none = digest(usize::MAX);
    let mut case = asked("create");
    let mut wait = |name: String, present, ticket, presented: &Digest| {
        let (next, forgotten) = case.clone().wait(&client(&name), present, ticket, presented);
        assert_eq!(next.revision(), case.revision());
        case = next;
        forgotten
    };
    let app = || "app".to_owned();
    for number in 0..MAX_WAITING {
        assert!(wait(app(), true, digest(number), &none).is_empty());
        assert!(wait(app(), false, digest(100 + number), &none).is_empty());
    }
    // A poll takes the place of its ticket; a new request that of the oldest.
    assert!(wait(app(), true, digest(10), &digest(0)).is_empty());
    assert_eq!(wait(app(), true, digest(11), &none), [digest(1)]);
    assert_eq!(
        wait(app(), true, digest(12), &digest(1)),
        [digest(2)],
        "what is forgotten is new again"
    );
    // However many clients there are.
    let mut forgotten = 0;
    for number in 0..MAX_WAITING_IN_ALL {
        forgotten += wait(format!("app{number}"), true, digest(1000 + number), &none).len();
    }
    assert_eq!(forgotten, 2 * MAX_WAITING);
}

/// What rules let somebody in to is asked no more, of whom they let in and as far as they do; what
/// the owner said stays as it is.
#[test]
fn what_rules_decide_waits_for_the_owner_no_more() {
    use crate::policy::Reason;
    use crate::rpt::Held;
    let held = |scopes: &str| -> Vec<Held> {
        let held = scopes.split(' ').map(|scope| Held {
            resource_id: ResourceId::parse("inbox").unwrap(),
            scope: scope.to_owned(),
            why: vec![Reason::Policy("letters".to_owned())],
            approved: false,
        });
        held.collect()
    };
    let case = decided(asked("get put post"), Verdict::Deny, "post");
    let (app, now) = (client("app"), at(ASKED + 2));
    let let_in =
        |by: (&ClientId, bool), held: &[Held], now| Case::let_in(Some(case.clone()), by, held, now);
    assert_eq!(let_in((&client("mail"), true), &held("get"), now), None, "another client");
    assert_eq!(let_in((&app, false), &held("get"), now), None, "an agent");
    assert_eq!(let_in((&app, true), &held("post"), now), None, "the owner denied it");
    let approved: Vec<_> =
        held("get").into_iter().map(|it| Held { approved: true, ..it }).collect();
    assert_eq!(let_in((&app, true), &approved, now), None, "the owner's own word");
    assert_eq!(let_in((&app, true), &held("get"), at(ASKED).after(LIFETIME)), None, "over");

    let case = let_in((&app, true), &held("get post"), now).unwrap();
    assert_eq!(case.waiting(now), permissions("put"));
    let event = case.history().last().unwrap();
    assert_eq!((&event.what, &event.by), (&Happened::Ruled, &None));
    assert_eq!(
        (&event.permissions, &*event.why),
        (&permissions("get"), &["letters".to_owned()][..])
    );
    assert!(said(&case, "get").unasked && said(&case, "post").denied);
    let case = Case::let_in(Some(case), (&app, true), &held("put"), now).unwrap();
    assert!(!case.is_open(now) && case.kept_until().is_some());
    assert_eq!(Case::let_in(Some(case), (&app, true), &held("get put"), now), None, "once");
    assert_eq!(Case::let_in(None, (&app, true), &held("get"), now), None);
}
