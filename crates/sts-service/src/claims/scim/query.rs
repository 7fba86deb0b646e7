//! The one filter that is understood. [RFC 7644 §3.4.2.2]
//!
//! [RFC 7644 §3.4.2.2]: https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2

use countersign_types::EmailAddress;
use url::form_urlencoded;

use super::error::QueryError;

/// The address that is asked about.
pub(super) fn address(query: Option<&str>) -> Result<EmailAddress, QueryError> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut filters = pairs.filter(|(name, _)| name == "filter").map(|(_, value)| value);
    let filter = filters.next().ok_or(QueryError::Filter)?;
    if filters.next().is_some() {
        return Err(QueryError::Filter);
    }
    read(&filter).ok_or(QueryError::Filter)
}

/// Names and operators are the same in either case (§3.4.2.2), and the value is a JSON string.
fn read(filter: &str) -> Option<EmailAddress> {
    let (attribute, rest) = filter.split_once(' ')?;
    let (operator, value) = rest.split_once(' ')?;
    let is_it =
        attribute.eq_ignore_ascii_case("emails.value") && operator.eq_ignore_ascii_case("eq");
    let address: String = is_it.then(|| serde_json::from_str(value).ok())??;
    EmailAddress::parse(&address).ok()
}

/// The query for an address: of whoever has it, these attributes, and of others no more than shows
/// that they are several. [RFC 7644 §3.4.2.4, §3.9]
///
/// [RFC 7644 §3.4.2.4, §3.9]: https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.4
pub(in crate::claims) fn of(address: &EmailAddress, attributes: &str) -> String {
    // What JSON escapes is in no address, but nothing here should have to know that.
    let value = serde_json::Value::from(address.as_str()).to_string();
    let filter = format!("emails.value eq {value}");
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("filter", &filter).append_pair("attributes", attributes);
    query.append_pair("count", "2").finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_address_can_be_asked_about() {
        let alice = EmailAddress::parse("alice+x@alice.example").unwrap();
        assert_eq!(address(Some(&of(&alice, "emails"))).ok(), Some(alice.clone()));
        for (filter, is_understood) in [
            (r#"emails.value eq "alice+x@alice.example""#, true),
            (r#"EMAILS.Value EQ "alice\u002bx@alice.example""#, true),
            (r#"emails.value eq "alice+x@alice.example" or id pr"#, false),
            (r#"emails.value sw "alice""#, false),
            (r#"emails.value eq "alice""#, false),
            (r#"emails.value eq alice+x@alice.example"#, false),
            (r#"emails.value co "@alice.example""#, false),
            (r#"emails eq "alice+x@alice.example""#, false),
            (r#"userName eq "alice+x@alice.example""#, false),
            (r#"emails.value pr"#, false),
            (r#"not (emails.value eq "alice+x@alice.example")"#, false),
            ("", false),
        ] {
            assert_eq!(read(filter), is_understood.then(|| alice.clone()), "{filter}");
        }
        for query in [None, Some(""), Some("count=1"), Some("filter=a&filter=b")] {
            assert!(address(query).is_err(), "{query:?}");
        }
    }
}
