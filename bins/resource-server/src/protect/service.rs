//! From what is to be protected to a server.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_cedar::PolicyFiles;
use countersign_cedar::files::PolicyFileError;
use countersign_fetch::Fetch;
use countersign_host::Seams;
use countersign_host::server::{Limits, Served};
use countersign_resolver::{MetadataConfig, ServerMetadataCache};
use countersign_resource::identity_propagation::{self, Domains};
use countersign_resource::policy::{self, AccessPolicy, Audited, CedarAccess};
use countersign_resource::protect::ProtectError;
use countersign_resource::proxy::{CallerHeaders, ProxyLimits, Upstream};
use countersign_resource::{
    AccessTokens, Dpop, Identity, IdentityPropagation, IntrospectedTokens, Introspector, Mode,
    ProtectLayer, Proxy, ResourceDescription, ResourceServer, Routes, TicketLimit, server as uma,
};
use countersign_types::{Issuer, Lifetime, ResourceIdentifier};
use tower_layer::Layer as _;

use crate::kept::Kept;
use crate::source::NoteSource;

/// The longest request body unless configured otherwise, in octets.
pub const MAX_BODY: NonZeroUsize = NonZeroUsize::new(1 << 30).unwrap();

/// How long a connection lasts that is always busy: a body may take its time.
const CONNECTION: Duration = Duration::from_secs(3600);

/// A service, who may call it, and what they may do.
#[derive(Clone, Debug)]
pub struct Protection {
    /// Where the service is.
    pub service: Upstream,
    /// The service as tokens name it, which is also its URL to the outside.
    pub identifier: ResourceIdentifier,
    /// How callers prove who they are.
    pub callers: Callers,
    /// What becomes of tokens that are bound to a key.
    pub bound_tokens: BoundTokens,
    /// What a request needs.
    pub routes: Routes,
    /// The files of the policy that actions are decided by; none if no route names an action.
    pub policies: Vec<PathBuf>,
    /// How the service is told who calls.
    pub headers: CallerHeaders,
    /// The longest request body, in octets.
    pub max_body: NonZeroUsize,
}

/// What becomes of tokens that are bound to a key (DPoP). With UMA there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundTokens {
    /// Access tokens are refused, identity tokens taken: their proofs are noted anyway.
    Refused,
    /// They are taken with a proof of the key.
    Taken,
    /// And the proof has to carry a nonce of this server.
    TakenWithNonce,
}

/// How callers prove who they are.
#[derive(Clone, Debug)]
pub enum Callers {
    /// By self-contained access tokens of these issuers. Not empty.
    AccessTokens(Vec<Issuer>),
    /// By access tokens whose issuer is asked.
    Introspected {
        /// Whom, and as whom.
        introspector: Introspector,
        /// For how long an answer is believed.
        max_age: Lifetime,
    },
    /// By identity tokens, for people of these domains.
    IdentityPropagation(Domains),
    /// By what a UMA authorization server permits them.
    Uma {
        /// Who this server is there.
        identity: Box<Identity>,
        /// What is registered there.
        resources: Vec<ResourceDescription>,
        /// How many permission tickets one source is given within a minute.
        tickets_per_source: NonZeroU32,
    },
}

impl Callers {
    /// Whether some limit is one for each source.
    const fn are_told_apart_by_source(&self) -> bool {
        match self {
            Self::Introspected { .. } | Self::Uma { .. } => true,
            Self::AccessTokens(_) | Self::IdentityPropagation(_) => false,
        }
    }
}

/// Who is told of what a protection decides, beside the log; by default nobody.
#[derive(Clone, Default)]
pub struct Audits {
    /// Of every presentation of an identity token, with its checks.
    pub presentations: Option<Arc<dyn identity_propagation::Audit>>,
    /// Of every decision of the policy, with its rules.
    pub decisions: Option<Arc<dyn policy::Audit>>,
}

