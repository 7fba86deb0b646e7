//! Reads the forms of a plain HTML page: enough for a sign-in page, and no more.

/// A form, with the fields that submitting it by its first button would send.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) action: Option<String>,
    pub(super) is_post: bool,
    pub(super) fields: Vec<(String, String)>,
}

impl Form {
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }
}

/// The forms of a page, in order.
pub(super) fn forms(page: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut open: Option<Form> = None;
    let mut has_button = false;
    for tag in Tags(page) {
        match tag.name.as_str() {
            "form" => {
                forms.extend(open.take());
                has_button = false;
                open = Some(Form {
                    action: tag.attribute("action").filter(|action| !action.is_empty()),
                    is_post: tag
                        .attribute("method")
                        .is_some_and(|method| method.eq_ignore_ascii_case("post")),
                    fields: Vec::new(),
                });
            }
            "/form" => forms.extend(open.take()),
            "input" | "button" => {
                let Some(form) = open.as_mut() else { continue };
                if tag.is_button() {
                    if std::mem::replace(&mut has_button, true) {
                        continue;
                    }
                } else if !tag.is_field() {
                    continue;
                }
                if let Some(name) = tag.attribute("name").filter(|name| !name.is_empty()) {
                    form.fields.push((name, tag.attribute("value").unwrap_or_default()));
                }
            }
            _ => {}
        }
    }
    forms.extend(open);
    forms
}

struct Tag<'a> {
    name: String,
    attributes: &'a str,
}

impl Tag<'_> {
    fn attribute(&self, name: &str) -> Option<String> {
        Attributes(self.attributes).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    fn kind(&self) -> String {
        self.attribute("type").unwrap_or_default().to_ascii_lowercase()
    }

    fn is_button(&self) -> bool {
        match self.name.as_str() {
            "button" => matches!(self.kind().as_str(), "" | "submit"),
            _ => self.kind() == "submit",
        }
    }

    /// Whether it is an input whose value is sent whatever else is done.
    fn is_field(&self) -> bool {
        self.name == "input"
            && !matches!(
                self.kind().as_str(),
                "submit" | "button" | "reset" | "image" | "checkbox" | "radio" | "file"
            )
    }
}

/// The tags of a page, without its comments and what stands in scripts and styles.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.0.split_once('<')?.1;
            if let Some(comment) = rest.strip_prefix("!--") {
                self.0 = comment.split_once("-->").map_or("", |(_, after)| after);
                continue;
            }
            let end = tag_end(rest)?;
            let (inside, after) = rest.split_at_checked(end)?;
            self.0 = after;
            let inside = inside.trim_end_matches('/');
            let name_end = inside.find(|c: char| c.is_ascii_whitespace()).unwrap_or(inside.len());
            let (name, attributes) = inside.split_at_checked(name_end)?;
            let name = name.to_ascii_lowercase();
            if matches!(name.as_str(), "script" | "style") {
                let closing = format!("</{name}");
                let at = after.to_ascii_lowercase().find(&closing).unwrap_or(after.len());
                self.0 = after.get(at..).unwrap_or_default();
            }
            return Some(Tag { name, attributes });
        }
    }
}

/// Where a tag's `>` is, which does not stand in a quoted value.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// The attributes of a tag, their values unescaped.
struct Attributes<'a>(&'a str);

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_start();
        if text.is_empty() {
            return None;
        }
        let name_end =
            text.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(name_end)?;
        let Some(value) = rest.trim_start().strip_prefix('=').map(str::trim_start) else {
            self.0 = rest;
            return Some((name, String::new()));
        };
        let (value, rest) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value.get(1..)?.split_once(quote)?,
            _ => value.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((value, "")),
        };
        self.0 = rest;
        Some((name, unescape(value)))
    }
}

/// Replaces the character references that templates write.
fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let reference =
            after.split_once(';').and_then(|(name, tail)| Some((character(name)?, tail)));
        match reference {
            Some((c, tail)) => {
                text.push(c);
                rest = tail;
            }
            None => {
                text.push('&');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_sign_in_form_is_read() {
        let page = r#"<!DOCTYPE html><style>form > input { color: red }</style>
            <!-- <form><input name="no"></form> -->
            <script>var x = '<form method="post"><input name="no">';</script>
            <form action="/search"><input name="q"></form>
            <FORM METHOD=post action='/login?a=1&amp;b=2'>
            <input type="hidden" name="form_token" value="a&#34;b&#x3c;c&unknown;"/>
            <input id="username" name=username autofocus>
            <input name="password" type="password" placeholder="a > b">
            <input type="checkbox" name="remember" value="1">
            <button type="button" name="show">show</button>
            <button name="decision" value="allow">Allow</button>
            <button name="decision" value="deny">Deny</button>
            </form><input name="stray">"#;
        let forms = forms(page);
        assert_eq!(forms.len(), 2);
        assert!(!forms[0].is_post);
        assert_eq!(
            forms[1],
            Form {
                action: Some("/login?a=1&b=2".to_owned()),
                is_post: true,
                fields: vec![
                    field("form_token", "a\"b<c&unknown;"),
                    field("username", ""),
                    field("password", ""),
                    field("decision", "allow"),
                ],
            }
        );
    }

    proptest::proptest! {
        #[test]
        fn never_panics(page in "(<|>|form|input|meta|name=|\"|'|/|&#|;|!--|-->|script| |é){0,40}") {
            let _ = forms(&page);
        }
    }
}
