//! What weakens the guard: nothing here is the default, and nothing else refers to it by itself.

use std::collections::HashMap;
use std::net::SocketAddr;

pub use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

/// Exceptions from the guard. [`Danger::default`] has none.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Danger {
    /// Names that lead to a fixed address, whatever it is: for test beds.
    pub connect_to: ConnectTo,
    /// Networks that may be reached although they are not public: for deployments whose parties
    /// live on a private network.
    pub allow_networks: Vec<IpNet>,
}

impl Danger {
    /// With a map of names to fixed addresses.
    #[must_use]
    pub fn with_connect_to(mut self, connect_to: ConnectTo) -> Self {
        self.connect_to = connect_to;
        self
    }

    /// With networks that may be reached although they are not public.
    #[must_use]
    pub fn with_networks(mut self, networks: Vec<IpNet>) -> Self {
        self.allow_networks = networks;
        self
    }
}

/// A map from `host:port` to the address that is connected to in its place. TLS still
/// authenticates the host.
///
/// ```
/// use countersign_fetch::ConnectTo;
/// let map = ConnectTo::parse(["sts.alice.example:443=127.0.0.1:8441"])?;
/// assert_eq!(map.get("sts.alice.example", 443), "127.0.0.1:8441".parse().ok());
/// assert_eq!(map.get("sts.alice.example", 80), None);
/// # Ok::<(), countersign_fetch::danger::ConnectToError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectTo(HashMap<(String, u16), SocketAddr>);

/// An entry that is not of the form `host:port=address:port`, or a host that is there twice.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not of the form host:port=address:port, or its host is there twice")]
pub struct ConnectToError(String);

impl ConnectTo {
    /// Parses entries of the form `host:port=address:port`.
    ///
    /// # Errors
    /// [`ConnectToError`] with the entry.
    pub fn parse<I>(entries: I) -> Result<Self, ConnectToError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut map = HashMap::new();
        for entry in entries {
            let entry = entry.as_ref();
            let (key, address) =
                parse_entry(entry).ok_or_else(|| ConnectToError(entry.to_owned()))?;
            if map.insert(key, address).is_some() {
                return Err(ConnectToError(entry.to_owned()));
            }
        }
        Ok(Self(map))
    }

    /// Where `host:port` leads, if the map says so.
    #[must_use]
    pub fn get(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.0.get(&(host.to_ascii_lowercase(), port)).copied()
    }
}

fn parse_entry(entry: &str) -> Option<((String, u16), SocketAddr)> {
    let (name, address) = entry.split_once('=')?;
    let (host, port) = name.rsplit_once(':')?;
    let host = (!host.is_empty()).then(|| host.to_ascii_lowercase())?;
    Some(((host, port.parse().ok()?), address.parse().ok()?))
}

/// From a list of entries.
impl<'de> Deserialize<'de> for ConnectTo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Vec::<String>::deserialize(deserializer)?;
        Self::parse(entries).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_parsed_whole() {
        for bad in [
            "",
            "a.example",
            "a.example:443",
            "a.example=127.0.0.1:1",
            "a.example:443=127.0.0.1",
            "a.example:x=127.0.0.1:1",
            "a.example:443=localhost:1",
            ":443=127.0.0.1:1",
        ] {
            assert!(ConnectTo::parse([bad]).is_err(), "{bad:?}");
        }
        assert!(ConnectTo::parse(["a.example:1=127.0.0.1:1", "A.example:1=127.0.0.1:2"]).is_err());
        let map = ConnectTo::parse(["A.example:443=[::1]:8443"]).unwrap();
        assert_eq!(map.get("a.EXAMPLE", 443), "[::1]:8443".parse().ok());
    }
}
