//! Authentication challenges and the quoted strings inside them. [RFC 9110 §11.2, §11.6.1]
//!
//! The servers write `WWW-Authenticate` with [`quoted`]; the clients read it with [`parse`].
//!
//! [RFC 9110 §11.2, §11.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.2

/// A header longer than this is not read.
pub const MAX_LENGTH: usize = 8 * 1024;

/// One challenge of a `WWW-Authenticate` header. `Debug` leaves the values out: a permission
/// ticket is one of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    scheme: String,
    token68: Option<String>,
    params: Vec<(String, String)>,
}

/// Why a header is no list of challenges.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthParamError {
    /// A character or an order that the grammar does not know.
    #[error("not a list of challenges")]
    Grammar,
    /// A parameter occurs twice in one challenge. RFC 9110 §11.2 allows it once.
    #[error("a parameter is repeated within a challenge")]
    Repeated,
    /// Longer than [`MAX_LENGTH`].
    #[error("too long")]
    Length,
    /// A control character or one outside ASCII, which a quoted string does not carry.
    #[error("a character that a quoted string does not carry")]
    Character,
}

impl Challenge {
    /// Whether this is a challenge of that scheme; schemes ignore case. [RFC 9110 §11.1]
    ///
    /// [RFC 9110 §11.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.1
    #[must_use]
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The scheme as it was sent.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The token that stands in the place of parameters.
    #[must_use]
    pub fn token68(&self) -> Option<&str> {
        self.token68.as_deref()
    }

    /// The value of a parameter, unescaped; names ignore case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenge")
            .field("scheme", &self.scheme)
            .field("params", &self.params.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A text as a quoted string, quotes included. [RFC 9110 §5.6.4]
///
/// ```
/// use countersign_types::auth_param::quoted;
/// assert_eq!(quoted(r#"the "RS API""#)?, r#""the \"RS API\"""#);
/// assert!(quoted("two\r\nlines").is_err());
/// # Ok::<(), countersign_types::auth_param::AuthParamError>(())
/// ```
///
/// # Errors
/// [`AuthParamError::Character`] for what is not printable ASCII.
///
/// [RFC 9110 §5.6.4]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.4
pub fn quoted(text: &str) -> Result<String, AuthParamError> {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            _ => return Err(AuthParamError::Character),
        }
    }
    out.push('"');
    Ok(out)
}

/// Reads one `WWW-Authenticate` header: a list of challenges. [RFC 9110 §11.6.1]
///
/// ```
/// use countersign_types::auth_param::parse;
/// let challenges = parse(r#"Bearer, UMA realm="x, y", as_uri="https://as.example", ticket=t-1"#)?;
/// assert_eq!(challenges.len(), 2);
/// assert_eq!(challenges[1].param("realm"), Some("x, y"));
/// assert_eq!(challenges[1].param("ticket"), Some("t-1"));
/// # Ok::<(), countersign_types::auth_param::AuthParamError>(())
/// ```
///
/// # Errors
/// [`AuthParamError::Grammar`], [`AuthParamError::Repeated`], [`AuthParamError::Length`].
///
/// [RFC 9110 §11.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
pub fn parse(header: &str) -> Result<Vec<Challenge>, AuthParamError> {
    if header.len() > MAX_LENGTH {
        return Err(AuthParamError::Length);
    }
    let mut input = Input { rest: header };
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        // The list rule lets elements be empty. [RFC 9110 §5.6.1.2]
        input.skip(|c| matches!(c, ' ' | '\t' | ','));
        if input.rest.is_empty() {
            return Ok(challenges);
        }
        if let Some((name, value)) = input.param()? {
            let challenge = challenges.last_mut().ok_or(AuthParamError::Grammar)?;
            challenge.add(name, value)?;
        } else {
            challenges.push(input.challenge()?);
        }
        input.end_of_element()?;
    }
}

impl Challenge {
    fn add(&mut self, name: &str, value: String) -> Result<(), AuthParamError> {
        if self.token68.is_some() {
            return Err(AuthParamError::Grammar);
        }
        if self.param(name).is_some() {
            return Err(AuthParamError::Repeated);
        }
        self.params.push((name.to_owned(), value));
        Ok(())
    }
}

/// What is left to read.
struct Input<'a> {
    rest: &'a str,
}

impl<'a> Input<'a> {
    fn skip(&mut self, what: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(what);
    }

