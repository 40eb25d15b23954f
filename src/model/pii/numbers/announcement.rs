//! Words before a number that say what it is: `ordernr 0012345`, `VLAN 101-110`, `kl 8-12`, `tel 1740605`.

use super::groups::Groups;

/// What a word says about the number after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announcement {
    /// An identity number.
    Identity,
    /// A phone number.
    Phone,
    /// A clock time.
    Time,
    /// The number of a thing: an order, an invoice, a device.
    Thing,
    /// The number by which somebody is known, which may well be an identity or phone number.
    Reference,
    /// Small numbers, often several: VLANs, ports, apartments.
    List,
}

/// Words before a number that are skipped: `nås på`, `ordernr:`, `är`.
const MAX_SKIPPED: usize = 3;
/// Characters between a word and its number.
const MAX_PUNCTUATION: usize = 4;
/// Longest word that is compared.
const MAX_WORD: usize = 24;

/// What the word before a group says about it.
pub(super) fn announcement(groups: &Groups<'_>, first: usize) -> Option<Announcement> {
    let mut position = groups.start(first);
    let mut is_id = false;
    let mut after = String::new();
    for _ in 0..=MAX_SKIPPED {
        let punctuation = characters_before(groups, position, MAX_PUNCTUATION, |character| !character.is_alphanumeric());
        if punctuation.contains(['\0', '*', ',', ';', ')', '\n', '!', '?', '@']) {
            break;
        }
        if punctuation.contains('#') {
            is_id = true;
        }
        position -= punctuation.chars().count();
        let written = characters_before(groups, position, MAX_WORD, char::is_alphabetic);
        let is_glued = punctuation.is_empty() || punctuation == "-" || punctuation == "_";
        position -= written.chars().count();
        if written.is_empty() {
            break;
        }
        let word: String = written.chars().map(fold).collect();
        // Letters that mean something only together: `S/N`, `p-nr`.
        let meaning = match (word.as_str(), after.as_str()) {
            ("s", "n") => Meaning::Announces(Announcement::Thing),
            ("p", "nr") => Meaning::Announces(Announcement::Identity),
            (word, _) => meaning(word),
        };
        after = word;
        match meaning {
            Meaning::Announces(announcement) => return Some(announcement),
            Meaning::Id => is_id = true,
            Meaning::Skipped => {}
            Meaning::None if is_id => break,
            // Codes such as `INC0012345`, `ALCLF1234567`.
            Meaning::None if is_glued && written.len() > 1 && written.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                return Some(Announcement::Reference);
            }
            Meaning::None => return None,
        }
    }
    is_id.then_some(Announcement::Reference)
}

/// The characters that end at a position and all fit, at most so many.
fn characters_before(groups: &Groups<'_>, position: usize, most: usize, fits: impl Fn(char) -> bool) -> String {
    let characters =
        groups.text.characters(position.saturating_sub(most)..position).rev().take_while(|character| fits(*character));
    characters.collect::<Vec<_>>().into_iter().rev().collect()
}

/// Lower case without diacritics, which systems lose.
fn fold(character: char) -> char {
    match character.to_lowercase().next().unwrap_or(character) {
        'å' | 'ä' | 'á' | 'à' | 'æ' => 'a',
        'ö' | 'ø' | 'ó' => 'o',
        'é' | 'è' => 'e',
        'ü' => 'u',
        other => other,
    }
}

enum Meaning {
    Announces(Announcement),
    /// A word such as `id`: the one before it may say more.
    Id,
    Skipped,
    None,
}

/// The meaning of a word, in lower case and without diacritics.
fn meaning(word: &str) -> Meaning {
    use Meaning::{Announces, Id, None, Skipped};
    match word {
        "id" | "ref" | "referens" | "kod" | "key" => return Id,
        "nr" | "nummer" | "numret" | "num" | "no" | "number" | "ar" | "pa" | "till" | "a" | "n" | "kunden" | "honom"
        | "henne" | "oss" | "mig" | "dem" => return Skipped,
        _ => {}
    }
    if let Some(announcement) = of_stem(word).or_else(|| of_stem(word.strip_suffix('s')?)) {
        return Announces(announcement);
    }
    for suffix in ["nummer", "numret", "nr", "id", "no", "kod"] {
        if let Some(stem) = word.strip_suffix(suffix) {
            let known = of_stem(stem).or_else(|| of_stem(stem.strip_suffix('s').unwrap_or(stem)));
            return known.map_or_else(|| if is_person(stem) { Announces(Announcement::Reference) } else { None }, Announces);
        }
    }
    if is_person(word) { Skipped } else { None }
}

/// Words that announce only together with `nr` and the like.
fn is_person(stem: &str) -> bool {
    matches!(stem, "kund" | "kunds" | "medlem" | "medlems" | "anvandar" | "anvandare" | "klient" | "abonnent" | "user")
}

fn of_stem(stem: &str) -> Option<Announcement> {
    let announcement = match stem {
        "pnr" | "pers" | "person" | "personn" | "personnummer" | "samordning" | "interim" | "identitet" | "fodelse"
        | "fodsel" | "ssn" | "cpr" | "hetu" | "fnr" | "kennitala" => Announcement::Identity,
        "tel" | "tele" | "telefon" | "telefonen" | "tfn" | "tlf" | "tfon" | "mob" | "mobil" | "mobilen" | "mobiltel"
        | "mobiltelefon" | "ring" | "ringa" | "ringer" | "ringde" | "ringt" | "sms" | "smsa" | "fax" | "phone" | "cell"
        | "call" | "nas" | "kontakt" | "whatsapp" => Announcement::Phone,
        "kl" | "klockan" | "mellan" | "tid" | "tiden" => Announcement::Time,
        "order" | "ordern" | "best" | "bestallning" | "serie" | "serien" | "serial" | "sn" | "faktura" | "fakturan"
        | "fakt" | "invoice" | "ocr" | "arende" | "arendet" | "ticket" | "case" | "incident" | "felanmalan" | "artikel"
        | "art" | "modell" | "mac" | "imei" | "iccid" | "sim" | "simkort" | "ean" | "gtin" | "ts" | "timestamp" | "epoch"
        | "offert" | "projekt" | "matar" | "matare" | "anlaggning" | "objekt" | "kabel" | "kolli" | "paket" | "sandning"
        | "sparning" | "tracking" | "batch" | "lot" | "avtal" | "bankgiro" | "plusgiro" | "bg" | "pg" | "iban" | "konto"
        | "clearing" | "verifikat" | "version" | "firmware" | "fw" | "build" | "produkt" | "request" | "byte" | "bytes"
        | "packets" | "errors" | "rma" | "retur" | "modem" | "router" => Announcement::Thing,
        // A company's number never looks like a person's, but that of a sole trader is one.
        "org" | "organisation" => Announcement::Reference,
        "vlan" | "port" | "portar" | "portarna" | "porten" | "lgh" | "lagenhet" | "lagenheter" | "lagenheterna" | "slot"
        | "kanal" | "fiber" | "fibrer" | "skarv" | "skarvar" | "position" | "olt" | "ont" | "hus" | "rum" | "vecka" => {
            Announcement::List
        }
        _ => return None,
    };
    Some(announcement)
}
