//! Access to the values of all configuration keys, from the file and from the environment.
//!
//! Every value is taken out when it is read, so that the keys that are left at the end are unknown ones. Errors are collected:
//! a value that is missing or not valid is reported and the next one is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Secret;
use super::error::{ConfigError, ConfigErrors, InvalidValue};
use super::file::{BoundedFile, FileError};

/// The values that have not been read yet, and the errors so far.
#[derive(Debug, Default)]
pub(super) struct Settings {
    values: BTreeMap<String, Value>,
    /// Every key that was given, including those already read.
    given: BTreeSet<String>,
    /// Every key that was asked for: those that exist.
    known: BTreeSet<String>,
    errors: ConfigErrors,
    /// Why the file could not be read.
    file_error: Option<ConfigError>,
    warnings: Vec<String>,
}

#[derive(Debug, Clone)]
enum Value {
    One(String),
    Many(Vec<String>),
}

const PREFIX: &str = "GATEWAY__";
/// The sections whose sections have names that the operator chooses.
const NAMED_SECTIONS: [&str; 4] = ["upstreams", "auth.clients", "facade.clients", "facade.backends"];

impl Settings {
    pub(super) fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut settings = Self::default();
        if let Some(path) = file {
            settings.load_file(path);
        }
        for (variable, value) in environment {
            if let Some(name) = variable.strip_prefix(PREFIX) {
                settings.load_variable(&name.to_lowercase(), value.trim());
            }
        }
        settings.given = settings.values.keys().cloned().collect();
        settings
    }

    /// An empty variable is the same as none: tools that pass variables on cannot leave one out.
    fn load_variable(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let mut key = String::new();
        for part in name.split("__") {
            key = self.key_below(&key, part);
        }
        // Reported, and left out of the value, so that the rest of it is still checked.
        let in_quotes = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        if in_quotes.is_some() {
            let reason = "is in quotes, which are part of the value here: remove them from the variable";
            self.report(&key, InvalidValue::Conflict(reason.into()));
        }
        let value = in_quotes.unwrap_or(value);
        if !value.is_empty() {
            self.values.insert(key, Value::One(value.to_owned()));
        }
    }

    /// Whether a key was given and has not been read yet.
    pub(super) fn is_pending(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub(super) fn report(&mut self, key: &str, reason: InvalidValue) {
        self.errors.report(key, reason);
    }

    /// Notes something that is valid and hardly intended. It is logged at start: while the configuration is read there is no
    /// log yet.
    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    pub(super) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// The value, or `None` after its error is reported.
    pub(super) fn ok_or_report<T>(&mut self, key: &str, result: Result<T, InvalidValue>) -> Option<T> {
        self.errors.ok_or_report(key, result)
    }

    /// The value, or `None` after its errors are reported.
    pub(super) fn ok_or_report_all<T>(&mut self, result: Result<T, ConfigErrors>) -> Option<T> {
        result.map_err(|errors| self.errors.append(errors)).ok()
    }

    /// Whether a key was given, even with an invalid value.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.given.contains(key)
    }

    /// The value of an optional key. `None` when it was not given or is not valid, which is reported.
    pub(super) fn optional<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, InvalidValue>) -> Option<T> {
        let parsed = match self.take(key)? {
            Value::One(text) => parse(&text),
            Value::Many(_) => Err(InvalidValue::expected("one value, not a list")),
        };
        self.ok_or_report(key, parsed)
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.known.insert(key.to_owned());
        self.values.remove(key)
    }

    /// The value of a key, or its default. The default also stands in for a value that is not valid, so that the other keys
    /// can still be checked; it is reported, so the configuration is not used.
    pub(super) fn or_default<T>(&mut self, key: &str, default: T, parse: impl FnOnce(&str) -> Result<T, InvalidValue>) -> T {
        self.optional(key, parse).unwrap_or(default)
    }

    /// The value of a required key. `what` describes the value for the error when it is missing.
    pub(super) fn required<T>(
        &mut self,
        key: &str,
        what: &'static str,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Option<T> {
        if !self.values.contains_key(key) {
            self.report(key, InvalidValue::Missing(what.into()));
        }
        self.optional(key, parse)
    }

    /// The elements of a list, or its default.
    pub(super) fn list(&mut self, key: &str, default: &[&str]) -> Vec<String> {
        let elements: Vec<_> = match self.take(key) {
            Some(Value::Many(elements)) => elements,
            Some(Value::One(text)) => text.split(',').map(str::to_owned).collect(),
            None => default.iter().map(|&element| element.to_owned()).collect(),
        };
        if elements.iter().any(|element| element.trim().is_empty()) {
            self.report(key, InvalidValue::EmptyElement);
        }
        elements.iter().map(|element| element.trim().to_owned()).collect()
    }

    /// The parsed elements of an optional list. Empty when one of them is not valid, which is reported.
    pub(super) fn list_of<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, InvalidValue>) -> Vec<T> {
        let elements = self.list(key, &[]);
        // Empty ones are reported already.
        let elements = elements.iter().filter(|element| !element.is_empty());
        let parsed = elements.map(|element| parse(element)).collect::<Result<Vec<_>, _>>();
        self.ok_or_report(key, parsed).unwrap_or_default()
    }

    /// Removes all keys below a section, so that they are not reported as unknown. Returns whether there was any.
    pub(super) fn drop_below(&mut self, section: &str) -> bool {
        let before = self.values.len();
        self.values.retain(|key, _| !key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')));
        self.values.len() < before
    }

    /// Removes all keys below a section but those below one of its sections. For a command that reads only these.
    pub(super) fn drop_below_but(&mut self, section: &str, kept: &str) {
        let kept = format!("{section}.{kept}.");
        let is_dropped = |key: &str| key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
        self.values.retain(|key, _| !is_dropped(key) || key.starts_with(&kept));
    }

    /// An optional secret of at least `min_length` characters, from its key, or from the file that its key with `_file` names.
    /// Errors do not contain the secret.
    pub(super) fn optional_secret(&mut self, key: &str, min_length: usize) -> Option<Secret> {
        let file_key = format!("{key}_file");
        if self.is_pending(key) && self.is_pending(&file_key) {
            self.values.remove(key);
            self.values.remove(&file_key);
            self.report(key, InvalidValue::Conflict(format!("and {file_key} are both given: give one").into()));
            return None;
        }
        match self.optional(&file_key, |path| Ok(PathBuf::from(path))) {
            Some(path) => self.ok_or_report_all(Secret::read(key, path, min_length)),
            None => self.optional(key, |text| Secret::parse(key, text, min_length)),
        }
    }

    /// A required secret; see [`Self::optional_secret`]. `what` describes it for the error when it is missing.
    pub(super) fn secret(&mut self, key: &str, what: &'static str, min_length: usize) -> Option<Secret> {
        if !self.is_pending(key) && !self.is_pending(&format!("{key}_file")) {
            self.report(key, InvalidValue::Missing(what.into()));
        }
        self.optional_secret(key, min_length)
    }

    /// The names of the sections below a section, such as `default` below `upstreams`.
    pub(super) fn names_below(&self, section: &str) -> BTreeSet<String> {
        let below = self.given.iter().filter_map(|key| key.strip_prefix(section)?.strip_prefix('.')?.split_once('.'));
        below.map(|(name, _)| name.to_owned()).collect()
    }

    /// A value that was read before all others, or all errors so far.
    pub(super) fn finish_early<T>(mut self, value: T) -> Result<T, ConfigErrors> {
        self.file_error.take().map_or_else(|| self.errors.into_result(value), |error| Err(error.into()))
    }

    /// The configuration, or all errors, including the keys that were not read.
    #[expect(clippy::expect_used, reason = "sections are only left out after an error of them was reported")]
    pub(super) fn finish<T>(mut self, config: Option<T>) -> Result<T, ConfigErrors> {
        // What is missing or wrong is not known without the file.
        if let Some(error) = self.file_error {
            return Err(ConfigErrors::from(error));
        }
        for key in self.values.keys() {
            self.errors.report(key, InvalidValue::UnknownKey(self.similar(key)));
        }
        if self.errors.is_empty() { Ok(config.expect("a valid configuration is complete")) } else { Err(self.errors) }
    }

    /// The key that was probably meant by an unknown one: at most a third of its name, or one letter of its section, is different.
    fn similar(&self, unknown: &str) -> Option<String> {
        let lower_case = unknown.to_lowercase();
        let in_named_section = |section: &str| {
            let (depth, parts) = (section.split('.').count(), lower_case.split('.').collect::<Vec<_>>());
            let rest = parts.get(depth..).filter(|rest| rest.len() > 1)?;
            Some(format!("{section}.{}", rest.join(".")))
        };
        let candidates = self.known.iter().cloned().chain(NAMED_SECTIONS.into_iter().filter_map(in_named_section));
        let distances = candidates.map(|known| (strsim::osa_distance(&known, &lower_case), known));
        let name_length = lower_case.rsplit('.').next().unwrap_or_default().chars().count();
        let (_, known) = distances.filter(|(distance, known)| known != unknown && *distance <= 1.max(name_length / 3)).min()?;
        Some(known)
    }

    fn load_file(&mut self, path: &Path) {
        let contents = BoundedFile::new(path.to_owned()).read();
        let text = contents.and_then(|contents| String::from_utf8(contents.to_vec()).map_err(|_| FileError::NotText));
        let parsed = match &text {
            Ok(text) => text.parse::<toml::Table>().map_err(|error| {
                let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                ConfigError::Toml { path: path.to_owned(), line, message: error.message().to_owned() }
            }),
            Err(reason) => Err(ConfigError::File { path: path.to_owned(), reason: reason.clone() }),
        };
        match parsed {
            Ok(table) => self.flatten("", table),
            Err(error) => self.file_error = Some(error),
        }
    }

    fn flatten(&mut self, prefix: &str, table: toml::Table) {
        for (name, value) in table {
            let key = self.key_below(prefix, &name);
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

    /// The key of a part of a section. A name that the operator chose and that variables could not set is reported, and
    /// replaced by one that they could, so that the rest of its section is still checked.
    fn key_below(&mut self, section: &str, part: &str) -> String {
        let mut part = part.to_owned();
        if NAMED_SECTIONS.contains(&section) && !is_name(&part) {
            let what = "a name of lower-case letters a to z, digits, - and _, which begins and ends with a letter or digit and \
                        has no __: environment variables could not set any other";
            self.report(&format!("{section}.{part}"), InvalidValue::expected(what));
            part = part.to_lowercase().replace(|character: char| !character.is_ascii_alphanumeric(), "-");
        }
        if section.is_empty() { part } else { format!("{section}.{part}") }
    }
}

/// Whether environment variables can set the keys of a section with this name.
fn is_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends_are_inner = name.bytes().next().is_some_and(is_inner) && name.bytes().next_back().is_some_and(is_inner);
    ends_are_inner && !name.contains("__") && name.bytes().all(|byte| is_inner(byte) || matches!(byte, b'-' | b'_'))
}

fn scalar(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(truth) => truth.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        // No setting has nested lists or tables. The empty text is reported as an empty element.
        toml::Value::Array(_) | toml::Value::Table(_) => String::new(),
    }
}

