//! The programs of a deployment, and where each is found.

/// A program of the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// Alice's identity provider with its security token service, which also answers for the host
    /// `alice.example`.
    Sts,
    /// A claims provider of its own in front of it, which answers for the host `alice.example`
    /// then.
    ClaimsProvider,
    /// Bob's UMA authorization server.
    UmaServer,
    /// Bob's resource server.
    ResourceServer,
    /// The university's identity provider, at which Alice's may have people sign in.
    University,
    /// Bob's identity provider, which also answers for the host `bob.example`.
    BobsProvider,
    /// The hostile domain's security token service, which answers for `evil.example`.
    EvilSts,
    /// Its UMA authorization server.
    EvilUmaServer,
    /// Its resource server.
    EvilResourceServer,
}

impl Party {
    pub(super) const HONEST: [Self; 3] = [Self::Sts, Self::UmaServer, Self::ResourceServer];
    pub(super) const HOSTILE: [Self; 3] =
        [Self::EvilSts, Self::EvilUmaServer, Self::EvilResourceServer];

    /// The hosts at which it is found.
    pub(super) const fn hosts(self) -> &'static [&'static str] {
        match self {
            Self::Sts => &["sts.alice.example", "alice.example"],
            Self::ClaimsProvider => &["alice.example"],
            Self::UmaServer => &["uma.bob.example"],
            Self::ResourceServer => &["rs.bob.example"],
            Self::University => &["sts.university.example"],
            Self::BobsProvider => &["sts.bob.example", "bob.example"],
            Self::EvilSts => &["sts.evil.example", "evil.example"],
            Self::EvilUmaServer => &["uma.evil.example"],
            Self::EvilResourceServer => &["rs.evil.example"],
        }
    }

    /// The name of its files.
    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::ClaimsProvider => "claims-provider",
            Self::UmaServer => "uma-server",
            Self::ResourceServer => "resource-server",
            Self::University => "university",
            Self::BobsProvider => "bobs-provider",
            Self::EvilSts => "evil-sts",
            Self::EvilUmaServer => "evil-uma-server",
            Self::EvilResourceServer => "evil-resource-server",
        }
    }
}
