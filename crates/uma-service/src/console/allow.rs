//! The authorization endpoint: a resource server asks a person whether it may protect something in
//! their name. [RFC 6749 §4.1], [RFC 7636], [UF §1.3]
//!
//! The person is asked each time, and sees which resource server it is and where the answer goes.
//! The request itself goes along with the form, sealed, and is checked once more when the answer
//! comes.
//!
//! [RFC 6749 §4.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1
//! [RFC 7636]: https://www.rfc-editor.org/rfc/rfc7636
//! [UF §1.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.1.3

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use countersign_oidc::authorize::{self, Registration};
use countersign_oidc::{AuthorizationError, AuthorizationRequest, CodeGrant, code, interaction};
use countersign_pages::page;
use countersign_store::{StoreError, finish};
use countersign_types::secret::AuthorizationCode;
use countersign_types::{ScopeSet, Timestamp, random};
use countersign_uma::Protection;
use countersign_uma::protection::{OwnerId, SCOPE};
use http::{HeaderMap, StatusCode, Uri};

use super::desk::{Desk, Visit};
use super::forms::{self, Form, Submitted};
use super::mandates::{LIFETIME, Mandate};
use super::refusal::Refusal;
use super::shell::Tab;
use super::views::MandatePage;

pub(super) async fn get(
    State(desk): State<Arc<Desk>>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let request = match check(&desk, &query).await? {
        Ok(request) => request,
        Err(response) => return Ok(*response),
    };
    // Somebody has to be asked: a client that wants nobody to be is told so.
    let now = desk.uma.seams.clock.now();
    if let Err(refused) = interaction::next(&request, None, now) {
        return Ok(page::see_other(&refused.location(desk.issuer())));
    }
    let visit = desk.enter(&headers, &uri, now).await?;
    let form = Form::Mandate { sid: visit.active.sid.clone(), query };
    let page = MandatePage {
        shell: desk.shell(&visit, Tab::Resources)?,
        server: request.client_id.to_string(),
        destination: page::origin(&request.redirect_uri),
        owners: visit.active.owners.iter().map(ToString::to_string).collect(),
        action: desk.console.authorization.as_url().path().to_owned(),
        form_token: desk.seal(&form, &visit)?,
    };
    let leads = format!("'self' {}", page::form_action(&request.redirect_uri));
    Ok(desk.show_leading(StatusCode::OK, page, &visit, &leads))
}

/// A request of a resource server that may ask people, or the answer that it gets instead.
async fn check(
    desk: &Desk,
    query: &str,
) -> Result<Result<AuthorizationRequest, Box<Response>>, Refusal> {
    let received = authorize::read(query.as_bytes()).map_err(|_| Refusal::Malformed)?;
    let id = received.client_id().clone();
    let scopes = ScopeSet::from_tokens([SCOPE]).unwrap_or_default();
    let known = match desk.console.people.get(&id) {
        Some(redirect_uris) if desk.uma.resource_server(&id).await?.is_some() => {
            Some(Registration {
                client_id: &id,
                redirect_uris,
                scopes: &scopes,
                authorization_code: true,
                // A PAT is for this server.
                resources: &[desk.issuer().as_str()],
            })
        }
        _ => None,
    };
    match received.check(known) {
        // The person is asked each time, and by the session that they have; nothing is bound to a
        // key.
        Ok(request)
            if request.wishes.sign_in()
                || request.wishes.select_account()
                || request.wishes.max_age().is_some()
                || request.dpop_jkt.is_some() =>
        {
            let refused = request.not_offered().location(desk.issuer());
            Ok(Err(Box::new(page::see_other(&refused))))
        }
        Ok(request) => Ok(Ok(request)),
        Err(AuthorizationError::Page(_)) => Err(Refusal::Malformed),
        Err(AuthorizationError::Redirect(refused)) => {
            Ok(Err(Box::new(page::see_other(&refused.location(desk.issuer())))))
        }
    }
}

pub(super) async fn post(
    State(desk): State<Arc<Desk>>,
    request: Request,
) -> Result<Response, Refusal> {
    let Submitted { params, form, visit, .. } = forms::read(&desk, request, &[]).await?;
    let Form::Mandate { query, .. } = form else { return Err(Refusal::NotOurs) };
    let request = match check(&desk, &query).await? {
        Ok(request) => request,
        Err(response) => return Ok(*response),
    };
    match params.get("decision") {
        Some("allow") => {}
        Some("deny") => {
            return Ok(page::see_other(&request.denied().location(desk.issuer())));
        }
        _ => return Err(Refusal::Malformed),
    }
    let owner = params.get("owner").and_then(|owner| OwnerId::parse(owner).ok());
    let owner = owner.filter(|owner| visit.active.owners.contains(owner));
    let owner = owner.ok_or(Refusal::Malformed)?;
    allow(&desk, request, owner, visit).await
}

/// Keeps what the person allowed with a fresh code for it, and sends the browser back with the
/// code.
async fn allow(
    desk: &Arc<Desk>,
    request: AuthorizationRequest,
    owner: OwnerId,
    Visit { active, now, .. }: Visit,
) -> Result<Response, Refusal> {
    let random = &*desk.uma.seams.random;
    let protection = Protection::new(owner, request.client_id.clone());
    let id = random::identifier(random);
    let mandate = Mandate { id, protection, by: active.identity, since: now };
    let code = AuthorizationCode::generate(random);
    let location = request.success_location(code.expose(), desk.issuer());
    let kept = CodeGrant {
        expires: now.after(code::LIFETIME),
        subject: mandate.protection.owner.to_string(),
        grant_id: mandate.id.clone(),
        request,
    };
    let desk = Arc::clone(desk);
    finish(async move { keep(&desk, &mandate, &code, &kept, now).await }).await?;
    Ok(page::see_other(&location))
}

/// Keeps what was allowed, with the code for it, in the place of the oldest of the kind if there
/// are too many. The caller sees to it that this runs to its end.
async fn keep(
    desk: &Desk,
    mandate: &Mandate,
    code: &AuthorizationCode,
    kept: &CodeGrant,
    now: Timestamp,
) -> Result<(), StoreError> {
    let owner = mandate.protection.owner.as_str();
    // It is over with its code, unless that is redeemed.
    desk.console.mandates.insert(owner, &mandate.id, mandate, kept.expires).await?;
    // As long as the mandate can be, so that a code that is shown again ends it.
    let client = &mandate.protection.resource_server;
    desk.uma.codes.issue(code, kept, client, now.after(LIFETIME)).await?;
    desk.console.make_room(mandate, now).await?;
    tracing::info!(
        target: "countersign::audit",
        %owner,
        resource_server = %client,
        mandate = %mandate.id,
        by = %mandate.by.label().escape_debug(),
        "an owner lets a resource server protect something in their name",
    );
    Ok(())
}
