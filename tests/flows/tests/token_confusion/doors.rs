//! The columns: every place that takes a token. A new one is a line here, a way to it and what it expects in
//! [`open`](super::world::World::open) and [`offer`](super::world::World::offer), and a column of the table.

use countersign_testkit::names;

/// An endpoint that a server publishes: the issuer, and the member of its metadata.
pub(super) type Endpoint = (&'static str, &'static str);

struct Place {
    column: &'static str,
    typ: Option<&'static str>,
    endpoint: Option<Endpoint>,
}

macro_rules! doors {
    ($($door:ident $column:literal $typ:expr, $endpoint:expr;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Door { $($door),* }

        impl Door {
            pub(super) const ALL: &[Self] = &[$(Self::$door),*];

            const fn place(self) -> Place {
                match self {
                    $(Self::$door => Place { column: $column, typ: $typ, endpoint: $endpoint },)*
                }
            }
        }
    };
}

doors! {
    Subject "subj" ACCESS, sts("token_endpoint");
    SubjectOtherwise "othr" ACCESS, sts("token_endpoint");
    Actor "actr" Some("actor+jwt"), sts("token_endpoint");
    StsAssertion "sts" ASSERTION, sts("token_endpoint");
    UmaAssertion "uma" ASSERTION, uma("token_endpoint");
    Dpop "dpop" PROOF_OF_KEY, sts("token_endpoint");
    ClaimToken "clm" CLAIMS, uma("token_endpoint");
    Ticket "tick" None, uma("token_endpoint");
    Pat "pat" None, uma("resource_registration_endpoint");
    Introspection "intr" None, uma("introspection_endpoint");
    Uma "rpt" None, None;
    Api "api" ACCESS, None;
    Identity "id" IDENTITY, None;
    Proof "prf" Some("client-proof+jwt"), None;
    KeyAtParty "dpRP" PROOF_OF_KEY, None;
    KeyAtAsking "dpIR" PROOF_OF_KEY, None;
    IdToken "oidc" ID_TOKEN, None;
    ReceivedClaims "gotC" CLAIMS, None;
    ReceivedIdentity "gotI" IDENTITY, None;
    ClaimsEndpoint "clEP" ACCESS, sts("claims_endpoint");
    UserQuery "user" ACCESS, None;
    Notice "note" Some("secevent+jwt"), None;

    UserInfo "info" ACCESS, sts("userinfo_endpoint");
    KeyAtUserInfo "dpUI" PROOF_OF_KEY, sts("userinfo_endpoint");
    HintAtAuthorize "hntA" ID_TOKEN, sts("authorization_endpoint");
    HintAtLogout "hntL" ID_TOKEN, sts("end_session_endpoint");
    StsIntrospection "intS" ACCESS, sts("introspection_endpoint");
    StsRevocation "revS" ACCESS, sts("revocation_endpoint");
    AssertionAtIntrospection "asIS" ASSERTION, sts("introspection_endpoint");
    AssertionAtRevocation "asRS" ASSERTION, sts("revocation_endpoint");
    Code "code" None, sts("token_endpoint");
    StsRefresh "refS" None, sts("token_endpoint");
    ProvidersClaims "clPR" ACCESS, Some((names::CLAIMS_PROVIDER, "claims_endpoint"));
    UmaCode "codU" None, uma("token_endpoint");
    UmaRefresh "refU" None, uma("token_endpoint");
    UmaRevocation "revU" None, uma("revocation_endpoint");
    AssertionAtUmaRevocation "asRU" ASSERTION, uma("revocation_endpoint");
    PatAtPermission "patP" None, uma("permission_endpoint");
    PatAtIntrospection "patI" None, uma("introspection_endpoint");
}

const ACCESS: Option<&str> = Some("at+jwt");
const ASSERTION: Option<&str> = Some("client-authentication+jwt");
const PROOF_OF_KEY: Option<&str> = Some("dpop+jwt");
const CLAIMS: Option<&str> = Some("uma-claims+jwt");
const IDENTITY: Option<&str> = Some("identity-propagation+jwt");
const ID_TOKEN: Option<&str> = Some("JWT");

const fn sts(member: &'static str) -> Option<Endpoint> {
    Some((names::STS, member))
}

const fn uma(member: &'static str) -> Option<Endpoint> {
    Some((names::UMA, member))
}

impl Door {
    pub(super) const fn column(self) -> &'static str {
        self.place().column
    }

    /// The `typ` of the token that belongs there.
    pub(super) const fn typ(self) -> Option<&'static str> {
        self.place().typ
    }

    /// The endpoint that it belongs to, where a server publishes it.
    pub(super) const fn endpoint(self) -> Option<Endpoint> {
        self.place().endpoint
    }

    /// Whether whatever is at home there is not the same afterwards, or has to be one that is sure to be good.
    pub(super) const fn uses_up(self) -> bool {
        matches!(
            self,
            Self::Code
                | Self::UmaCode
                | Self::Pat
                | Self::PatAtPermission
                | Self::PatAtIntrospection
                | Self::StsRefresh
                | Self::StsRevocation
                | Self::UmaRefresh
                | Self::UmaRevocation
        )
    }
}
