//! Before an authorization server learns the person's address for the first time, the person is
//! asked. What they said yes to is kept, in a file beside the sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use countersign_client::{ApproveAudience, NewAudience, Person};
use countersign_fetch::request::BoxFuture;
use countersign_types::Issuer;
use serde::{Deserialize, Serialize};

use crate::failure::{Code, Failure, one_line};
use crate::output::Output;
use crate::session::{read, write_private};

const VERSION: u32 = 1;

/// The name of the file.
const FILE: &str = "approved.json";

/// Which servers may know whose address.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Approved {
    version: u32,
    /// By person, as `issuer subject` or `issuer address`.
    people: BTreeMap<String, BTreeSet<Issuer>>,
}

impl Default for Approved {
    fn default() -> Self {
        Self { version: VERSION, people: BTreeMap::new() }
    }
}

impl Approved {
    fn load(path: &Path) -> Result<Self, Failure> {
        let unusable = |reason: String| {
            Failure::new(Code::Configuration, format!("{}: {reason}", path.display()))
        };
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unusable(error.to_string())),
        };
        let approved: Self = serde_json::from_str(&text).map_err(|error| {
            unusable(format!("not a file of approvals (line {})", error.line()))
        })?;
        if approved.version != VERSION {
            return Err(unusable(format!("written by another version ({})", approved.version)));
        }
        Ok(approved)
    }

    fn has(&self, person: &str, server: &Issuer) -> bool {
        self.people.get(person).is_some_and(|servers| servers.contains(server))
    }
}

/// Asks whoever sits at the terminal, once for each person and server; nobody there means no.
pub(super) struct AskOnce<A> {
    path: PathBuf,
    /// Whose word for the people counts, so that their identifiers are its own.
    provider: Issuer,
    out: Output,
    /// Puts a question to whoever sits there.
    ask: A,
}

impl<A: Fn(&str) -> Option<bool> + Send + Sync> AskOnce<A> {
    /// What was approved for people of `provider` is kept beside the file of sessions.
    ///
    /// # Errors
    /// What was approved before cannot be read.
    pub(super) fn beside(
        sessions: &Path,
        provider: Issuer,
        out: Output,
        ask: A,
    ) -> Result<Self, Failure> {
        let path = sessions.with_file_name(FILE);
        Approved::load(&path)?;
        Ok(Self { path, provider, out, ask })
    }

    fn approves(&self, new: &NewAudience) -> Result<bool, Failure> {
        let mut approved = Approved::load(&self.path)?;
        let (called, address) = match &new.person {
            Person::Subject(sub) => (sub.clone(), "your verified e-mail address".to_owned()),
            Person::SubjectAndEmail(sub, email) => {
                (sub.clone(), format!("your verified e-mail address, {email}"))
            }
            Person::Email(email) => (email.to_string(), format!("the e-mail address {email}")),
        };
        let person = format!("{} {called}", self.provider);
        if approved.has(&person, &new.audience) {
            return Ok(true);
        }
        let question = format!(
            "{} wants {} to know {address}. Send it, now and later?",
            new.resource, new.audience
        );
        let question = one_line(&question);
        match (self.ask)(&question) {
            Some(true) => {}
            Some(false) => return Ok(false),
            None => {
                self.out.remark("there is no terminal to ask you at");
                return Ok(false);
            }
        }
        let servers = approved.people.entry(person).or_default();
        servers.insert(new.audience.clone());
        let text = serde_json::to_vec_pretty(&approved)
            .map_err(|error| Failure::internal("the approval was not kept", error))?;
        write_private(&self.path, &text).map_err(|error| {
            Failure::internal(format!("{} was not written", self.path.display()), error)
        })?;
        Ok(true)
    }
}

impl<A: Fn(&str) -> Option<bool> + Send + Sync> ApproveAudience for AskOnce<A> {
    fn approve<'a>(&'a self, new: &'a NewAudience) -> BoxFuture<'a, bool> {
        // A question at a terminal holds up nothing but this command.
        let answer = self.approves(new).unwrap_or_else(|failure| {
            self.out.remark(&failure.line());
            false
        });
        Box::pin(std::future::ready(answer))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use countersign_types::{EmailAddress, ResourceIdentifier};
    use tempfile::TempDir;

    use super::*;

    fn new(person: &str, audience: &str) -> NewAudience {
        let person = EmailAddress::parse(person)
            .map_or_else(|_| Person::Subject(person.to_owned()), Person::Email);
        NewAudience {
            person,
            audience: Issuer::parse(audience).unwrap(),
            resource: ResourceIdentifier::parse("https://rs.bob.example").unwrap(),
        }
    }

    fn provider() -> Issuer {
        Issuer::parse("https://sts.alice.example").unwrap()
    }

    /// Asks about servers one after the other, each time as a new run of the program, and gives
    /// what came of it and how often somebody was asked.
    async fn runs(
        folder: &TempDir,
        says: Option<bool>,
        asked: &[(&str, &str)],
    ) -> (Vec<bool>, usize) {
        let sessions = folder.path().join("session.json");
        let questions = Mutex::new(0);
        let mut answers = Vec::new();
        for (person, server) in asked {
            let ask = |question: &str| {
                let is_about_another = question.contains("the e-mail address alice@alice.example");
                assert_eq!(is_about_another, person.contains('@'), "{question}");
                assert_eq!(question.contains("your"), !person.contains('@'), "{question}");
                *questions.lock().unwrap() += 1;
                says
            };
            let out = Output::new(true, false);
            let once = AskOnce::beside(&sessions, provider(), out, ask).unwrap();
            answers.push(once.approve(&new(person, server)).await);
        }
        let questions = *questions.lock().unwrap();
        (answers, questions)
    }

    const BOB: &str = "https://uma.bob.example";

    #[tokio::test]
    async fn a_yes_is_for_one_server_and_one_person_and_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let asked = [
            ("a", BOB),
            ("a", BOB),
            ("a", "https://uma.olga.example"),
            ("b", BOB),
            ("alice@alice.example", BOB),
        ];
        assert_eq!(runs(&folder, Some(true), &asked).await, (vec![true; 5], 4));
        assert_eq!(runs(&folder, None, &asked).await, (vec![true; 5], 0), "nobody is asked again");
    }

    #[tokio::test]
    async fn a_no_is_for_now_and_no_terminal_is_a_no() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            runs(&folder, Some(false), &[("a", BOB), ("a", BOB)]).await,
            (vec![false; 2], 2)
        );
        assert_eq!(runs(&folder, None, &[("a", BOB)]).await, (vec![false], 1));
        assert!(!folder.path().join(FILE).exists());
    }

    #[test]
    fn a_damaged_file_stops_the_request_before_it_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for text in ["", "{", "{\"version\":2,\"people\":{}}", "{\"version\":1,\"people\":[]}"] {
            write_private(&path, text.as_bytes()).unwrap();
            let made = AskOnce::beside(
                &folder.path().join("s"),
                provider(),
                Output::new(true, false),
                |_: &str| None,
            );
            assert!(made.err().unwrap().line().contains(FILE), "{text}");
        }
    }
}
