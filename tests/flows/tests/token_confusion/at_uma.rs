//! The places of Bob's UMA server: what a client shows for an RPT, what a resource server is known
//! by, and what either asks about or gives back.

use std::sync::Arc;

use countersign_testkit::{keys, names};
use http::Method;
use serde_json::{Value, json};

use super::answers::{
    Answer, INVALID_GRANT, RQP, RS, asserted, is_active, judge, nothing_said, refreshed,
};
use super::doors::Door;
use super::of_bob;
use super::world::{Open, World, with};
use crate::acting::{ASSERTION_TYPE, jti};
use crate::bed::{Credentials, Form, Reply, challenge_of};

impl World {
    /// Goes to a place of the UMA server.
    pub(super) async fn open_at_uma(&self, door: Door) -> Open {
        let bed = &self.acting.bed;
        match door {
            Door::UmaAssertion | Door::AssertionAtUmaRevocation => {
                Open::for_jwt(self.own(names::UMA), Arc::clone(&self.acting.key))
            }
            Door::ClaimToken => {
                let ticket = bed.ticket().await;
                let right = with(&self.fresh(), &bed.claims(&ticket));
                let open = Open::for_jwt(right, Arc::new(keys::signing(keys::ES256_A)));
                Open { ticket: Some(ticket), ..open }
            }
            Door::Ticket => Open { ticket: Some(bed.ticket().await), ..Open::default() },
            _ => Open::default(),
        }
    }

    /// Offers a token there.
    pub(super) async fn offer_at_uma(&self, door: Door, open: Open, token: &str) -> Answer {
        let bed = &self.acting.bed;
        match door {
            Door::UmaAssertion => {
                let mut attempt = bed.attempt().await;
                attempt.form.credentials = Credentials::None;
                attempt.form.set("client_assertion", token);
                attempt.form.set("client_assertion_type", ASSERTION_TYPE);
                judge(&bed.redeem(&attempt).await, 200, (401, "invalid_client"))
            }
            Door::AssertionAtUmaRevocation => {
                asserted(bed, &bed.uma("revocation_endpoint").await, token).await
            }
            Door::ClaimToken => {
                let mut attempt = bed.attempt_with(open.ticket.as_deref().unwrap_or_default());
                attempt.form.set("claim_token", token);
                judge(&bed.redeem(&attempt).await, 200, (403, "need_info"))
            }
            Door::Ticket => self.redeem_ticket(token).await,
            Door::UmaCode => judge(&of_bob::redeem(bed, token).await, 200, INVALID_GRANT),
            Door::UmaRefresh => self.refresh_at_uma(token).await,
            Door::UmaRevocation => self.revoke_at_uma(open, token).await,
            Door::Introspection => {
                let pat = bed.pat(names::RS_CLIENT, names::RS_SECRET).await;
                let form = Form::new(&[("token", token)], Credentials::Bearer(pat));
                let reply = bed.post(&bed.uma("introspection_endpoint").await, &form).await;
                is_active(&reply)
            }
            Door::Pat => {
                let resources = bed.uma("resource_registration_endpoint").await;
                by_pat(&bed.json(Method::GET, &resources, token, &Value::Null).await, 200)
            }
            Door::PatAtPermission => {
                let asked = json!({ "resource_id": self.registered, "resource_scopes": ["get"] });
                let endpoint = bed.uma("permission_endpoint").await;
                by_pat(&bed.json(Method::POST, &endpoint, token, &asked).await, 201)
            }
            Door::PatAtIntrospection => {
                let form = Form::new(&[("token", "x")], Credentials::Bearer(token.to_owned()));
                by_pat(&bed.post(&bed.uma("introspection_endpoint").await, &form).await, 200)
            }
            _ => Answer::Odd("this is no place of the UMA server".to_owned()),
        }
    }

    async fn redeem_ticket(&self, ticket: &str) -> Answer {
        let bed = &self.acting.bed;
        let mut attempt = bed.attempt_with(ticket);
        attempt.claim("ticket_challenge", challenge_of(ticket));
        attempt.claim("jti", jti());
        let reply = bed.redeem(&attempt).await;
        match (reply.status, reply.error().as_str()) {
            // It is a good one, and Bob has not said yes.
            (403, "request_submitted") => Answer::Accepted,
            _ => judge(&reply, 200, INVALID_GRANT),
        }
    }

    /// A revocation by whoever might have it there, which ends what it is shown, or what came with
    /// it.
    async fn revoke_at_uma(&self, open: Open, token: &str) -> Answer {
        let bed = &self.acting.bed;
        let watched = open.watched.as_deref().unwrap_or(token);
        let (introspection, registration) = (
            bed.uma("introspection_endpoint").await,
            bed.uma("resource_registration_endpoint").await,
        );
        let pat = bed.pat(names::RS_CLIENT, names::RS_SECRET).await;
        let alive = async || {
            let form = Form::new(&[("token", watched)], Credentials::Bearer(pat.clone()));
            let as_rpt = is_active(&bed.post(&introspection, &form).await);
            let as_pat = bed.json(Method::GET, &registration, watched, &Value::Null).await;
            matches!(as_rpt, Answer::Accepted) || as_pat.status == 200
        };
        let before = alive().await;
        for client in [RQP, RS] {
            let form = Form::new(&[("token", token)], client);
            let reply = bed.post(&bed.uma("revocation_endpoint").await, &form).await;
            if let Answer::Odd(what) = nothing_said(&reply) {
                return Answer::Odd(what);
            }
        }
        if before && !alive().await { Answer::Accepted } else { Answer::Refused }
    }

    /// By whoever has refresh tokens there: an application for RPTs, a resource server for PATs and
    /// for nothing else.
    async fn refresh_at_uma(&self, token: &str) -> Answer {
        let bed = &self.acting.bed;
        let endpoint = bed.uma("token_endpoint").await;
        match refreshed(bed, &endpoint, token, RQP).await {
            Answer::Refused => {}
            other => return other,
        }
        let params = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let reply = bed.post(&endpoint, &Form::new(&params, RS)).await;
        match (reply.status, reply.error().as_str()) {
            (400, "unauthorized_client") => Answer::Refused,
            _ => judge(&reply, 200, INVALID_GRANT),
        }
    }
}

fn by_pat(reply: &Reply, accepted: u16) -> Answer {
    match (reply.status, reply.error().as_str()) {
        (403, "insufficient_scope") => Answer::Refused,
        _ => judge(reply, accepted, (401, "invalid_token")),
    }
}
