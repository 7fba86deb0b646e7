//! The addresses from which a proxy connects for everybody.
//!
//! What comes from them tells nobody from anybody else. If it were counted as one source, whoever
//! guesses there would lock all others out.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// An address of a proxy, as `192.0.2.10`, or a network of such addresses, as `2001:db8:1::/64`.
///
/// ```
/// use countersign_sts_service::ProxyAddresses;
/// let addresses: ProxyAddresses = "10.1.0.0/16".parse()?;
/// assert!(addresses.contain("10.1.2.3".parse()?));
/// assert!("10.1.2.3/16".parse::<ProxyAddresses>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyAddresses(IpNet);

/// A text names no addresses of a proxy.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyAddressesError {
    /// Neither an address nor a network.
    #[error("neither an IP address nor a network such as 10.1.0.0/16")]
    Syntax,
    /// An address with a prefix that is shorter than what is set in it.
    #[error("a network begins with its first address, {0}")]
    Network(IpAddr),
    /// Connections come from what it names, but are not known by it.
    #[error("IPv4 in IPv6: take the IPv4 address")]
    Mapped,
    /// Everybody would be a proxy.
    #[error("that is every address there is")]
    All,
}

impl ProxyAddresses {
    /// Whether an address is one of these.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for ProxyAddresses {
    type Err = ProxyAddressesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let network = address.or_else(|_| text.parse::<IpNet>());
        let network = network.map_err(|_| ProxyAddressesError::Syntax)?;
        match network.network() {
            first if first != network.addr() => Err(ProxyAddressesError::Network(first)),
            first if first.to_canonical() != first => Err(ProxyAddressesError::Mapped),
            _ if network.prefix_len() == 0 => Err(ProxyAddressesError::All),
            _ => Ok(Self(network)),
        }
    }
}

impl<'de> Deserialize<'de> for ProxyAddresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_of_a_proxy_is_refused() {
        use ProxyAddressesError::{All, Mapped, Network, Syntax};
        for (text, error) in [
            ("", Syntax),
            ("proxy.example", Syntax),
            ("10.0.0.0/33", Syntax),
            ("10.0.0.1-10.0.0.9", Syntax),
            ("10.0.0.1:443", Syntax),
            (" 10.0.0.1", Syntax),
            ("10.1.2.3/16", Network([10, 1, 0, 0].into())),
            ("::ffff:10.1.2.3", Mapped),
            ("::ffff:10.1.0.0/112", Mapped),
            ("0.0.0.0/0", All),
            ("::/0", All),
        ] {
            assert_eq!(text.parse::<ProxyAddresses>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_address_is_one_and_a_network_is_all_of_it() {
        for (text, inside, outside) in [
            ("192.0.2.10", "192.0.2.10", "192.0.2.11"),
            ("192.0.2.10", "::ffff:192.0.2.10", "::192.0.2.10"),
            ("10.1.0.0/16", "10.1.255.255", "10.2.0.0"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
            ("2001:db8:1::/64", "2001:db8:1::ffff", "2001:db8:1:1::"),
        ] {
            let addresses: ProxyAddresses = text.parse().unwrap();
            assert!(addresses.contain(inside.parse().unwrap()), "{text} {inside}");
            assert!(!addresses.contain(outside.parse().unwrap()), "{text} {outside}");
        }
    }
}
