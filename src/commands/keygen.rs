//! `keygen`: generates an API key for a client, and its hash for the configuration.

use std::io::{self, Read};

use aws_lc_rs::rand;

use super::CommandError;
use crate::config::hash_of_key;

/// What `keygen` prints.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Options {
    /// Read an existing key from standard input, and print only its hash. A line end after the key is ignored
    #[arg(long)]
    hash: bool,
}

/// Begins every key, so that secret scanners recognise one that was published by mistake.
const PREFIX: &str = "tg_";
/// 256 bits cannot be guessed, so an unsalted hash of the key is enough.
const RANDOM_BYTES: usize = 32;
/// In bytes. A request head has at most 32 KiB.
const MAX_KEY_LENGTH: u64 = 8_192;

/// Prints a new key, its hash, and a section for the configuration file; or the hash of a key from standard input.
///
/// # Errors
/// When the system provides no random numbers, standard input has no key, or standard output cannot be written.
pub fn run(options: Options) -> Result<(), CommandError> {
    let text = if options.hash { hash_of_input(io::stdin().lock())? } else { new_key()? };
    Ok(super::print(&text)?)
}

fn new_key() -> io::Result<String> {
    let mut bytes = [0; RANDOM_BYTES];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the system provides no random numbers"))?;
    let key = format!("{PREFIX}{}", hex::encode(bytes));
    let hash = hex::encode(hash_of_key(&key));
    Ok(format!(
        "key     {key}
sha256  {hash}

Give the key only to the client; it is not shown again. Put the hash in the configuration; replace NAME with the client's name:

  [auth]
  mode = \"api-key\"

  [auth.clients.NAME]
  key_sha256 = [\"{hash}\"]
  scopes = [\"orders:read\"]
"
    ))
}

/// The hash of the key as clients can send it: on one line, of printable ASCII characters without spaces.
fn hash_of_input(input: impl Read) -> io::Result<String> {
    let mut text = Vec::new();
    input.take(MAX_KEY_LENGTH + 1).read_to_end(&mut text)?;
    let key = str::from_utf8(&text).map(|text| text.trim_start_matches('\u{feff}').trim()).unwrap_or_default();
    let is_sendable = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_sendable || text.len() as u64 > MAX_KEY_LENGTH {
        let reason = "standard input must have one key: printable ASCII characters without spaces, on one line";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    Ok(format!("{}\n", hex::encode(hash_of_key(key))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_does_not_depend_on_the_line_end() {
        let expected = format!("{}\n", hex::encode(hash_of_key("low-key")));
        for input in ["low-key", "low-key\n", "low-key\r\n", " low-key \n\n", "\u{feff}low-key"] {
            assert_eq!(hash_of_input(input.as_bytes()).unwrap(), expected, "{input:?}");
        }
    }

    #[test]
    fn input_without_one_key_is_an_error() {
        for input in ["", "\n", "one two", "one\ntwo\n", "nyckel-å", &"x".repeat(8_193)] {
            assert_eq!(hash_of_input(input.as_bytes()).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{input:.9}");
        }
    }
}
