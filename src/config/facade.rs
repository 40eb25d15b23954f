//! Section `facade`: the legacy protocol in front of other systems.

mod answers;
mod client;
mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use ipnet::IpNet;

pub use answers::{Answers, Declaration, FailureOrder, FailureStatus, NotFoundAnswer, OrdersRoot, XmlType};
pub use client::FacadeClient;
pub use route::Route;

use super::error::InvalidValue;
use super::server::{Addresses, MIN_SECRET_LENGTH, network};
use super::settings::{Settings, boolean, parsed};
use super::{Dialect, JsonBackend, Reload, Secret, upstream};

/// The legacy protocol in front of other systems.
#[derive(Debug, Clone)]
pub struct Facade {
    /// Address of the endpoint. Default `127.0.0.1:8082`; `GATEWAY__FACADE__LISTEN`.
    pub listen: SocketAddr,
    /// Dialect of the protocol. Default `network`; `GATEWAY__FACADE__DIALECT`.
    pub dialect: Dialect,
    /// Path of the endpoint. Default `/admin/edit/services/plain/orders`, in the dialect `provider`
    /// `/plain/serviceguide_log`; `GATEWAY__FACADE__PATH`.
    pub path: String,
    /// HMAC key for logins and for keys of messages, at least 16 characters and identical on all replicas. Required in the
    /// dialect `provider`, and with `trusted_proxies`; `GATEWAY__FACADE__SECRET` or `…_SECRET_FILE`.
    pub secret: Option<Secret>,
    /// The previous `secret` while it is rotated: its logins are still accepted. `GATEWAY__FACADE__PREVIOUS_SECRET` or
    /// `…_PREVIOUS_SECRET_FILE`.
    pub previous_secret: Option<Secret>,
    /// Trusted proxies for `X-Forwarded-For` and `X-Request-ID`, as addresses or networks. Default: none;
    /// `GATEWAY__FACADE__TRUSTED_PROXIES`.
    pub trusted_proxies: Vec<IpNet>,
    /// Permits a backend whose token shows masked data: legacy clients then get them. Default false;
    /// `GATEWAY__FACADE__ALLOW_MASKED`.
    pub allow_masked: bool,
    /// Sections `facade.backends.<name>`: the JSON systems.
    pub backends: BTreeMap<String, JsonBackend>,
    /// Section `facade.route`: where calls go.
    pub route: Route,
    /// Sections `facade.clients.<name>`: at least one.
    pub clients: BTreeMap<String, FacadeClient>,
    /// Section `facade.answers`: the form of answers.
    pub answers: Answers,
}

/// The section of the JSON systems.
const BACKENDS: &str = "facade.backends";

impl Facade {
    /// `None` when a required setting is missing or not valid, which is reported. The others are read even then.
    pub(super) fn read(settings: &mut Settings) -> Option<Self> {
        let systems = system_names(settings);
        let address = parsed("an IP address and a port, such as 127.0.0.1:8082");
        let listen = settings.or_default("facade.listen", SocketAddr::from(([127, 0, 0, 1], 8082)), address);
        let dialect = settings.or_default("facade.dialect", Dialect::default(), upstream::dialect);
        let default_path = match dialect {
            Dialect::Network => "/admin/edit/services/plain/orders",
            Dialect::Provider => "/plain/serviceguide_log",
        };
        let path = settings.or_default("facade.path", default_path.to_owned(), path);
        let trusted_proxies = settings.list_of("facade.trusted_proxies", network);
        let (secret, previous_secret) = read_secrets(settings, dialect, !trusted_proxies.is_empty());
        let allow_masked = settings.or_default("facade.allow_masked", false, boolean);
        let answers = Answers::read(settings);
        let backends = read_backends(settings);
        let route = Route::read(settings, &systems);
        let clients = client::read_all(settings, dialect, answers.charset, &systems);
        Some(Self {
            listen,
            dialect,
            path,
            secret,
            previous_secret,
            trusted_proxies,
            allow_masked,
            backends,
            route: route?,
            clients: clients?,
            answers,
        })
    }

    /// Reports what concerns the sockets of section `server` too.
    pub(super) fn check_addresses(&self, settings: &mut Settings, server: Addresses) {
        if self.listen == server.ops_listen && self.listen.port() != 0 {
            let reason = "is the same as facade.listen: probes need a port of their own";
            settings.report("server.ops_listen", InvalidValue::Conflict(reason.into()));
        }
    }

    /// All values that come from files and are reloaded when these change.
    pub(super) fn reloads(&self) -> Vec<Box<dyn Reload>> {
        let clients = self.clients.values();
        let of_clients = clients.flat_map(|client| [Some(&client.api_user), client.api_key.as_ref(), client.token.as_ref()]);
        let secrets = [self.secret.as_ref(), self.previous_secret.as_ref()].into_iter().chain(of_clients).flatten();
        let secrets = secrets.map(|secret| Box::new(secret.clone()) as Box<dyn Reload>);
        secrets.chain(self.backends.values().flat_map(JsonBackend::reloads)).collect()
    }
}

/// The JSON systems that are valid; what is wrong with the others is reported.
pub(super) fn read_backends(settings: &mut Settings) -> BTreeMap<String, JsonBackend> {
    let names = settings.names_below(BACKENDS).into_iter();
    names.filter_map(|name| JsonBackend::read(settings, &format!("{BACKENDS}.{name}")).map(|backend| (name, backend))).collect()
}

/// The names of all systems. A name that two sections have names nothing.
pub(super) fn system_names(settings: &mut Settings) -> BTreeSet<String> {
    let (upstreams, backends) = (settings.names_below("upstreams"), settings.names_below(BACKENDS));
    for name in upstreams.intersection(&backends) {
        let reason = format!("is the name of a section of upstreams too: give each system a name of its own ({name})");
        settings.report(&format!("{BACKENDS}.{name}"), InvalidValue::Conflict(reason.into()));
    }
    if upstreams.is_empty() && backends.is_empty() {
        let what = "the system behind the facade: a section facade.backends.<name> or upstreams.<name>";
        settings.report(BACKENDS, InvalidValue::Missing(what.into()));
    }
    upstreams.union(&backends).cloned().collect()
}

fn read_secrets(settings: &mut Settings, dialect: Dialect, has_proxies: bool) -> (Option<Secret>, Option<Secret>) {
    let is_required = dialect == Dialect::Provider || has_proxies;
    let secret = if is_required {
        let what = "it signs logins of the dialect provider, and keys of messages that trusted_proxies may repeat";
        settings.secret("facade.secret", what, MIN_SECRET_LENGTH)
    } else {
        settings.optional_secret("facade.secret", MIN_SECRET_LENGTH)
    };
    let previous = settings.optional_secret("facade.previous_secret", MIN_SECRET_LENGTH);
    let has_secret = settings.is_given("facade.secret") || settings.is_given("facade.secret_file");
    if previous.is_some() && !has_secret {
        let reason = "needs facade.secret, which replaces it";
        settings.report("facade.previous_secret", InvalidValue::Conflict(reason.into()));
    }
    (secret, previous)
}

fn path(text: &str) -> Result<String, InvalidValue> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@%".contains(&byte);
    let is_valid = text.starts_with('/') && text.bytes().all(is_plain);
    is_valid.then(|| text.to_owned()).ok_or(InvalidValue::expected("a path that begins with /, without a query"))
}
