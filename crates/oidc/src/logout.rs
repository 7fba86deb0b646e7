//! Logout that a client asks for. [OpenID Connect RP-Initiated Logout §2, §3]
//!
//! [OpenID Connect RP-Initiated Logout §2, §3]: https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout

use countersign_types::params::ParamsError;
use countersign_types::{ClientId, Params, RedirectUri};
use serde::{Deserialize, Serialize};

use crate::authorize::{is_opaque, location};

/// A request to sign somebody out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutRequest {
    /// An ID token that says whom, and who asks; unverified.
    pub id_token_hint: Option<String>,
    /// Who asks, unverified.
    pub client_id: Option<String>,
    /// Where the client wants the browser afterwards.
    pub post_logout_redirect_uri: Option<String>,
    /// The client's, returned as it is.
    pub state: Option<String>,
    /// The languages that the client wishes its person to be spoken to in, the first first.
    pub ui_locales: Option<String>,
}

/// Parses a request: the query, or the body of a POST.
///
/// # Errors
/// [`ParamsError`].
pub fn parse(form: &[u8]) -> Result<LogoutRequest, ParamsError> {
    let params = Params::parse(form, &[])?;
    let text = |name| params.get(name).map(str::to_owned);
    Ok(LogoutRequest {
        id_token_hint: text("id_token_hint"),
        client_id: text("client_id"),
        post_logout_redirect_uri: text("post_logout_redirect_uri"),
        state: text("state").filter(|state| is_opaque(state)),
        ui_locales: text("ui_locales").filter(|locales| is_opaque(locales)),
    })
}

/// A client that asks, and where it may have the browser sent.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The audience of an ID token that this server gave, or, where none was shown, whoever the
    /// request says. The latter has proved nothing: the browser is sent there on the person's word
    /// alone.
    pub client_id: &'a ClientId,
    /// What is registered of it.
    pub post_logout_redirect_uris: &'a [RedirectUri],
}

impl LogoutRequest {
    /// The URL that the browser is sent to afterwards; `None` if nobody is known to ask, if the
    /// request says that somebody else does, or if the place is not registered.
    #[must_use]
    pub fn destination(&self, asker: Option<Asker<'_>>) -> Option<String> {
        let (asker, uri) = (asker?, self.post_logout_redirect_uri.as_deref()?);
        if self.client_id.as_deref().is_some_and(|claimed| claimed != asker.client_id.as_str()) {
            return None;
        }
        let known = asker.post_logout_redirect_uris.iter().any(|known| known.matches(uri));
        known.then(|| location(uri, &[("state", self.state.as_deref())]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(change: &[(&str, &str)], asker: Option<&str>) -> Option<String> {
        let mut fields = vec![("post_logout_redirect_uri", "https://app.example/bye?x=1")];
        for (name, value) in change {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        let form =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let client_id = asker.map(|id| ClientId::parse(id).unwrap());
        let uris = [RedirectUri::parse("https://app.example/bye?x=1").unwrap()];
        let asker = client_id
            .as_ref()
            .map(|client_id| Asker { client_id, post_logout_redirect_uris: &uris });
        parse(form.as_bytes()).unwrap().destination(asker)
    }

    #[test]
    fn the_browser_goes_where_the_client_registered_and_nowhere_else() {
        let bye = "https://app.example/bye?x=1";
        assert_eq!(destination(&[], Some("app")).as_deref(), Some(bye));
        let with_state = format!("{bye}&state=s+t");
        let state = [("state", "s t"), ("client_id", "app")];
        assert_eq!(destination(&state, Some("app")).as_deref(), Some(with_state.as_str()));

        assert_eq!(destination(&[], None), None, "nobody showed who asks");
        assert_eq!(destination(&[("client_id", "other")], Some("app")), None);
        for elsewhere in [
            "",
            "https://app.example/bye",
            "https://app.example/bye?x=1&y=2",
            "https://app.example/bye?x=1#f",
            "https://evil.example/bye?x=1",
            "//app.example/bye?x=1",
            "javascript:alert(1)",
        ] {
            let change = [("post_logout_redirect_uri", elsewhere)];
            assert_eq!(destination(&change, Some("app")), None, "{elsewhere}");
        }
        let asker = ClientId::parse("app").unwrap();
        let home = [RedirectUri::parse("https://app.example/").unwrap()];
        let asker = Asker { client_id: &asker, post_logout_redirect_uris: &home };
        let asked = parse(b"post_logout_redirect_uri=https://app.example/").unwrap();
        assert_eq!(
            asked.destination(Some(asker)).as_deref(),
            Some("https://app.example/"),
            "no \"?\""
        );
        let bye = destination(&[("state", "a\u{0}b")], Some("app")).unwrap();
        assert!(!bye.contains("state"), "{bye}");
        assert!(parse(b"state=a&state=b").is_err());
    }
}
