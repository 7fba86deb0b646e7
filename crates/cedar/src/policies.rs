//! A set of rules: from text to answers.

use std::str::FromStr as _;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    Authorizer, Context, Entities, EntityId, EntityTypeName, EntityUid, Policy, PolicyId,
    PolicySet, Request, Schema, ValidationMode, ValidationWarning, Validator,
};
use serde_json::Value;

/// The annotation that names a rule.
const ID: &str = "id";

/// The text of rules, and what it is called in an error.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl<'a> Source<'a> {
    /// Rules, and where they are from.
    #[must_use]
    pub const fn new(name: &'a str, text: &'a str) -> Self {
        Self { name, text }
    }
}

/// Why there is no set of rules. Each names the source and the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The schema is none.
    #[error("the schema: {0}")]
    Schema(String),
    /// A text is not Cedar.
    #[error("{source_name}: {reason}")]
    Syntax {
        /// Which source.
        source_name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A rule without `@id`.
    #[error("{source_name}: rule {position} has no @id, by which decisions could name it")]
    Unnamed {
        /// Which source.
        source_name: String,
        /// Which of its rules, counted from one.
        position: usize,
    },
    /// Two rules of one name.
    #[error("{source_name}: the name {id:?} is used before")]
    Duplicate {
        /// Which source.
        source_name: String,
        /// The name.
        id: String,
    },
    /// A template, which nothing would ever link.
    #[error("{source_name}: a template decides nothing")]
    Template {
        /// Which source.
        source_name: String,
    },
    /// A rule that cannot be used.
    #[error("rule {id:?}: {reason}")]
    Unfit {
        /// Its name.
        id: String,
        /// Why.
        reason: String,
    },
    /// Rules that do not fit the schema.
    #[error("rules that do not fit the schema: {}", .0.join("; "))]
    Invalid(Vec<String>),
}

/// Who wants to do what to what.
///
/// Principal and resource are a type of the schema and an identifier; `context` and `entities` are
/// in Cedar's JSON forms, and have to fit the schema.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Who.
    pub principal: (&'a str, &'a str),
    /// The name of an action.
    pub action: &'a str,
    /// To what.
    pub resource: (&'a str, &'a str),
    /// The circumstances.
    pub context: Value,
    /// What is known of principal and resource, and of what they belong to.
    pub entities: Value,
}

/// The answer, and the rules it rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is permitted.
    pub permitted: bool,
    /// The names of the rules that decided, in order: those that permit, or those that forbid. None
    /// if nothing spoke.
    pub rules: Vec<String>,
    /// Why the question, or a rule, could not be evaluated. Then nothing is permitted.
    pub errors: Vec<String>,
}

/// Rules that were parsed and validated as a whole. Cheap to share, never changed.
#[derive(Clone, Debug)]
pub struct Policies {
    schema: Schema,
    set: PolicySet,
}

impl Policies {
    /// Parses rules and validates them strictly against a schema, in Cedar's own syntaxes.
    ///
    /// # Errors
    /// Any [`PolicyError`]: one bad rule and there is no set.
    pub fn parse(schema: &str, sources: &[Source<'_>]) -> Result<Self, PolicyError> {
        let mut set = PolicySet::new();
        for source in sources {
            add(&mut set, source)?;
        }
        Ok(Self { schema: validate(schema, &set)?, set })
    }

    /// The rules, each under its name.
    pub(crate) fn into_rules(self) -> impl Iterator<Item = Policy> {
        self.set.policies().cloned().collect::<Vec<_>>().into_iter()
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.num_of_policies()
    }

    /// Whether there is no rule: then everything is denied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Answers a question. Same question, same answer; silence is denial.
    #[must_use]
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        let (request, entities) = match self.request(question) {
            Ok(asked) => asked,
            Err(reason) => return Decision { errors: vec![reason], ..Decision::default() },
        };
        let response = Authorizer::new().is_authorized(&request, &self.set, &entities);
        let diagnostics = response.diagnostics();
        // Shown as text, an id would be escaped.
        let name = |id: &PolicyId| AsRef::<str>::as_ref(id).to_owned();
        let mut rules = diagnostics.reason().map(name).collect::<Vec<_>>();
        let mut errors = diagnostics.errors().map(ToString::to_string).collect::<Vec<_>>();
        rules.sort_unstable();
        errors.sort_unstable();
        // A rule that cannot be evaluated is left out by Cedar; one that forbids must not be.
        let permitted = response.decision() == cedar_policy::Decision::Allow && errors.is_empty();
        Decision { permitted, rules, errors }
    }

