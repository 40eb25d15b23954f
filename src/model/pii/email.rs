//! Finds e-mail addresses, also as people write them against machines: `tolvan @ example.com`, `tolvan(at)example.com`,
//! `tolvan snabel-a example punkt com`.

use std::ops::Range;

use super::normalized::Normalized;

/// Longest word that may stand for `@` or for a full stop, with its brackets.
const MAX_WORD: usize = 12;
/// Maximum number of blanks between the parts of an address.
const MAX_BLANKS: usize = 3;
/// Maximum number of spelled full stops on each side.
const MAX_STOPS: usize = 6;
/// Longest name or host that is redacted; standards allow 64 and 253 bytes.
const MAX_RUN: usize = 256;
/// Longest quoted name: `"Tolvan T"@example.com`.
const MAX_QUOTED: usize = 64;
/// Top-level domains before which a blank may have slipped in: `example .com`.
const DOMAINS: [&str; 12] = ["com", "se", "nu", "net", "org", "eu", "no", "dk", "fi", "info", "io", "example"];

/// What stands for the `@` of an address.
#[derive(Debug)]
struct At {
    range: Range<usize>,
    /// How certain it is that it means an `@`.
    kind: AtKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtKind {
    /// The character.
    Sign,
    /// `(at)`, `snabel-a`
    Spelled,
    /// The word `at` alone, which has other meanings.
    Word,
}

/// Ranges of characters of e-mail addresses.
pub(super) fn email_addresses(text: &Normalized) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut done = 0;
    let mut position = 0;
    while position < text.len() {
        let Some(at) = at_sign(text, position) else {
            position += 1;
            continue;
        };
        if let Some(range) = address(text, &at, done) {
            done = range.end;
            ranges.push(range);
        }
        position = at.range.end;
    }
    ranges
}

/// The address around an `@`, which begins after `done`.
fn address(text: &Normalized, at: &At, done: usize) -> Option<Range<usize>> {
    let name_end = skip_blanks_back(text, at.range.start);
    let name_start = name_start(text, name_end, done.min(at.range.start));
    let host_start = skip_blanks(text, at.range.end);
    let host = host(text, host_start);
    let is_glued = name_end == at.range.start && host_start == at.range.end;
    // After another address, `a@b@c`, the rest of it is a name.
    let has_name = name_start < name_end || done > 0 && done == at.range.start;
    if !has_name || host.end == host_start {
        return None;
    }
    let is_price = name_start < name_end
        && text.characters(name_start..name_end).chain(text.characters(host_start..host_start + 1)).all(|c| c.is_ascii_digit());
    let is_address = match at.kind {
        AtKind::Sign => host.has_domain || is_glued && !is_price,
        AtKind::Spelled => host.has_domain || is_glued && text.characters(host_start..host.end).any(char::is_alphabetic),
        AtKind::Word => host.has_domain,
    };
    is_address.then_some(name_start..host.end)
}

