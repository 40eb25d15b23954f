//! Section `facade.route`: where calls go.

use std::collections::BTreeSet;

use crate::config::error::InvalidValue;
use crate::config::settings::Settings;
use crate::model::{MAX_ID, OrderId};

/// Where calls go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// All of them to the system with this name. Default: the only system; `GATEWAY__FACADE__ROUTE__TO`.
    To(String),
    /// By the id of the order: never to both, because each order has one system that writes to it.
    Split {
        /// The system of orders below `from_id`. `GATEWAY__FACADE__ROUTE__BELOW`.
        below: String,
        /// The system of the others. `GATEWAY__FACADE__ROUTE__ABOVE`.
        above: String,
        /// The first id of `above`; the highest possible one, 9007199254740991, means "none yet".
        /// `GATEWAY__FACADE__ROUTE__FROM_ID`.
        from_id: OrderId,
    },
}

impl Route {
    /// The names of the systems that calls go to.
    #[must_use]
    pub fn systems(&self) -> Vec<&str> {
        match self {
            Self::To(name) => vec![name],
            Self::Split { below, above, .. } => vec![below, above],
        }
    }

    pub(super) fn read(settings: &mut Settings, systems: &BTreeSet<String>) -> Option<Self> {
        let parts = ["facade.route.below", "facade.route.above", "facade.route.from_id"];
        let is_split = parts.iter().any(|key| settings.is_given(key));
        if is_split && settings.is_given("facade.route.to") {
            let reason = "sends all calls to one system, and below, from_id and above divide them: give one of both";
            settings.report("facade.route.to", InvalidValue::Conflict(reason.into()));
        }
        let to = system(settings, "facade.route.to", systems);
        let below = system(settings, "facade.route.below", systems);
        let above = system(settings, "facade.route.above", systems);
        let from_id = settings.optional("facade.route.from_id", order_id);
        if !is_split {
            return only_system(settings, to, systems).map(Self::To);
        }
        for key in parts.into_iter().filter(|key| !settings.is_given(key)).collect::<Vec<_>>() {
            settings.report(key, InvalidValue::Missing("below, from_id and above belong together".into()));
        }
        if below.is_some() && below == above {
            let reason = "is the same system as facade.route.below: give facade.route.to instead";
            settings.report("facade.route.above", InvalidValue::Conflict(reason.into()));
        }
        Some(Self::Split { below: below?, above: above?, from_id: from_id? })
    }
}

/// The name of a system that a key must have; `None` if it is not given or not valid, which is reported.
pub(super) fn system(settings: &mut Settings, key: &str, systems: &BTreeSet<String>) -> Option<String> {
    let name = settings.optional(key, |name| Ok(name.trim().to_owned()))?;
    if systems.contains(&name) {
        return Some(name);
    }
    let names = systems.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    settings.report(key, InvalidValue::Expected(format!("the name of a system of this configuration: {names}").into()));
    None
}

/// Without systems, the missing system is reported instead.
fn only_system(settings: &mut Settings, to: Option<String>, systems: &BTreeSet<String>) -> Option<String> {
    if to.is_none() && systems.len() > 1 && !settings.is_given("facade.route.to") {
        let reason = "there are several systems: to = NAME, or below, from_id and above";
        settings.report("facade.route.to", InvalidValue::Missing(reason.into()));
        return None;
    }
    to.or_else(|| systems.first().cloned())
}

fn order_id(text: &str) -> Result<OrderId, InvalidValue> {
    OrderId::parse(text.trim()).map_err(|_| InvalidValue::Expected(format!("an order id from 1 to {MAX_ID}").into()))
}
