//! Keys and values, wherever they come from, and the faults in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::Secret;

/// What is left to be read, and what was wrong so far.
#[derive(Debug)]
pub(super) struct Settings {
    values: BTreeMap<String, Value>,
    /// Every key that was given, also those that were read already.
    given: BTreeSet<String>,
    faults: Vec<String>,
}

#[derive(Debug, Clone)]
enum Value {
    One(String),
    Many(Vec<String>),
}

/// Why a value does not fit: a sentence that follows the key.
pub(super) type ConfigError = String;

const PREFIX: &str = "GATEWAY__";

impl Settings {
    pub(super) fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut settings = Self { values: BTreeMap::new(), given: BTreeSet::new(), faults: Vec::new() };
        if let Some(path) = file {
            settings.load_file(path);
        }
        for (variable, value) in environment {
            if let Some(key) = variable.strip_prefix(PREFIX) {
                settings.values.insert(key.to_lowercase().replace("__", "."), Value::One(value));
            }
        }
        settings.given = settings.values.keys().cloned().collect();
        settings
    }

    /// Whether a key was given and not read yet.
    pub(super) fn is_pending(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Notes that something is wrong with a key.
    pub(super) fn fault(&mut self, key: &str, what: &str) {
        self.faults.push(format!("{key} {what}"));
    }

    /// Whether a key was given, also when its value does not fit.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.given.contains(key)
    }

    /// The value of a key that need not be there.
    pub(super) fn optional<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, ConfigError>) -> Option<T> {
        let parsed = match self.values.remove(key)? {
            Value::One(text) => parse(&text),
            Value::Many(_) => Err("must be one value, not a list".to_owned()),
        };
        parsed.map_err(|misfit| self.fault(key, &misfit)).ok()
    }

    /// The value of a key, or its default.
    pub(super) fn or_default<T>(&mut self, key: &str, default: T, parse: impl FnOnce(&str) -> Result<T, ConfigError>) -> T {
        self.optional(key, parse).unwrap_or(default)
    }

    /// The value of a key that must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, ConfigError>,
    ) -> Option<T> {
        if !self.values.contains_key(key) {
            self.fault(key, &format!("is missing: {what}"));
        }
        self.optional(key, parse)
    }

    /// The values of a list, or its default.
    pub(super) fn list(&mut self, key: &str, default: &[&str]) -> Vec<String> {
        let values: Vec<_> = match self.values.remove(key) {
            Some(Value::Many(values)) => values,
            Some(Value::One(text)) => text.split(',').map(str::to_owned).collect(),
            None => default.iter().map(|&value| value.to_owned()).collect(),
        };
        if values.iter().any(|value| value.trim().is_empty()) {
            self.fault(key, "has an element that is empty or no text");
        }
        values.iter().map(|value| value.trim().to_owned()).collect()
    }

    /// The values of a list that need not be there, each of which must fit.
    pub(super) fn list_of<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, ConfigError>) -> Vec<T> {
        let parsed = self.list(key, &[]).iter().map(|value| parse(value)).collect::<Result<Vec<_>, _>>();
        parsed.map_err(|misfit| self.fault(key, &misfit)).unwrap_or_default()
    }

    /// Takes out everything below a section that is not read; whether there was anything.
    pub(super) fn drop_below(&mut self, section: &str) -> bool {
        let before = self.values.len();
        self.values.retain(|key, _| !key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')));
        self.values.len() < before
    }

    /// A secret that need not be there; see [`Self::secret`].
    pub(super) fn optional_secret(&mut self, key: &str, min_length: usize) -> Option<Secret> {
        let is_given = self.values.contains_key(key) || self.values.contains_key(&format!("{key}_file"));
        if is_given { self.secret(key, "", min_length) } else { None }
    }

    /// A secret of so many characters at least that must be there, given as it is or in a file. Neither ever stands in a fault.
    pub(super) fn secret(&mut self, key: &str, what: &str, min_length: usize) -> Option<Secret> {
        let file_key = format!("{key}_file");
        match (self.values.contains_key(key), self.values.contains_key(&file_key)) {
            (true, true) => {
                self.values.remove(key);
                self.values.remove(&file_key);
                self.fault(key, &format!("and {file_key} are both given: give one"));
                None
            }
            (false, true) => self.optional(&file_key, |path| Secret::read(key, Path::new(path), min_length)),
            _ => self.required(key, what, |text| Secret::parse(key, text, min_length)),
        }
    }

    /// The names that stand below a section, such as `default` below `upstreams`.
    pub(super) fn names_below(&self, section: &str) -> BTreeSet<String> {
        let below = self.given.iter().filter_map(|key| key.strip_prefix(section)?.strip_prefix('.')?.split_once('.'));
        below.map(|(name, _)| name.to_owned()).collect()
    }

    /// All faults, those of keys that nothing has read included.
    pub(super) fn finish(mut self) -> Result<(), Vec<String>> {
        let unknown: Vec<_> = self.values.keys().map(|key| format!("{key} is no key of this version")).collect();
        self.faults.extend(unknown);
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults) }
    }

    fn load_file(&mut self, path: &Path) {
        let name = path.display();
        match std::fs::read_to_string(path) {
            Err(error) => self.faults.push(format!("{name} cannot be read: {error}")),
            Ok(text) => match text.parse::<toml::Table>() {
                Err(error) => {
                    let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
                    self.faults.push(format!("{name} is no TOML, near line {line}: {}", error.message()));
                }
                Ok(table) => self.flatten("", table),
            },
        }
    }

    fn flatten(&mut self, prefix: &str, table: toml::Table) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
            match value {
                toml::Value::Table(table) => self.flatten(&key, table),
                toml::Value::Array(values) => {
                    self.values.insert(key, Value::Many(values.into_iter().map(scalar).collect()));
                }
                value => {
                    self.values.insert(key, Value::One(scalar(value)));
                }
            }
        }
    }
}