    fn take(&mut self, what: impl Fn(char) -> bool) -> &'a str {
        let tail = self.rest.trim_start_matches(what);
        let (head, _) = self.rest.split_at(self.rest.len() - tail.len());
        self.rest = tail;
        head
    }

    /// A scheme, with its token or its first parameter if they follow.
    fn challenge(&mut self) -> Result<Challenge, AuthParamError> {
        let scheme = self.take(is_token_character);
        if scheme.is_empty() {
            return Err(AuthParamError::Grammar);
        }
        let mut challenge =
            Challenge { scheme: scheme.to_owned(), token68: None, params: Vec::new() };
        if self.take(|c| c == ' ').is_empty() {
            return Ok(challenge);
        }
        if let Some((name, value)) = self.param()? {
            challenge.add(name, value)?;
        } else {
            let start = self.rest;
            self.skip(is_token68_character);
            self.skip(|c| c == '=');
            let (token, _) = start.split_at(start.len() - self.rest.len());
            challenge.token68 = (!token.is_empty()).then(|| token.to_owned());
        }
        Ok(challenge)
    }

    /// `name = value`, or nothing read if what follows is none: `abc=` and `abc==` are tokens.
    fn param(&mut self) -> Result<Option<(&'a str, String)>, AuthParamError> {
        let mut ahead = Input { rest: self.rest };
        let name = ahead.take(is_token_character);
        ahead.skip(is_blank);
        let Some(after) = ahead.rest.strip_prefix('=') else { return Ok(None) };
        ahead.rest = after.trim_start_matches(is_blank);
        let value = if let Some(text) = ahead.rest.strip_prefix('"') {
            ahead.rest = text;
            ahead.quoted_string()?
        } else {
            let token = ahead.take(is_token_character);
            if token.is_empty() {
                return Ok(None);
            }
            token.to_owned()
        };
        if name.is_empty() {
            return Err(AuthParamError::Grammar);
        }
        self.rest = ahead.rest;
        Ok(Some((name, value)))
    }

    /// The rest of a quoted string, after its opening quote.
    fn quoted_string(&mut self) -> Result<String, AuthParamError> {
        let mut value = String::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next() {
                Some('"') => break,
                Some('\\') => match characters.next() {
                    Some(escaped @ ('\t' | ' '..='~')) => value.push(escaped),
                    _ => return Err(AuthParamError::Grammar),
                },
                Some(character @ ('\t' | ' '..='~')) => value.push(character),
                _ => return Err(AuthParamError::Grammar),
            }
        }
        self.rest = characters.as_str();
        Ok(value)
    }

    fn end_of_element(&mut self) -> Result<(), AuthParamError> {
        self.skip(is_blank);
        if self.rest.is_empty() || self.rest.starts_with(',') {
            return Ok(());
        }
        Err(AuthParamError::Grammar)
    }
}

const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// `tchar`, RFC 9110 §5.6.2.
fn is_token_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

/// What a `token68` is made of before its padding, RFC 9110 §11.2.
const fn is_token68_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~' | '+' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(header: &str, why: AuthParamError) {
        assert_eq!(parse(header), Err(why), "{header:?}");
    }

    #[test]
    fn the_example_of_uma() {
        // UMA 2.0 Grant §3.2.1.
        let header = concat!(
            r#"UMA realm="example", as_uri="https://as.example.com", "#,
            r#"ticket="016f84e8-f9b9-11e0-bd6f-0021cc6004de""#
        );
        let [challenge] = &parse(header).unwrap()[..] else { panic!("one challenge") };
        assert!(challenge.is("uma"));
        assert_eq!(challenge.param("realm"), Some("example"));
        assert_eq!(challenge.param("AS_URI"), Some("https://as.example.com"));
        assert_eq!(challenge.param("ticket"), Some("016f84e8-f9b9-11e0-bd6f-0021cc6004de"));
    }

    #[test]
    fn several_challenges_in_one_header() {
        let header = r#", Basic realm="a\"b\\c" ,, Negotiate YWJj==, UMA a=1 , b = "2",Bearer"#;
        let challenges = parse(header).unwrap();
        assert_eq!(
            challenges.iter().map(Challenge::scheme).collect::<Vec<_>>(),
            ["Basic", "Negotiate", "UMA", "Bearer"]
        );
        assert_eq!(challenges[0].param("realm"), Some(r#"a"b\c"#));
        assert_eq!(challenges[1].token68(), Some("YWJj=="));
        assert_eq!((challenges[2].param("a"), challenges[2].param("b")), (Some("1"), Some("2")));
        assert_eq!(parse("Negotiate abc=").unwrap()[0].token68(), Some("abc="));
        assert_eq!(parse(r#"UMA realm="""#).unwrap()[0].param("realm"), Some(""));
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn what_the_grammar_does_not_know_is_refused() {
        for header in [
            "ticket=\"t\"",
            "UMA ticket=\"t",
            "UMA ticket=\"t\\",
            "UMA ticket=\"t\" realm=\"r\"",
            "UMA ticket=t realm=r",
            "UMA =t",
            "UMA \"t\"",
            "UMA ticket=\"t\u{e9}\"",
            "UMA ticket=\"t\r\n\"",
            "Negotiate abc==, x=1",
            "@",
        ] {
            refused(header, AuthParamError::Grammar);
        }
        refused("UMA ticket=a, Ticket=b", AuthParamError::Repeated);
        refused(&"a,".repeat(MAX_LENGTH), AuthParamError::Length);
    }

    #[test]
    fn debug_hides_values() {
        let challenges = parse("UMA ticket=\"canary\"").unwrap();
        assert!(!format!("{challenges:?}").contains("canary"));
    }

    proptest::proptest! {
        #[test]
        fn parse_after_render_is_identity(value in "[ -~]{0,40}", other in "[ -~]{0,40}") {
            let header = format!("UMA a={}, b={}", quoted(&value).unwrap(), quoted(&other).unwrap());
            let challenges = parse(&header).unwrap();
            proptest::prop_assert_eq!(challenges[0].param("a"), Some(value.as_str()));
            proptest::prop_assert_eq!(challenges[0].param("b"), Some(other.as_str()));
        }

        #[test]
        fn no_text_panics(header in ".{0,80}", list in "[a=\", \\\\]{0,24}") {
            let _ = (parse(&header), parse(&list));
        }
    }
}
