//! The columns: every place that takes a token. A new one is a line here, what it expects and a way
//! to it in the module of its [`Home`], and a column of the table.

use countersign_testkit::names;

/// An endpoint that a server publishes: the issuer, and the member of its metadata.
pub(super) type Endpoint = (&'static str, &'static str);

/// Who waits at a place.
pub(super) enum Home {
    Sts,
    Uma,
    /// A resource server or a relying party.
    ResourceServer,
    /// A client or an owner, to whom whoever made the token brings it.
    Receiver,
}

struct Place {
    column: &'static str,
    home: Home,
    typ: Option<&'static str>,
    endpoint: Option<Endpoint>,
}

macro_rules! doors {
    ($($door:ident $column:literal at $home:ident, $typ:expr, $endpoint:expr;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Door { $($door),* }

        impl Door {
            pub(super) const ALL: &[Self] = &[$(Self::$door),*];

            const fn place(self) -> Place {
                match self {
                    $(Self::$door => Place {
                        column: $column,
                        home: Home::$home,
                        typ: $typ,
                        endpoint: $endpoint,
                    },)*
                }
            }
        }
    };
}

doors! {
    Subject "subj" at Sts, ACCESS, sts("token_endpoint");
    SubjectOtherwise "othr" at Sts, ACCESS, sts("token_endpoint");
    Actor "actr" at Sts, Some("actor+jwt"), sts("token_endpoint");
    StsAssertion "sts" at Sts, ASSERTION, sts("token_endpoint");
    UmaAssertion "uma" at Uma, ASSERTION, uma("token_endpoint");
    Dpop "dpop" at Sts, PROOF_OF_KEY, sts("token_endpoint");
    ClaimToken "clm" at Uma, CLAIMS, uma("token_endpoint");
    Ticket "tick" at Uma, None, uma("token_endpoint");
    Pat "pat" at Uma, None, uma("resource_registration_endpoint");
    Introspection "intr" at Uma, None, uma("introspection_endpoint");
    Uma "rpt" at ResourceServer, None, None;
    Api "api" at ResourceServer, ACCESS, None;
    Identity "id" at ResourceServer, IDENTITY, None;
    Proof "prf" at ResourceServer, Some("client-proof+jwt"), None;
    KeyAtParty "dpRP" at ResourceServer, PROOF_OF_KEY, None;
    KeyAtAsking "dpIR" at ResourceServer, PROOF_OF_KEY, None;
    IdToken "oidc" at Receiver, ID_TOKEN, None;
    Brokered "brok" at Receiver, ID_TOKEN, None;
    ReceivedClaims "gotC" at Receiver, CLAIMS, None;
    ReceivedIdentity "gotI" at Receiver, IDENTITY, None;
    ClaimsEndpoint "clEP" at Sts, ACCESS, sts("claims_endpoint");
    UserQuery "user" at Sts, ACCESS, sts("user_query_endpoint");
    Notice "note" at Receiver, Some("secevent+jwt"), None;

    UserInfo "info" at Sts, ACCESS, sts("userinfo_endpoint");
    KeyAtUserInfo "dpUI" at Sts, PROOF_OF_KEY, sts("userinfo_endpoint");
    HintAtAuthorize "hntA" at Sts, ID_TOKEN, sts("authorization_endpoint");
    HintAtLogout "hntL" at Sts, ID_TOKEN, sts("end_session_endpoint");
    StsIntrospection "intS" at Sts, ACCESS, sts("introspection_endpoint");
    StsRevocation "revS" at Sts, ACCESS, sts("revocation_endpoint");
    AssertionAtIntrospection "asIS" at Sts, ASSERTION, sts("introspection_endpoint");
    AssertionAtRevocation "asRS" at Sts, ASSERTION, sts("revocation_endpoint");
    Code "code" at Sts, None, sts("token_endpoint");
    StsRefresh "refS" at Sts, None, sts("token_endpoint");
    ProvidersClaims "clPR" at Sts, ACCESS, Some((names::CLAIMS_PROVIDER, "claims_endpoint"));
    UmaCode "codU" at Uma, None, uma("token_endpoint");
    UmaRefresh "refU" at Uma, None, uma("token_endpoint");
    UmaRevocation "revU" at Uma, None, uma("revocation_endpoint");
    AssertionAtUmaRevocation "asRU" at Uma, ASSERTION, uma("revocation_endpoint");
    PatAtPermission "patP" at Uma, None, uma("permission_endpoint");
    PatAtIntrospection "patI" at Uma, None, uma("introspection_endpoint");
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

    /// Whose module it is that opens it and offers tokens there.
    pub(super) const fn home(self) -> Home {
        self.place().home
    }

    /// The `typ` of the token that belongs there.
    pub(super) const fn typ(self) -> Option<&'static str> {
        self.place().typ
    }

    /// The endpoint that it belongs to, where a server publishes it.
    pub(super) const fn endpoint(self) -> Option<Endpoint> {
        self.place().endpoint
    }

    /// Whether whatever is at home there is not the same afterwards, or has to be one that is sure
    /// to be good.
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
