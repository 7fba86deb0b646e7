//! A client that works on resources and tickets of its own, and remembers what it was told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use crate::deployment::{BASIC_CLIENT, BASIC_RESOURCE_SERVER, RESOURCE_IDENTIFIER};
use crate::history::{Resource, Resources, Ticket};
use crate::http::{Answer, Content, NoAnswer, send};

/// Resources a client keeps before it deletes: the server limits what one resource server has.
const RESOURCES: usize = 20;

/// A PAT is used so long, half of its life, and must be good all that time.
const PAT_AGE: Duration = Duration::from_secs(300);

/// Turns after which a client gets another PAT, so that some are issued right before a kill.
const PAT_TURNS: u64 = 4;

/// PATs a client keeps.
const PATS: usize = 8;

/// Times one process is carried on with a rotated ticket.
const ROTATIONS: usize = 2;

/// Attempts to spend one ticket at the same time.
const ATTEMPTS: usize = 3;

/// Tickets a client keeps for later.
const KEPT: usize = 10;

/// How long it keeps them: by then the server has them on its disk.
const KEPT_AGE: Duration = Duration::from_millis(1500);

/// One client.
#[derive(Debug)]
pub struct Worker {
    number: u32,
    turn: u64,
    /// As `Authorization` headers, the latest last.
    pats: VecDeque<(String, Instant)>,
    kept: VecDeque<Kept>,
    /// What it was told of its resources.
    pub resources: Resources,
    /// The tickets it presented since they were last checked.
    pub tickets: Vec<Ticket>,
    /// Requests without an answer.
    pub unanswered: u64,
    /// Registrations that were acknowledged since they were last counted.
    pub registered: usize,
    /// What must not be.
    pub violations: Vec<String>,
}

/// A ticket kept for later.
#[derive(Debug)]
struct Kept {
    handle: String,
    /// The resource it was obtained for: without it, it is good for nothing.
    resource: String,
    since: Instant,
    /// The server was killed since: a young ticket may be lost with it.
    may_be_lost: bool,
}

/// The server gives no more answers.
struct Gone;

