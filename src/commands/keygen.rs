//! `keygen`: generates an API key for a client, and its hash for the configuration.

use aws_lc_rs::rand;

use super::CommandError;
use crate::config::hash_of_key;

/// Begins every key, so that secret scanners recognise one that was published by mistake.
const PREFIX: &str = "tg_";
/// 256 bits cannot be guessed, so an unsalted hash of the key is enough.
const RANDOM_BYTES: usize = 32;

/// Prints a new key, its hash, and a section for the configuration file.
///
/// # Errors
/// When the system provides no random numbers.
pub fn run() -> Result<(), CommandError> {
    let mut bytes = [0; RANDOM_BYTES];
    rand::fill(&mut bytes).map_err(|_| std::io::Error::other("the system provides no random numbers"))?;
    let key = format!("{PREFIX}{}", hex::encode(bytes));
    let hash = hex::encode(hash_of_key(&key));
    println!(
        "key     {key}
sha256  {hash}

Give the key only to the client; it is not shown again. Put the hash in the configuration; replace NAME with the client's name:

  [auth]
  mode = \"api-key\"

  [auth.clients.NAME]
  key_sha256 = [\"{hash}\"]
  scopes = [\"orders:read\"]"
    );
    Ok(())
}
