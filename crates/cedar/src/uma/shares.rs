//! Shares as links of templates.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{PolicyId, PolicySet, SlotId, Template};
use countersign_uma::Protection;
use countersign_uma::policy::Share;
use countersign_uma::policy::shares::Effect;

use super::SCHEMA;
use super::facts::Names;
use super::says::Says;
use crate::policies::{PolicyError, validate};

const TEMPLATES: &str = include_str!("../../policies/shares.cedar");

/// What shares can say.
#[derive(Clone, Debug)]
pub(super) struct Templates(Vec<(PolicyId, Template, Says)>);

impl Templates {
    /// The templates of this crate.
    pub(super) fn parse() -> Result<Self, PolicyError> {
        let source_name = || "shares.cedar".to_owned();
        let syntax = |reason: String| PolicyError::Syntax { source_name: source_name(), reason };
        let set: PolicySet = TEMPLATES
            .parse()
            .map_err(|error: cedar_policy::ParseErrors| syntax(error.to_string()))?;
        validate(SCHEMA, &set)?;
        let mut templates = Vec::new();
        for template in set.templates() {
            let says = Says::of_template(template).map_err(syntax)?;
            let id = PolicyId::new(template.annotation("id").unwrap_or_default());
            templates.push((id.clone(), template.new_id(id), says));
        }
        let templates = Self(templates);
        // Every share finds its template from now on.
        for (effect, present) in EFFECTS {
            let id = name(effect, present);
            templates
                .find(&PolicyId::new(id))
                .ok_or_else(|| syntax(format!("no template {id:?}")))?;
        }
        Ok(templates)
    }

    fn find(&self, id: &PolicyId) -> Option<&(PolicyId, Template, Says)> {
        self.0.iter().find(|(known, ..)| known == id)
    }

    /// The shares that can say anything of a question, each under its name.
    pub(super) fn link(
        &self,
        names: &Names,
        protection: &Protection,
        shares: &[Arc<Share>],
        scope: &str,
    ) -> Result<PolicySet, String> {
        let mut set = PolicySet::new();
        for share in shares {
            let Share { id, terms, .. } = &**share;
            let template = PolicyId::new(name(terms.effect(), terms.present()));
            if set.template(&template).is_none() {
                let (_, template, _) = self.find(&template).ok_or("no template")?;
                set.add_template(template.clone()).map_err(|error| error.to_string())?;
            }
            let audience = names.audience(terms.who(), terms.issuer());
            let offer = names.offer(protection, terms.what(), scope);
            let slots =
                HashMap::from([(SlotId::principal(), audience), (SlotId::resource(), offer)]);
            let link = PolicyId::new(format!("share {id}"));
            set.link(template, link, slots).map_err(|error| error.to_string())?;
        }
        Ok(set)
    }

    /// What a link says.
    pub(super) fn says(&self, links: &PolicySet, id: &PolicyId) -> Option<&Says> {
        let template = links.policy(id)?.template_id()?.clone();
        self.find(&template).map(|(_, _, says)| says)
    }
}

const EFFECTS: [(Effect, bool); 6] = [
    (Effect::Permit, false),
    (Effect::Permit, true),
    (Effect::Ask, false),
    (Effect::Ask, true),
    (Effect::Forbid, false),
    (Effect::Forbid, true),
];

/// The template of such a share.
const fn name(effect: Effect, present: bool) -> &'static str {
    match (effect, present) {
        (Effect::Permit, false) => "permit",
        (Effect::Permit, true) => "permit who is present",
        (Effect::Ask, false) => "ask",
        (Effect::Ask, true) => "ask about who is present",
        (Effect::Forbid, false) => "forbid",
        (Effect::Forbid, true) => "forbid who is present",
    }
}