impl Worker {
    /// A client that has done nothing yet.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self {
            number,
            turn: 0,
            pats: VecDeque::new(),
            kept: VecDeque::new(),
            resources: Resources::new(),
            tickets: Vec::new(),
            unanswered: 0,
            registered: 0,
            violations: Vec::new(),
        }
    }

    /// Works until there are no more answers.
    pub async fn run(mut self, server: SocketAddr, is_over: &AtomicBool) -> Self {
        for kept in &mut self.kept {
            kept.may_be_lost = true;
        }
        while !is_over.load(Ordering::Acquire) && self.turn(server).await.is_ok() {}
        self
    }

    /// A resource, a ticket for it, and what can be done with both.
    async fn turn(&mut self, server: SocketAddr) -> Result<(), Gone> {
        self.turn += 1;
        let pat = match self.turn % PAT_TURNS {
            0 => self.another_pat(server).await?,
            _ => self.pat(server).await?,
        };
        let id = self.register(server, &pat).await?;
        if self.turn.is_multiple_of(3) {
            self.replace(server, &pat, &id).await?;
        }
        let mut ticket = self.permission(server, &pat, &id).await?;
        for _ in 0..ROTATIONS {
            let Some(handle) = ticket else { break };
            ticket = self.spend(server, handle, false).await?;
        }
        self.keep_and_spend_later(server, &pat, &id).await?;
        if self.resources.len() > RESOURCES {
            let oldest = self.resources.iter().find(|(_, resource)| resource.may_be_there);
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                self.delete(server, &pat, &id).await?;
            }
        }
        Ok(())
    }

    /// Every PAT that was acknowledged and whose age does not excuse the server from knowing it.
    pub(crate) fn known_pats(&self) -> impl Iterator<Item = &str> {
        let young = |since: &Instant| since.elapsed() < PAT_AGE;
        self.pats.iter().filter(move |(_, since)| young(since)).map(|(pat, _)| pat.as_str())
    }

    /// The PAT as an `Authorization` header, for the checks.
    pub(crate) async fn pat_to_check(&mut self, server: SocketAddr) -> Option<String> {
        self.pat(server).await.ok()
    }

    /// The PAT as an `Authorization` header.
    async fn pat(&mut self, server: SocketAddr) -> Result<String, Gone> {
        let latest = self.known_pats().last().map(ToOwned::to_owned);
        match latest {
            Some(pat) => Ok(pat),
            None => self.another_pat(server).await,
        }
    }

    async fn another_pat(&mut self, server: SocketAddr) -> Result<String, Gone> {
        let form = "grant_type=client_credentials&scope=uma_protection";
        let answer = self.post_form(server, BASIC_RESOURCE_SERVER, form).await?;
        let Some(token) = self.expect(&answer, StatusCode::OK, "access_token") else {
            return Err(Gone);
        };
        let pat = format!("Bearer {token}");
        self.pats.push_back((pat.clone(), Instant::now()));
        if self.pats.len() > PATS {
            self.pats.pop_front();
        }
        Ok(pat)
    }

    async fn register(&mut self, server: SocketAddr, pat: &str) -> Result<String, Gone> {
        let name = self.name("new");
        let answer =
            self.json(server, Method::POST, "/resources", pat, &description(&name)).await?;
        let Some(id) = self.expect(&answer, StatusCode::CREATED, "_id") else { return Err(Gone) };
        self.registered += 1;
        if self.resources.insert(id.clone(), Resource::registered(name)).is_some() {
            self.violations.push(format!("the id {id} was given twice"));
        }
        Ok(id)
    }

    async fn replace(&mut self, server: SocketAddr, pat: &str, id: &str) -> Result<(), Gone> {
        let name = self.name("other");
        let body = description(&name);
        self.change(id, |resource| resource.names.push(name.clone()));
        let answer =
            self.json(server, Method::PUT, &format!("/resources/{id}"), pat, &body).await?;
        self.expect(&answer, StatusCode::OK, "_id");
        self.change(id, |resource| resource.names = vec![name]);
        Ok(())
    }

    async fn delete(&mut self, server: SocketAddr, pat: &str, id: &str) -> Result<(), Gone> {
        // After a deletion without an answer it may be gone already.
        let was_sure = self.resources.get(id).is_some_and(|resource| !resource.may_be_gone);
        self.change(id, |resource| resource.may_be_gone = true);
        let path = format!("/resources/{id}");
        let answer = self.json(server, Method::DELETE, &path, pat, "").await?;
        let is_gone = answer.status == StatusCode::NO_CONTENT
            || (!was_sure && answer.status == StatusCode::NOT_FOUND);
        if is_gone {
            self.change(id, |resource| resource.may_be_there = false);
        } else {
            self.violations.push(format!("deleting {id}: {answer:?}"));
        }
        Ok(())
    }

    async fn permission(
        &mut self,
        server: SocketAddr,
        pat: &str,
        id: &str,
    ) -> Result<Option<String>, Gone> {
        let body = json!({ "resource_id": id, "resource_scopes": ["get"] }).to_string();
        let answer = self.json(server, Method::POST, "/permission", pat, &body).await?;
        Ok(self.expect(&answer, StatusCode::CREATED, "ticket"))
    }

    /// Keeps a ticket, and spends one that was kept for long.
    async fn keep_and_spend_later(
        &mut self,
        server: SocketAddr,
        pat: &str,
        id: &str,
    ) -> Result<(), Gone> {
        if self.kept.len() < KEPT
            && let Some(handle) = self.permission(server, pat, id).await?
        {
            let (resource, since) = (id.to_owned(), Instant::now());
            self.kept.push_back(Kept { handle, resource, since, may_be_lost: false });
        }
        if self.kept.front().is_some_and(|kept| kept.since.elapsed() >= KEPT_AGE)
            && let Some(kept) = self.kept.pop_front()
        {
            let resource = self.resources.get(&kept.resource);
            let is_registered = resource.is_some_and(|resource| !resource.may_be_gone);
            self.spend(server, kept.handle, kept.may_be_lost || !is_registered).await?;
        }
        Ok(())
    }

    /// Presents a ticket, now and then several times at once; the ticket of the answer that
    /// accepted it.
    async fn spend(
        &mut self,
        server: SocketAddr,
        handle: String,
        may_be_refused: bool,
    ) -> Result<Option<String>, Gone> {
        let form = ticket_form(&handle);
        let attempts = if self.turn.is_multiple_of(4) { ATTEMPTS } else { 1 };
        let mut presenting = tokio::task::JoinSet::new();
        for _ in 0..attempts {
            let form = form.clone();
            presenting.spawn(async move { present(server, &form).await });
        }
        let mut ticket = Ticket { handle, successes: 0 };
        let (mut next, mut is_lost) = (None, false);
        while let Some(answer) = presenting.join_next().await {
            match answer.map(|answer| answer.map(|answer| Presented::of(&answer))) {
                Ok(Ok(Presented::Accepted(rotated))) => {
                    ticket.successes += 1;
                    next = Some(rotated);
                }
                Ok(Ok(Presented::Refused)) => {}
                Ok(Ok(Presented::Other(answer))) => {
                    self.violations.push(format!("presenting a ticket: {answer}"));
                }
                Ok(Err(NoAnswer::Malformed(answer))) => self.violations.push(answer),
                Ok(Err(NoAnswer::Lost)) => {
                    self.unanswered += 1;
                    is_lost = true;
                }
                Err(error) => self.violations.push(error.to_string()),
            }
        }
        if ticket.successes > 1 {
            self.violations.push(format!("a ticket was accepted {} times", ticket.successes));
        }
        if ticket.successes == 0 && !is_lost && !may_be_refused {
            self.violations.push("a good ticket was refused".to_owned());
        }
        self.tickets.push(ticket);
        if is_lost { Err(Gone) } else { Ok(next) }
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Resource)) {
        if let Some(resource) = self.resources.get_mut(id) {
            change(resource);
        }
    }

    fn name(&self, kind: &str) -> String {
        format!("{kind} {} of {}", self.turn, self.number)
    }

    /// The member of a good answer; any other answer is a violation.
    fn expect(&mut self, answer: &Answer, status: StatusCode, member: &str) -> Option<String> {
        let text = answer.text(member).filter(|_| answer.status == status);
        if text.is_none() {
            self.violations.push(format!("expected {status} with {member}: {answer:?}"));
        }
        text.map(ToOwned::to_owned)
    }

    async fn json(
        &mut self,
        server: SocketAddr,
        method: Method,
        path: &str,
        pat: &str,
        body: &str,
    ) -> Result<Answer, Gone> {
        let content = Content { authorization: pat, media_type: "application/json", body };
        let answer = send(server, method, path, content).await;
        self.answered(answer)
    }

    async fn post_form(
        &mut self,
        server: SocketAddr,
        authorization: &str,
        body: &str,
    ) -> Result<Answer, Gone> {
        let answer = send(server, Method::POST, "/token", form(authorization, body)).await;
        self.answered(answer)
    }

    fn answered(&mut self, answer: Result<Answer, NoAnswer>) -> Result<Answer, Gone> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(NoAnswer::Lost) => {
                self.unanswered += 1;
                Err(Gone)
            }
            Err(NoAnswer::Malformed(answer)) => {
                self.violations.push(answer);
                Err(Gone)
            }
        }
    }
}