/// Parses any type that has a text form; `what` describes it for the error.
pub(super) fn parsed<T: std::str::FromStr>(what: &'static str) -> impl Fn(&str) -> Result<T, InvalidValue> {
    move |text| text.trim().parse().map_err(|_| InvalidValue::expected(what))
}

pub(super) fn boolean(text: &str) -> Result<bool, InvalidValue> {
    parsed("true or false")(text)
}

/// Parses a duration with its unit, longer than zero and at most a day.
pub(super) fn duration(text: &str) -> Result<Duration, InvalidValue> {
    let time = any_duration(text)?;
    if time.is_zero() { Err(InvalidValue::expected("longer than 0s")) } else { Ok(time) }
}

/// Parses a duration with its unit, from zero to a day.
pub(super) fn any_duration(text: &str) -> Result<Duration, InvalidValue> {
    const DAY: Duration = Duration::from_hours(24);
    let parsed = text.trim().parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    parsed
        .filter(|time| *time <= DAY)
        .ok_or(InvalidValue::expected("a duration with its unit, such as 500ms, 25s or 5m, and at most a day"))
}

/// Parses an integer within bounds.
pub(super) fn whole<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    bounds: std::ops::RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, InvalidValue> {
    move |text| {
        let number = text.trim().parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| InvalidValue::Expected(format!("an integer from {} to {}", bounds.start(), bounds.end()).into()))
    }
}

/// Parses a size in bytes, from 1 KiB to 1 GiB.
pub(super) fn size(text: &str) -> Result<u64, InvalidValue> {
    let size = text.trim().parse().ok().filter(|size| (1024..=1024 * 1024 * 1024).contains(size));
    size.ok_or(InvalidValue::expected("a number of bytes from 1024 to 1073741824"))
}
