//! Sections `facade.clients.<name>`.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::route::system;
use crate::charset::Charset;
use crate::config::error::InvalidValue;
use crate::config::server::network;
use crate::config::settings::Settings;
use crate::config::{Dialect, Secret, upstream};

/// A program that speaks the legacy protocol. The variables are those of a client `shop`.
#[derive(Debug, Clone)]
pub struct FacadeClient {
    /// The user that it sends. Required; `GATEWAY__FACADE__CLIENTS__SHOP__API_USER` or `…_API_USER_FILE`.
    pub api_user: Secret,
    /// The key that it logs in with in the dialect `provider`, and required there; `GATEWAY__FACADE__CLIENTS__SHOP__API_KEY`
    /// or `…_API_KEY_FILE`.
    pub api_key: Option<Secret>,
    /// The addresses and networks that it calls from. Required in the dialect `network`; in the other, without any it may call
    /// from anywhere. `GATEWAY__FACADE__CLIENTS__SHOP__ALLOWED_IPS`.
    pub allowed_ips: Vec<IpNet>,
    /// Charset of its requests. Default: that of the answers; `GATEWAY__FACADE__CLIENTS__SHOP__CHARSET`.
    pub charset: Charset,
    /// The token that its calls to JSON systems have instead of the system's own; `GATEWAY__FACADE__CLIENTS__SHOP__TOKEN` or
    /// `…_TOKEN_FILE`.
    pub token: Option<Secret>,
    /// The system that its calls go to instead of those of `facade.route`, for one whose orders no one else writes to.
    /// `GATEWAY__FACADE__CLIENTS__SHOP__TO`.
    pub to: Option<String>,
}

/// `None` when a client is not valid, which is reported.
pub(super) fn read_all(
    settings: &mut Settings,
    dialect: Dialect,
    charset: Charset,
    systems: &BTreeSet<String>,
) -> Option<BTreeMap<String, FacadeClient>> {
    let names = settings.names_below("facade.clients");
    if names.is_empty() {
        let what = "the programs that may call, one section facade.clients.<name> for each";
        settings.report("facade.clients", InvalidValue::Missing(what.into()));
    }
    let mut clients = BTreeMap::new();
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for name in &names {
        let Some(client) = read(settings, name, dialect, charset, systems) else { continue };
        let owner = client.api_user.with(|api_user| owners.insert(api_user.to_owned(), name.clone()));
        if let Some(owner) = owner {
            let reason = format!("is that of {owner}: users distinguish clients");
            settings.report(&format!("facade.clients.{name}.api_user"), InvalidValue::Conflict(reason.into()));
        }
        clients.insert(name.clone(), client);
    }
    (!names.is_empty() && clients.len() == names.len()).then_some(clients)
}

fn read(
    settings: &mut Settings,
    name: &str,
    dialect: Dialect,
    charset: Charset,
    systems: &BTreeSet<String>,
) -> Option<FacadeClient> {
    let key = |field: &str| format!("facade.clients.{name}.{field}");
    let api_user = settings.secret(&key("api_user"), "the user that the client sends", 1);
    // `Some(None)`: not needed. With the dialect `network` a given key is reported as unknown.
    let api_key = match dialect {
        Dialect::Network => Some(None),
        Dialect::Provider => settings.secret(&key("api_key"), "the key that the client logs in with", 1).map(Some),
    };
    let allowed_ips = read_addresses(settings, &key("allowed_ips"), dialect);
    let charset = settings.or_default(&key("charset"), charset, upstream::charset);
    let token = settings.optional_secret(&key("token"), 1);
    let to = system(settings, &key("to"), systems);
    if let Some(system) = &to {
        settings.warn(format!(
            "facade.clients.{name}.to sends the calls of one client to {system}: no one else may write to the orders that it \
             writes to, or an order has two systems that write to it"
        ));
    }
    Some(FacadeClient { api_user: api_user?, api_key: api_key?, allowed_ips, charset, token, to })
}

/// The networks that a client calls from. An empty list is neither none, which would be anywhere, nor of use.
fn read_addresses(settings: &mut Settings, key: &str, dialect: Dialect) -> Vec<IpNet> {
    if !settings.is_given(key) {
        if dialect == Dialect::Network {
            let what = "the addresses that the client calls from, which are its only credential in the dialect network";
            settings.report(key, InvalidValue::Missing(what.into()));
        }
        return settings.list_of(key, network);
    }
    let elements = settings.list(key, &[]);
    if elements.is_empty() {
        settings.report(key, InvalidValue::expected("one or more addresses or networks such as 192.0.2.0/28"));
    }
    let networks = elements.iter().filter(|element| !element.is_empty()).map(|element| network(element)).collect();
    settings.ok_or_report(key, networks).unwrap_or_default()
}