/// What became of a ticket that was presented without claims.
pub(crate) enum Presented {
    /// It was good: `need_info` with the ticket that takes its place.
    Accepted(String),
    /// It is spent, or unknown.
    Refused,
    /// Neither, which must not be.
    Other(String),
}

impl Presented {
    pub(crate) fn of(answer: &Answer) -> Self {
        match (answer.status, answer.text("error"), answer.text("ticket")) {
            (StatusCode::FORBIDDEN, Some("need_info"), Some(ticket)) => {
                Self::Accepted(ticket.to_owned())
            }
            (StatusCode::BAD_REQUEST, Some("invalid_grant"), None) => Self::Refused,
            _ => Self::Other(format!("{answer:?}")),
        }
    }
}

/// Presents a ticket.
pub(crate) async fn present(server: SocketAddr, ticket_form: &str) -> Result<Answer, NoAnswer> {
    send(server, Method::POST, "/token", form(BASIC_CLIENT, ticket_form)).await
}

/// The token request for a ticket, without claims.
pub(crate) fn ticket_form(handle: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:uma-ticket")
        .append_pair("ticket", handle)
        .append_pair("resource", RESOURCE_IDENTIFIER)
        .finish()
}

const fn form<'a>(authorization: &'a str, body: &'a str) -> Content<'a> {
    Content { authorization, media_type: "application/x-www-form-urlencoded", body }
}

fn description(name: &str) -> String {
    json!({ "name": name, "resource_scopes": ["get"] }).to_string()
}
