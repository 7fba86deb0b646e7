//! Where a party is found, in a demo and by hand.

/// Where a party is: its URL, and the loopback port behind it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) url: String,
    pub(super) port: u16,
}

impl Place {
    /// For a server that is started by hand: a name that every browser takes for this machine.
    pub(super) fn by_hand(name: &str, port: u16) -> Self {
        Self { url: format!("https://{name}.localhost:{port}"), port }
    }

    /// The host of its URL.
    pub(super) fn host(&self) -> &str {
        let rest = self.url.strip_prefix("https://").unwrap_or_default();
        rest.split_once(':').map_or(rest, |(host, _)| host)
    }

    pub(super) fn leads_to(&self) -> String {
        let rest = self.url.strip_prefix("https://").unwrap_or_default();
        let authority = if rest.contains(':') { rest.to_owned() } else { format!("{rest}:443") };
        format!("{authority}=127.0.0.1:{}", self.port)
    }
}

/// What the templates of configuration files call a place: its URL, its port, its host.
pub(super) fn values<'a>([url, port, host]: [&'a str; 3], place: &Place) -> [(&'a str, String); 3] {
    [(url, place.url.clone()), (port, place.port.to_string()), (host, place.host().to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_leads_to_this_machine() {
        let place = |url: &str| Place { url: url.to_owned(), port: 8451 };
        let named = place("https://idp.university.example");
        assert_eq!(named.host(), "idp.university.example");
        assert_eq!(named.leads_to(), "idp.university.example:443=127.0.0.1:8451");
        let by_hand = place("https://idp.localhost:8451");
        assert_eq!(by_hand.host(), "idp.localhost");
        assert_eq!(by_hand.leads_to(), "idp.localhost:8451=127.0.0.1:8451");
    }
}