    fn request(&self, question: &Question<'_>) -> Result<(Request, Entities), String> {
        let principal = entity(question.principal)?;
        let action = entity(("Action", question.action))?;
        let resource = entity(question.resource)?;
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let context =
            Context::from_json_value(question.context.clone(), Some((&self.schema, &action)))
                .map_err(|error| text(&error))?;
        let entities = Entities::from_json_value(question.entities.clone(), Some(&self.schema))
            .map_err(|error| text(&error))?;
        let request = Request::new(principal, action, resource, context, Some(&self.schema))
            .map_err(|error| text(&error))?;
        Ok((request, entities))
    }
}

/// Validates a set strictly against a schema.
pub(crate) fn validate(schema: &str, set: &PolicySet) -> Result<Schema, PolicyError> {
    let (schema, warnings) = Schema::from_cedarschema_str(schema)
        .map_err(|error| PolicyError::Schema(error.to_string()))?;
    for warning in warnings {
        tracing::debug!(%warning, "in a Cedar schema");
    }
    let validated = Validator::new(schema.clone()).validate(set, ValidationMode::Strict);
    // A rule that holds for nothing is a mistake, and if it is to forbid, one that nobody would
    // notice.
    let impossible = validated.validation_warnings().filter_map(|warning| match warning {
        ValidationWarning::ImpossiblePolicy(warning) => Some(warning.to_string()),
        _ => None,
    });
    let errors = validated.validation_errors().map(ToString::to_string).chain(impossible);
    let errors = errors.collect::<Vec<_>>();
    if errors.is_empty() { Ok(schema) } else { Err(PolicyError::Invalid(errors)) }
}

/// Adds the rules of a source, each under its name.
fn add(set: &mut PolicySet, source: &Source<'_>) -> Result<(), PolicyError> {
    let source_name = || source.name.to_owned();
    let read = PolicySet::from_str(source.text).map_err(|error| PolicyError::Syntax {
        source_name: source_name(),
        reason: with_line(source.text, &DetailedError::from(&error)),
    })?;
    if read.templates().next().is_some() {
        return Err(PolicyError::Template { source_name: source_name() });
    }
    for (index, policy) in read.policies().enumerate() {
        let id = policy.annotation(ID).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| PolicyError::Unnamed {
            source_name: source_name(),
            position: index.saturating_add(1),
        })?;
        set.add(policy.new_id(PolicyId::new(id))).map_err(|_| PolicyError::Duplicate {
            source_name: source_name(),
            id: id.to_owned(),
        })?;
    }
    Ok(())
}

/// What is wrong, and in which line.
fn with_line(text: &str, error: &DetailedError) -> String {
    let labels = error.source_locations.iter();
    let mut labels = labels.chain(error.related.iter().flat_map(|error| &error.source_locations));
    let before = labels.next().and_then(|label| text.get(..label.loc.start));
    let line = before.map(|before| before.matches('\n').count().saturating_add(1));
    line.map_or_else(|| error.message.clone(), |line| format!("line {line}: {}", error.message))
}

/// The identifier is text, whatever is in it: it is never parsed.
fn entity((kind, id): (&str, &str)) -> Result<EntityUid, String> {
    let kind = EntityTypeName::from_str(kind).map_err(|error| error.to_string())?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

#[cfg(test)]
mod tests;
