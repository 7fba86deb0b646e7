//! From somebody who signed in elsewhere to their account here.

use std::sync::Arc;

use countersign_oidc::Through;
use countersign_store::linked_identities::Linked;
use countersign_store::{StoreError, finish};
use countersign_types::digest::Digest;
use countersign_types::replay::Seen;
use countersign_types::{EmailAddress, Issuer, Timestamp, random};
use serde_json::Map;

use super::accounts::ImportedAccount;
use super::error::BrokerError;
use super::upstream::{Arrived, Upstream};
use super::{Known, Link};
use crate::app::Sts;
use crate::form_token::{self, Arrival};
use crate::sessions::Means;
use crate::users::User;

/// Where somebody who came back has got to.
pub(super) enum Outcome {
    /// They are signed in.
    SignedIn(Arc<User>, Means),
    /// Their address belongs to an account here already: they are asked.
    Ask(Arrival, EmailAddress),
    /// They are somebody else than the client means.
    NotExpected,
}

/// Finds the account of somebody who signed in at a provider: by the link of (`iss`, `sub`) and by
/// nothing else. Whoever has none gets an account, unless their address belongs to one. [OpenID
/// Connect Core §5.7]
///
/// [OpenID Connect Core §5.7]: https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability
pub(super) async fn federate(
    sts: &Arc<Sts>,
    known: &Known,
    upstream: &Upstream,
    expected: Option<&str>,
    arrived: &Arrived,
    now: Timestamp,
) -> Result<Outcome, BrokerError> {
    let issuer = &upstream.setup.issuer;
    // Once more if the account was taken away since the last time: its link has ended then.
    for _ in 0..2 {
        let linked = match sts.linked.find(issuer, &arrived.sub).await? {
            Some(linked) => linked,
            None => {
                let asked = to_be_asked(sts, known, arrived).await?;
                // Whoever is not meant makes no account here, nor links one.
                let is_meant = |user: &User| expected.is_none_or(|subject| subject == user.subject);
                match asked {
                    Some((user, address)) if is_meant(&user) => {
                        return Ok(Outcome::Ask(arrived.arrival(upstream), address));
                    }
                    None if expected.is_none() => {}
                    _ => return Ok(Outcome::NotExpected),
                }
                import(sts, known, upstream, arrived, now).await?
            }
        };
        if expected.is_some_and(|subject| subject != linked.subject) {
            return Ok(Outcome::NotExpected);
        }
        let Linked { subject, record: link } = linked;
        if link.imported || has_the_word(sts, issuer, &arrived.sub, &subject).await? {
            let account = account(upstream, arrived, &subject);
            if !known.accounts.refresh(&account).await? {
                sts.linked.remove(issuer, &arrived.sub, &subject).await?;
                continue;
            }
        }
        let user = sts.user(&subject).await?.ok_or(BrokerError::Account)?;
        tracing::info!(
            target: "countersign::audit",
            upstream = %upstream.setup.alias,
            upstream_subject = ?arrived.sub,
            subject,
            "a person signed in through another provider",
        );
        return Ok(Outcome::SignedIn(user, means(upstream, arrived, link, now)));
    }
    Err(BrokerError::Account)
}

/// Whether the word on the account has come to this identity. Links of former versions do not say
/// that it may.
async fn has_the_word(
    sts: &Sts,
    issuer: &Issuer,
    sub: &str,
    subject: &str,
) -> Result<bool, StoreError> {
    // As the account is kept: whoever has said nothing yet may be somebody who is not let in.
    let user = sts.user_as_kept(subject).await?;
    let origin = user.as_ref().and_then(|user| user.origin.as_ref());
    Ok(origin.is_some_and(|it| it.issuer == *issuer && it.sub == sub))
}

/// An address that an account here has is never enough to be taken for its person: they are asked,
/// if they can prove that they are.
async fn to_be_asked(
    sts: &Sts,
    known: &Known,
    arrived: &Arrived,
) -> Result<Option<(Arc<User>, EmailAddress)>, BrokerError> {
    let Some(email) = &arrived.profile.email else { return Ok(None) };
    let address: &EmailAddress = email.address();
    match sts.user_named(address.as_str()).await? {
        Some(user) if user.password.is_some() => Ok(Some((user, address.clone()))),
        Some(_) => Err(BrokerError::Taken),
        // Whoever is disabled does not come back as somebody new.
        None if known.accounts.has(address).await? => Err(BrokerError::Account),
        None => Ok(None),
    }
}