/// What stands for an `@` at this position, if anything does.
fn at_sign(text: &Normalized, position: usize) -> Option<At> {
    let first = text.at(Some(position))?;
    if first == '@' {
        return Some(At { range: position..position + 1, kind: AtKind::Sign });
    }
    let (kind, length) = match first.to_ascii_lowercase() {
        '(' | '[' | '{' | '*' | '<' | '-' | '_' => {
            let (word, length) = bracketed(text, position)?;
            let is_at = matches!(word.as_str(), "at" | "a" | "@" | "snabel-a" | "snabela" | "snabel a" | "ät" | "alfa");
            let is_bracketed = "([{<".contains(first);
            let kind = if is_bracketed || word.starts_with("snabel") { AtKind::Spelled } else { AtKind::Word };
            (is_at && (is_bracketed || word != "a")).then_some((kind, length))?
        }
        's' | 'a' if text.before(position).is_none_or(|before| !before.is_alphanumeric()) => {
            let (word, length) = plain_word(text, position);
            match word.as_str() {
                "snabela" | "snabel-a" | "snabel a" => (AtKind::Spelled, length),
                "at" => (AtKind::Word, length),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(At { range: position..position + length, kind })
}

/// A word in brackets or between two equal marks, and the length of both.
fn bracketed(text: &Normalized, position: usize) -> Option<(String, usize)> {
    let close = match text.at(Some(position))? {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        mark => mark,
    };
    let inside = text.characters(position + 1..position + MAX_WORD);
    // A word may contain a hyphen, `snabel-a`, unless hyphens enclose it.
    let word: String = inside.take_while(|character| *character != close).flat_map(char::to_lowercase).collect();
    let length = 1 + word.chars().count();
    let is_closed = text.at(Some(position + length)) == Some(close);
    is_closed.then(|| (word.trim().to_owned(), length + 1))
}

/// The word that begins here, with `snabel a` and `snabel-a` as one.
fn plain_word(text: &Normalized, position: usize) -> (String, usize) {
    let lower = |range: Range<usize>| text.characters(range).flat_map(char::to_lowercase);
    let limit = position + MAX_WORD;
    let word: String = lower(position..limit).take_while(|character| character.is_alphanumeric()).collect();
    let mut length = word.chars().count();
    if word == "snabel" {
        let rest: String = lower(position + length..position + length + 3).collect();
        let mut rest = rest.chars();
        let is_a = matches!((rest.next(), rest.next()), (Some(' ' | '-'), Some('a')))
            && rest.next().is_none_or(|c| !c.is_alphanumeric());
        if is_a {
            length += 2;
            return ("snabel-a".to_owned(), length);
        }
    }
    (word, length)
}

/// The host that begins at a position.
struct Host {
    end: usize,
    /// Whether it has a full stop before a top-level domain, or is an IP address.
    has_domain: bool,
}

fn host(text: &Normalized, start: usize) -> Host {
    if text.at(Some(start)) == Some('[') {
        let length =
            text.characters(start + 1..start + MAX_QUOTED).take_while(|c| c.is_ascii_hexdigit() || ".:".contains(*c)).count();
        if length > 0 && text.at(Some(start + 1 + length)) == Some(']') {
            return Host { end: start + length + 2, has_domain: true };
        }
    }
    let mut end = label_run(text, start);
    let mut has_domain = is_domain(text, start..end);
    for _ in 0..MAX_STOPS {
        let Some(next) = spelled_stop(text, end, has_domain) else { break };
        let run = label_run(text, next);
        if run == next {
            break;
        }
        has_domain = true;
        end = run;
    }
    Host { end, has_domain }
}

/// The end of the run of characters of an address that begins here, without the punctuation after it.
fn label_run(text: &Normalized, start: usize) -> usize {
    let run = text.characters(start..start + MAX_RUN);
    let length = run.take_while(|character| is_host_part(*character)).count();
    let trailing = text.characters(start..start + length).rev().take_while(|character| is_punctuation(*character)).count();
    start + length - trailing
}

/// Whether a run of characters ends with a top-level domain or is an IP address.
fn is_domain(text: &Normalized, range: Range<usize>) -> bool {
    let top: Vec<char> = text.characters(range.clone()).rev().take_while(|character| *character != '.').collect();
    let has_stop = top.len() + 1 < range.len();
    has_stop
        && (top.len() >= 2 && top.iter().all(|c| c.is_alphabetic())
            || text.characters(range).all(|c| c.is_ascii_digit() || c == '.'))
}

/// The position after a full stop that is spelled or has blanks around it: `(dot)`, ` punkt `, ` . com`.
fn spelled_stop(text: &Normalized, end: usize, has_domain: bool) -> Option<usize> {
    let start = skip_blanks(text, end);
    let after = if let Some((_, length)) = bracketed(text, start).filter(|(word, _)| is_stop(word)) {
        skip_blanks(text, start + length)
    } else if text.at(Some(start)) == Some('.') {
        let after = skip_blanks(text, start + 1);
        let run = text.characters(after..label_run(text, after)).flat_map(char::to_lowercase).collect::<String>();
        return (!has_domain && DOMAINS.contains(&run.as_str())).then_some(after);
    } else {
        let (word, length) = plain_word(text, start);
        if start == end || !is_stop(&word) || word == "." {
            return None;
        }
        skip_blanks(text, start + length)
    };
    Some(after)
}

fn is_stop(word: &str) -> bool {
    matches!(word, "dot" | "punkt" | "." | "pkt")
}

/// The start of the name that ends at a position, at or after `limit`.
fn name_start(text: &Normalized, end: usize, limit: usize) -> usize {
    if text.before(end) == Some('"') {
        let quoted =
            text.characters(limit.max(end.saturating_sub(MAX_QUOTED))..end - 1).rev().take_while(|c| *c != '"').count();
        let open = (end - 1).saturating_sub(quoted + 1);
        if open >= limit && text.at(Some(open)) == Some('"') {
            return open;
        }
    }
    let mut start = name_run(text, end, limit);
    for _ in 0..MAX_STOPS {
        let Some(before) = spelled_stop_back(text, start, limit) else { break };
        let run = name_run(text, before, limit);
        if run == before {
            break;
        }
        start = run;
    }
    start
}

fn name_run(text: &Normalized, end: usize, limit: usize) -> usize {
    let run = text.characters(limit.max(end.saturating_sub(MAX_RUN))..end);
    let length = run.rev().take_while(|character| is_name_part(*character)).count();
    let leading = text.characters(end - length..end).take_while(|character| is_punctuation(*character)).count();
    end - length + leading
}

/// The position before a spelled full stop that ends at a position.
fn spelled_stop_back(text: &Normalized, end: usize, limit: usize) -> Option<usize> {
    let stop_end = skip_blanks_back(text, end);
    let start = stop_end.saturating_sub(MAX_WORD).max(limit);
    let before: String = text.characters(start..stop_end).flat_map(char::to_lowercase).collect();
    let stop = ["(dot)", "[dot]", "{dot}", "(punkt)", "[punkt]", "(.)", "[.]", " dot", " punkt"]
        .into_iter()
        .find(|stop| before.ends_with(stop))?;
    let is_word = stop.starts_with(' ');
    let length = stop.chars().count();
    let name_end = skip_blanks_back(text, stop_end.checked_sub(length)?);
    (!is_word || stop_end < end).then_some(name_end)
}

fn skip_blanks(text: &Normalized, start: usize) -> usize {
    let blanks = text.characters(start..start + MAX_BLANKS).take_while(|c| *c == ' ').count();
    start + blanks
}

fn skip_blanks_back(text: &Normalized, end: usize) -> usize {
    let blanks = text.characters(end.saturating_sub(MAX_BLANKS)..end).rev().take_while(|c| *c == ' ').count();
    end - blanks
}

/// Whether a character can be part of the name before the `@`.
fn is_name_part(character: char) -> bool {
    !character.is_whitespace() && !"<>(),;:\"[]{}=/*@\0".contains(character)
}

/// Whether a character can be part of the host.
fn is_host_part(character: char) -> bool {
    character.is_alphanumeric() || ".-_'".contains(character)
}

/// Punctuation around an address that could also be part of it.
fn is_punctuation(character: char) -> bool {
    ".!?'-_".contains(character)
}
