//! Where the parties are.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use countersign_host::server::TlsConfig;

use super::party::Party;
use crate::ca::CertificateAuthority;
use crate::directory::Directory;

/// Where hosts really are, in the form of `danger.connect_to`.
pub(super) fn connect_to<'a>(
    places: impl Iterator<Item = (&'a [&'a str], &'a Place)>,
) -> impl Iterator<Item = String> {
    places.flat_map(|(hosts, place)| {
        let address = place.address;
        hosts.iter().map(move |host| format!("{host}:443={address}")).collect::<Vec<_>>()
    })
}

/// What the configurations of all parties have in common.
pub(crate) struct Surroundings<'a> {
    pub(crate) connect_to: &'a [String],
    pub(super) places: &'a BTreeMap<Party, Place>,
}

impl Surroundings<'_> {
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub(crate) fn place(&self, party: Party) -> &Place {
        self.places.get(&party).expect("a party of this deployment")
    }
}

/// Where a party listens, and with which certificate.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) tls: TlsConfig,
    pub(super) listener: Option<TcpListener>,
}

impl Place {
    /// Binds a port first, so that everybody's address is known before anybody starts.
    pub(super) fn reserve(
        directory: &Directory,
        authority: &CertificateAuthority,
        name: &str,
        hosts: &[&str],
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let issued = authority.issue(hosts)?;
        let tls = TlsConfig {
            certificate: directory.write(&format!("{name}.pem"), &issued.certificate)?,
            key: directory.write(&format!("{name}.key"), &issued.key)?,
        };
        Ok(Self { address: listener.local_addr()?, tls, listener: Some(listener) })
    }

    /// The listener; bound anew if it was given away before.
    pub(super) fn listener(&mut self) -> std::io::Result<TcpListener> {
        self.listener.take().map_or_else(|| TcpListener::bind(self.address), Ok)
    }
}