/// Makes an account, and links it, whoever waits for it. Of simultaneous first logins one links,
/// and all get its account.
async fn import(
    sts: &Arc<Sts>,
    known: &Known,
    upstream: &Upstream,
    arrived: &Arrived,
    now: Timestamp,
) -> Result<Linked<Link>, BrokerError> {
    let subject = random::identifier(sts.random.as_ref());
    let bare = ImportedAccount { email: None, ..account(upstream, arrived, &subject) };
    let record = link(sts, upstream, &arrived.arrival(upstream), true, now);
    let linked = Linked { subject, record };
    let (sts, accounts) = (Arc::clone(sts), Arc::clone(&known.accounts));
    finish(async move {
        // First the account, without the address: what fails in between leaves an account that
        // nobody gets into and that is in nobody's way.
        accounts.make(&bare).await?;
        let Link { issuer, sub, .. } = &linked.record;
        if sts.linked.insert_new(issuer, sub, &linked).await? {
            tracing::info!(
                target: "countersign::audit",
                upstream = %bare.alias,
                upstream_subject = ?sub,
                subject = linked.subject,
                "an account was made for a person of another provider",
            );
            return Ok(linked);
        }
        accounts.forget(&linked.subject).await?;
        sts.linked.find(issuer, sub).await?.ok_or(BrokerError::Account)
    })
    .await
}

/// Links an account that was here before; `false` if the identity is linked to another one.
pub(super) async fn link_to(
    sts: &Sts,
    upstream: &Upstream,
    arrival: &Arrival,
    user: &User,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let subject = user.subject.as_str();
    let record = link(sts, upstream, arrival, user.origin.is_some(), now);
    let linked = Linked { subject: subject.to_owned(), record };
    let issuer = &upstream.setup.issuer;
    if !sts.linked.insert_new(issuer, &arrival.sub, &linked).await? {
        // The same answer to two pages is one.
        let known = sts.linked.find(issuer, &arrival.sub).await?;
        return Ok(known.is_some_and(|known| known.subject == subject));
    }
    tracing::info!(
        target: "countersign::audit",
        upstream = %arrival.alias,
        upstream_subject = ?arrival.sub,
        subject,
        "a person linked their account to another provider",
    );
    Ok(true)
}

/// Whether a yes is the first to its page. A later one would make again what was ended meanwhile.
pub(super) async fn is_first_yes(sts: &Sts, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let key = Digest::of_parts(&[b"confirm_link", id.as_bytes()]);
    let seen = sts.replay.insert_new(key, now.after(form_token::LIFETIME)).await?;
    Ok(seen == Seen::First)
}

fn link(sts: &Sts, upstream: &Upstream, arrival: &Arrival, imported: bool, now: Timestamp) -> Link {
    Link {
        id: random::identifier(sts.random.as_ref()),
        issuer: upstream.setup.issuer.clone(),
        sub: arrival.sub.clone(),
        label: arrival.label.clone(),
        imported,
        since: now,
    }
}

fn account(upstream: &Upstream, arrived: &Arrived, subject: &str) -> ImportedAccount {
    let (setup, profile) = (&upstream.setup, &arrived.profile);
    ImportedAccount {
        subject: subject.to_owned(),
        username: username(upstream, &profile.label),
        name: profile.name.clone(),
        email: profile.email.clone(),
        claims: profile.claims.clone(),
        required: profile.required.clone(),
        alias: setup.alias.clone(),
        issuer: setup.issuer.clone(),
        sub: arrived.sub.clone(),
    }
}

/// What is known of a person whose word on themselves passes to the provider of a link: nothing,
/// until they sign in there.
pub(super) fn entrusted(upstream: &Upstream, link: &Link, subject: &str) -> ImportedAccount {
    ImportedAccount {
        subject: subject.to_owned(),
        username: username(upstream, &link.label),
        name: None,
        email: None,
        claims: Map::new(),
        required: Map::new(),
        alias: upstream.setup.alias.clone(),
        issuer: link.issuer.clone(),
        sub: link.sub.clone(),
    }
}

/// No account's own name has a colon, so that nobody comes here under somebody's name.
fn username(upstream: &Upstream, label: &str) -> String {
    format!("{}:{label}", upstream.setup.alias)
}

/// What the provider calls somebody, out of such a user name.
pub(super) fn label(username: &str) -> &str {
    username.split_once(':').map_or(username, |(_, label)| label)
}

/// How they signed in: what the provider says, as far as it is believed.
fn means(upstream: &Upstream, arrived: &Arrived, link: Link, now: Timestamp) -> Means {
    Means {
        auth_time: arrived.auth_time.map(|moment| moment.min(now)),
        acr: arrived.profile.acr.clone(),
        amr: arrived.profile.amr.clone(),
        through: Some(Through {
            issuer: upstream.setup.issuer.clone(),
            sub: arrived.sub.clone(),
            link: link.id,
        }),
    }
}
