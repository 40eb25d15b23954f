//! `keygen`: a key for a client, and what the configuration must know of it.

use aws_lc_rs::rand;

use super::CommandError;
use crate::config::hash_of_key;

/// What every key begins with, so that one that got lost is known for what it is.
const PREFIX: &str = "tg_";
/// How many random bytes follow: more than anybody can try.
const LENGTH: usize = 32;

/// Prints a new key, its hash, and a section for the configuration.
///
/// # Errors
/// When the system has no random numbers.
pub fn run() -> Result<(), CommandError> {
    let mut bytes = [0; LENGTH];
    rand::fill(&mut bytes).map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
    let key = format!("{PREFIX}{}", hex::encode(bytes));
    let hash = hex::encode(hash_of_key(&key));
    println!(
        "key     {key}
sha256  {hash}

Give the key to the client and to nobody else; it is shown only now. The configuration has the hash, which calls nobody's name:

  [auth]
  mode = \"api-key\"

  [auth.clients.NAME]
  key_sha256 = [\"{hash}\"]
  scopes = [\"orders:read\"]"
    );
    Ok(())
}