fn scalar(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(truth) => truth.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        // Neither fits anything that can be configured, and both are told by their keys.
        toml::Value::Array(_) | toml::Value::Table(_) => String::new(),
    }
}

/// Reads anything that has a text form.
pub(super) fn parsed<T: std::str::FromStr>(what: &'static str) -> impl Fn(&str) -> Result<T, ConfigError> {
    move |text| text.trim().parse().map_err(|_| format!("must be {what}"))
}

/// Reads `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, ConfigError> {
    parsed("true or false")(text)
}

/// Reads a time with its unit, from a millisecond to a day.
pub(super) fn duration(text: &str) -> Result<Duration, ConfigError> {
    let time = any_duration(text)?;
    if time.is_zero() { Err("must be longer than 0s".to_owned()) } else { Ok(time) }
}

/// Reads a time with its unit; none at all is allowed too.
pub(super) fn any_duration(text: &str) -> Result<Duration, ConfigError> {
    const DAY: Duration = Duration::from_hours(24);
    let parsed = text.trim().parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    parsed
        .filter(|time| *time <= DAY)
        .ok_or_else(|| "must be a time with its unit, such as 500ms, 25s or 5m, of a day at most".to_owned())
}

/// Reads a whole number within bounds.
pub(super) fn whole<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    bounds: std::ops::RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, ConfigError> {
    move |text| {
        let number = text.trim().parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| format!("must be a whole number from {} to {}", bounds.start(), bounds.end()))
    }
}

/// Reads a number of bytes from 1 KiB to 1 GiB.
pub(super) fn size(text: &str) -> Result<u64, ConfigError> {
    let size = text.trim().parse().ok().filter(|size| (1024..=1024 * 1024 * 1024).contains(size));
    size.ok_or_else(|| "must be a number of bytes from 1024 to 1073741824".to_owned())
}
