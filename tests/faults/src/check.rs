//! Compares what was acknowledged with the server that came back.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use http::{Method, StatusCode};

use crate::Report;
use crate::history::{History, Resource, Ticket};
use crate::http::{Answer, Content, NoAnswer, send};
use crate::load::{Presented, Worker, present, ticket_form};

/// Checks everything the clients were told. What then is certain replaces what was possible.
pub async fn all(
    server: SocketAddr,
    workers: &mut [Worker],
    history: &mut History,
    report: &mut Report,
) {
    let mut known = BTreeSet::new();
    let mut any_pat = None;
    for worker in workers.iter_mut() {
        history.registered += std::mem::take(&mut worker.registered);
        for mut ticket in std::mem::take(&mut worker.tickets) {
            check_ticket(server, &mut ticket, report).await;
            history.spent += ticket.successes as usize;
        }
        known.extend(worker.resources.keys().cloned());
        for pat in worker.known_pats() {
            check_pat(server, pat, report).await;
        }
        match worker.pat_to_check(server).await {
            Some(pat) => {
                check_resources(server, &pat, worker, report).await;
                any_pat = Some(pat);
            }
            None => report.violations.push("no PAT is to be had".to_owned()),
        }
    }
    if let Some(pat) = any_pat {
        check_list(server, &pat, workers, &known, report).await;
    }
}

/// What was accepted is refused now; what may have been accepted is accepted once at most.
async fn check_ticket(server: SocketAddr, ticket: &mut Ticket, report: &mut Report) {
    let form = ticket_form(&ticket.handle);
    let attempts = if ticket.successes == 0 { 2 } else { 1 };
    for _ in 0..attempts {
        match present(server, &form).await.map(|answer| Presented::of(&answer)) {
            Ok(Presented::Accepted(_)) => ticket.successes += 1,
            Ok(Presented::Refused) => {}
            Ok(Presented::Other(answer)) => report.violations.push(answer),
            Err(error) => report.violations.push(format!("presenting a ticket: {error:?}")),
        }
    }
    if ticket.successes > 1 {
        report.violations.push("a spent ticket came back".to_owned());
    }
}

/// A PAT is good, whatever comes of what is asked with it.
async fn check_pat(server: SocketAddr, pat: &str, report: &mut Report) {
    report.pats += 1;
    match get(server, pat, "/resources/none").await {
        Ok(answer) if answer.status == StatusCode::NOT_FOUND => {}
        other => report.violations.push(format!("an acknowledged PAT is not good: {other:?}")),
    }
}

/// Each resource is what it was acknowledged to be. The PAT was acknowledged, too.
async fn check_resources(server: SocketAddr, pat: &str, worker: &mut Worker, report: &mut Report) {
    let mut gone = Vec::new();
    for (id, resource) in &mut worker.resources {
        match get(server, pat, &format!("/resources/{id}")).await {
            Ok(answer) => judge(id, resource, &answer, report),
            Err(error) => report.violations.push(format!("reading {id}: {error:?}")),
        }
        if !resource.may_be_there {
            gone.push(id.clone());
        }
    }
    for id in gone {
        worker.resources.remove(&id);
    }
}

fn judge(id: &str, resource: &mut Resource, answer: &Answer, report: &mut Report) {
    let name = match answer.status {
        StatusCode::OK => answer.text("name"),
        StatusCode::NOT_FOUND => None,
        _ => {
            report.violations.push(format!("reading {id}: {answer:?}"));
            return;
        }
    };
    if let Some(wrong) = resource.judge(name) {
        report.violations.push(format!("{id}: {wrong}: {name:?}, of {resource:?}"));
    }
    match name {
        Some(name) => *resource = Resource::registered(name.to_owned()),
        None => resource.may_be_there = false,
    }
}

/// The other way round: the list has what is there. What nobody knows was registered without
/// an answer; it is deleted, so that it does not fill the resource server's share.
async fn check_list(
    server: SocketAddr,
    pat: &str,
    workers: &[Worker],
    known: &BTreeSet<String>,
    report: &mut Report,
) {
    let listed: BTreeSet<String> = match get(server, pat, "/resources").await {
        Ok(answer) if answer.status == StatusCode::OK => {
            serde_json::from_value(answer.body).unwrap_or_default()
        }
        other => {
            report.violations.push(format!("listing: {other:?}"));
            return;
        }
    };
    for id in workers.iter().flat_map(|worker| worker.resources.keys()) {
        if !listed.contains(id) {
            report.violations.push(format!("{id} is not listed"));
        }
    }
    for id in listed.difference(known) {
        let content = Content { authorization: pat, media_type: "text/plain", body: "" };
        let deleted = send(server, Method::DELETE, &format!("/resources/{id}"), content).await;
        if !deleted.as_ref().is_ok_and(|answer| answer.status == StatusCode::NO_CONTENT) {
            report.violations.push(format!("deleting {id}: {deleted:?}"));
        }
    }
}

async fn get(server: SocketAddr, pat: &str, path: &str) -> Result<Answer, NoAnswer> {
    let content = Content { authorization: pat, media_type: "text/plain", body: "" };
    send(server, Method::GET, path, content).await
}