/// Why a protection cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtectionError {
    /// The policy.
    #[error("the policy cannot be used")]
    Policies(#[from] PolicyFileError),
    /// The rules and the callers make no layer.
    #[error("the layer cannot be made")]
    Layer(#[from] ProtectError),
    /// Nobody's tokens would be taken.
    #[error("no issuer of access tokens")]
    NoIssuer,
}

/// A protection that is ready: nothing was sent.
pub(crate) struct Protected {
    pub(crate) served: Served,
    /// The policy, to be read again.
    pub(crate) rules: Option<Arc<PolicyFiles>>,
    /// The UMA resource server, to register what it protects.
    pub(crate) server: Option<Arc<ResourceServer>>,
    pub(crate) limits: Limits,
}

impl Protection {
    /// Reads the files that it names, and puts layer and proxy together.
    pub(crate) fn compose(
        self,
        fetch: Arc<dyn Fetch>,
        kept: &Kept,
        seams: &Seams,
        audits: &Audits,
    ) -> Result<Protected, ProtectionError> {
        let rules = if self.policies.is_empty() {
            None
        } else {
            Some(Arc::new(PolicyFiles::open(policy::schema(&self.routes), self.policies)?))
        };
        let are_told_apart = self.callers.are_told_apart_by_source();
        let (mode, server) = mode(self.callers, &self.identifier, fetch, kept, seams, audits)?;
        let dpop = || Dpop::new(kept.used_proofs(seams));
        let mode = match self.bound_tokens {
            BoundTokens::Refused => mode,
            BoundTokens::Taken => mode.with_dpop(dpop()),
            BoundTokens::TakenWithNonce => {
                mode.with_dpop(dpop().with_nonces(Arc::clone(&seams.random)))
            }
        };
        let layer = match &rules {
            Some(rules) => {
                let mut policy: Arc<dyn AccessPolicy> =
                    Arc::new(CedarAccess::new(Arc::clone(rules)));
                if let Some(audit) = &audits.decisions {
                    policy = Arc::new(Audited::new(policy, Arc::clone(audit)));
                }
                ProtectLayer::with_policy(mode, self.routes, policy)?
            }
            None => ProtectLayer::new(mode, self.routes)?,
        };
        let limits = ProxyLimits::default();
        let proxy = Proxy::new(self.service, &self.identifier, self.headers, limits);
        let protected = layer.layer(proxy);
        let served = if are_told_apart {
            Served::by(NoteSource.layer(protected))
        } else {
            Served::by(protected)
        };
        let mut limits = Limits::default();
        limits.body_size = self.max_body.get();
        // The proxy bounds how long its service may take; a body is bounded by its pauses.
        limits.handler = CONNECTION;
        limits.connection = CONNECTION;
        Ok(Protected { served, rules, server, limits })
    }
}

fn mode(
    callers: Callers,
    identifier: &ResourceIdentifier,
    fetch: Arc<dyn Fetch>,
    kept: &Kept,
    seams: &Seams,
    audits: &Audits,
) -> Result<(Mode, Option<Arc<ResourceServer>>), ProtectionError> {
    let (clock, random) = (Arc::clone(&seams.clock), Arc::clone(&seams.random));
    let identifier = identifier.clone();
    Ok(match callers {
        Callers::AccessTokens(issuers) => {
            let mut issuers = issuers.into_iter();
            let first = issuers.next().ok_or(ProtectionError::NoIssuer)?;
            let tokens = AccessTokens::new(identifier, first, fetch, clock);
            (issuers.fold(tokens, AccessTokens::also_of).into(), None)
        }
        Callers::Introspected { introspector, max_age } => {
            let tokens = IntrospectedTokens::new(identifier, introspector, fetch, clock, random);
            (tokens.with_max_age(max_age).into(), None)
        }
        Callers::IdentityPropagation(domains) => {
            let proofs = kept.used_proofs(seams);
            let mut identities =
                IdentityPropagation::new(identifier, domains, fetch, clock, proofs);
            if let Some(audit) = &audits.presentations {
                identities = identities.with_audit(Arc::clone(audit));
            }
            (identities.into(), None)
        }
        Callers::Uma { identity, resources, tickets_per_source } => {
            let config = MetadataConfig::default();
            let metadata =
                ServerMetadataCache::new(Arc::clone(&fetch), Arc::clone(&clock), &config);
            let registrations = kept.registrations();
            let metadata = Arc::new(metadata);
            let seams = uma::Seams { metadata, fetch, clock, random, registrations };
            let server = Arc::new(ResourceServer::new(*identity, resources, seams));
            let limit = TicketLimit::new(tickets_per_source);
            (Mode::from(Arc::clone(&server)).with_ticket_limit(limit), Some(server))
        }
    })
}
