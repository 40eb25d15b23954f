//! Redacts PII in free text: identity numbers, phone numbers and e-mail addresses.
//!
//! The text is normalised and searched; what is found is redacted in the original text, of which everything else stays as it
//! is. `tests/fixtures/masking.tsv` has the texts that show what is found and what stays, and a test counts both errors.

use std::ops::Range;

use super::email::email_addresses;
use super::normalized::Normalized;
use super::numbers::numbers;

/// Replacement of redacted text.
const MASK: &str = "****";
/// Further searches in a text that had something to mask. One finds nothing, unless the text is contrived.
const MAX_REPETITIONS: usize = 3;

/// Replaces personal identity numbers, phone numbers and e-mail addresses by `****`.
#[must_use]
pub fn mask_personal_data(text: &str) -> String {
    let mut masked = mask(text, personal_data(text));
    // A word that said what the number after it is may be masked now: masking is repeated until nothing is left to mask.
    for _ in 0..MAX_REPETITIONS {
        let left = if masked.contains(MASK) { personal_data(&masked) } else { Vec::new() };
        if left.is_empty() {
            break;
        }
        masked = mask(&masked, left);
    }
    masked
}

/// Byte ranges of personal identity numbers, phone numbers and e-mail addresses.
pub(super) fn personal_data(text: &str) -> Vec<Range<usize>> {
    if !may_have_personal_data(text) {
        return Vec::new();
    }
    let mut ranges = search(&Normalized::new(text));
    if text.contains('%') {
        ranges.extend(search(&Normalized::percent_decoded(text)));
    }
    ranges
}

fn search(text: &Normalized) -> Vec<Range<usize>> {
    let found = numbers(text).into_iter().chain(email_addresses(text));
    found.map(|range| text.bytes(range)).collect()
}

/// Replaces these byte ranges by `****`; ranges that overlap or adjoin become one. If a range does not fit the text, the whole text is
/// replaced.
pub(super) fn mask(text: &str, mut ranges: Vec<Range<usize>>) -> String {
    ranges.sort_by_key(|range| range.start);
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for range in ranges {
        if range.start >= done && range.start < range.end {
            let Some(before) = text.get(done..range.start) else { return MASK.to_owned() };
            masked.push_str(before);
            // Ranges that adjoin, as in `a@b@c`, become one.
            if done == 0 || !before.is_empty() {
                masked.push_str(MASK);
            }
        }
        // A range may be open: it ends with the text.
        done = done.max(range.end.min(text.len()));
    }
    let Some(rest) = text.get(done..) else { return MASK.to_owned() };
    masked.push_str(rest);
    masked
}

/// Whether the text has anything that a number or an address needs: most texts have not.
fn may_have_personal_data(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Digits of other scripts begin with other bytes than Swedish letters and the punctuation of Latin-1.
    let is_hint = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'@' | b'&' | b'%' | 0xc2 | 0xd9..);
    let is_letter = |index: Option<usize>| index.and_then(|index| bytes.get(index)).is_some_and(u8::is_ascii_alphabetic);
    let is_spelled_at = |start: usize| {
        let word = bytes.get(start..).unwrap_or_default();
        let is_word = |name: &[u8]| {
            let begins = word.get(..name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name));
            begins && !is_letter(Some(start + name.len())) && !is_letter(start.checked_sub(1))
        };
        is_word(b"at")
            || is_word(b"a")
            || is_word(b"snabel")
            || is_word(b"snabela")
            || is_word("ät".as_bytes())
            || is_word(b"alfa")
    };
    bytes.iter().any(is_hint)
        || (0..bytes.len()).filter(|start| bytes.get(*start).is_some_and(|byte| b"aAsS\xc3".contains(byte))).any(is_spelled_at)
}

#[cfg(test)]
mod tests {
    use proptest::collection;
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// A text of the corpus and what it becomes.
    struct Sample {
        line: &'static str,
        text: String,
        expected: String,
    }

    fn corpus() -> Vec<Sample> {
        let rows = include_str!("../../../tests/fixtures/masking.tsv").lines().filter(|line| !line.starts_with('#'));
        rows.map(|line| {
            let marked = unescape(line.split_once('\t').expect("two columns").1);
            let mut expected = String::new();
            for (index, piece) in marked.split(['⟦', '⟧']).enumerate() {
                expected.push_str(if index % 2 == 0 { piece } else { MASK });
            }
            Sample { line, text: marked.replace(['⟦', '⟧'], ""), expected }
        })
        .collect()
    }

    fn unescape(text: &str) -> String {
        let mut pieces = text.split('\\');
        let mut unescaped = pieces.next().unwrap_or_default().to_owned();
        while let Some(piece) = pieces.next() {
            let (character, rest) = match piece.split_at_checked(1) {
                Some(("n", rest)) => ('\n', rest),
                Some(("r", rest)) => ('\r', rest),
                Some(("t", rest)) => ('\t', rest),
                Some(("u", rest)) => {
                    let (code, rest) = rest.trim_start_matches('{').split_once('}').expect("a closed escape");
                    (char::from_u32(u32::from_str_radix(code, 16).expect("hexadecimal digits")).expect("a character"), rest)
                }
                _ => ('\\', pieces.next().unwrap_or_default()),
            };
            unescaped.push(character);
            unescaped.push_str(rest);
        }
        unescaped
    }

    #[test]
    fn corpus_has_neither_missed_nor_wrongly_masked_texts() {
        let (mut personal, mut other, mut missed, mut wrongly_masked) = (0, 0, 0, 0);
        for Sample { line, text, expected } in corpus() {
            let is_personal = text != expected;
            let is_right = mask_personal_data(&text) == expected;
            personal += u32::from(is_personal);
            other += u32::from(!is_personal);
            missed += u32::from(is_personal && !is_right);
            wrongly_masked += u32::from(!is_personal && !is_right);
            if !is_right {
                println!("{line}\n  became {:?}", mask_personal_data(&text));
            }
        }

        println!("{personal} texts with personal data: {missed} missed; {other} without: {wrongly_masked} wrongly masked");
        assert!(personal >= 320 && other >= 320, "{personal} and {other} texts are too few");
        assert_eq!((missed, wrongly_masked), (0, 0));
    }

    #[test]
    fn word_in_the_next_paragraph_is_no_end_of_an_interim_number() {
        for text in ["Leverans 20160314\n\nRT90 6581000 1628000", "160314-160321\n\nRT90 6581000 1628000"] {
            assert_eq!(mask_personal_data(text), text);
        }
        assert_eq!(mask_personal_data("160314\nT121"), "****");
    }

    /// Separators that people and systems put between the groups of a number.
    const SEPARATORS: &str =
        "[-+/()_:*·|~=#'\\\\\u{2010}-\u{2015}\u{2212}\u{2026} \\t\u{a0}\u{2009}\u{202f}]{1,2}|\\.|&nbsp;|&ndash;|<b>|</i>";

    /// A group of digits of this length.
    fn digits(length: usize) -> impl Strategy<Value = String> {
        collection::vec(0..10_u8, length).prop_map(|digits| digits.iter().map(u8::to_string).collect())
    }

    fn identity_numbers() -> impl Strategy<Value = String> {
        let date = (select(vec!["", "19"]), 0..100_u8, 1..13_u8, prop_oneof![1..29_u8, 61..89_u8]);
        let date = date.prop_map(|(century, year, month, day)| format!("{century}{year:02}{month:02}{day:02}"));
        (date, prop_oneof![4 => SEPARATORS, 1 => Just(String::new())], digits(4))
            .prop_map(|(date, gap, number)| date + &gap + &number)
    }

    fn phone_numbers() -> impl Strategy<Value = String> {
        let in_groups = |begin: &'static str, lengths: &'static [usize]| {
            let groups = lengths.iter().map(|length| (SEPARATORS, digits(*length))).collect::<Vec<_>>();
            (begin, groups).prop_map(|(begin, groups)| groups.iter().fold(begin, |number, (gap, group)| number + gap + group))
        };
        prop_oneof![
            in_groups("07[02369]", &[3, 2, 2]),
            in_groups("07[02369]", &[7]),
            in_groups("07[02369][0-9]", &[2, 2, 2]),
            "0[1-689][0-9][-/ ][1-9][0-9]{2} [0-9]{3}",
            in_groups("\\+467[02369]", &[3, 2, 2]),
            in_groups("\\+46 \\(0\\)7[02369]", &[3, 2, 2]),
            "07[02369][0-9]{7}",
            "7[02369][0-9]{7}",
        ]
    }

    proptest! {
        #[test]
        fn numbers_are_redacted_completely_anywhere(
            number in prop_oneof![identity_numbers(), phone_numbers()],
            before in "[xyzåäö,:;!?' ]{0,12}", after in "[xyzåäö,:;!?' ]{0,12}",
        ) {
            let masked = mask_personal_data(&format!("{before} {number} {after}"));
            prop_assert_eq!(masked, format!("{before} **** {after}"));
        }

        #[test]
        fn texts_without_personal_data_stay_together(before in innocents(), after in innocents()) {
            let text = format!("{before}\n\n{after}");
            prop_assert_eq!(mask_personal_data(&text), text);
        }

        #[test]
        fn text_without_numbers_and_addresses_is_unchanged(text in "[^0-9@&%(\\[{<*\u{a2}-\u{bf}\u{600}-\u{10ffff}]{0,60}") {
            let has_at = ["at", "snabel"].into_iter().any(|word| text.to_lowercase().contains(word));
            prop_assume!(!has_at);
            prop_assert_eq!(mask_personal_data(&text), text);
        }

        #[test]
        fn masking_is_idempotent(text in "([0-9]{1,8}|[-+./() @a-z\n]{1,3}|tel |ordernr |kl |pnr |\\PC){0,20}") {
            let masked = mask_personal_data(&text);
            prop_assert_eq!(mask_personal_data(&masked), masked);
        }

        #[test]
        fn any_text_is_masked_without_panic(text in "([<>&;#%=\"'/]|&#?x?[0-9a-z]{1,5};?|</?[a-z]{1,4}>?|[0-9]{1,3}|\\PC){0,40}") {
            prop_assert!(mask_personal_data(&text).len() <= 4 * text.len());
        }
    }

    proptest! {
        // The seed is fixed: among millions of combinations there are some that people could not read either.
        #![proptest_config(ProptestConfig { cases: 500, rng_seed: RngSeed::Fixed(1212), ..ProptestConfig::default() })]

        #[test]
        fn numbers_are_redacted_within_texts_that_stay(
            number in prop_oneof![identity_numbers(), phone_numbers()],
            // A word at the end would announce the number.
            before in innocents().prop_filter("a word", |text| !text.ends_with(|end: char| end.is_alphabetic() || end == '+')), gap in select(vec![" ", ". ", "\n", " (", ": "]), after in innocents(),
        ) {
            let masked = mask_personal_data(&format!("{before}{gap}{number}, {after}"));
            prop_assert_eq!(masked, format!("{before}{gap}****, {after}"));
        }
    }

    /// Texts of the corpus without personal data.
    fn innocents() -> impl Strategy<Value = String> {
        select(
            corpus().into_iter().filter(|sample| sample.text == sample.expected).map(|sample| sample.text).collect::<Vec<_>>(),
        )
    }

    /// Spellings of one identity number.
    const IDENTITIES: [&str; 23] = [
        "191212121212",
        "1212121212",
        "19191212121212",
        "19121212-1212",
        "19121212 1212",
        "121212-1212",
        "121212+1212",
        "191212\u{2013}1212",
        "19121212 - 1212",
        "191212 -1212",
        "191212\n1212",
        "1912 1212 1212",
        "12 12 12-1212",
        "191212.1212",
        "191212/1212",
        "191212\u{a0}1212",
        "１９１２１２１２１２１２",
        "1912-12-12-1212",
        "121212-\n    1212",
        "１２１２１２－１２１２",
        "121212\u{200b}-1212",
        "19121212_1212",
        "721272-1212",
    ];
    /// Spellings of phone numbers.
    const PHONES: [&str; 22] = [
        "0701740605",
        "070-174 06 05",
        "070-1740605",
        "+46701740605",
        "+46 70 174 06 05",
        "0046701740605",
        "090-12 34 56",
        "08-123456",
        "+46 (0)70-174 06 05",
        "070) 174 06 05",
        "070/174 06 05",
        "070.174.06.05",
        "070 - 174 06 05",
        "070-174\t06 05",
        "070\u{a0}174\u{a0}06\u{a0}05",
        "070\u{ad}174\u{ad}06\u{ad}05",
        "070-174 06  05",
        "070\u{2212}1740605",
        "+ 46 70 174 06 05",
        "＋46 70 174 06 05",
        "070    174 06 05",
        "070\u{200e}-1740605",
    ];

    #[test]
    fn every_spelling_of_a_number_is_masked() {
        for number in IDENTITIES.iter().chain(&PHONES) {
            assert_eq!(mask_personal_data(&format!("Kund: {number}, tack")), "Kund: ****, tack", "{number:?}");
            assert_eq!(mask_personal_data(&format!("Tel-{number}.")), "Tel-****.", "{number:?}");
        }
        assert_eq!(mask_personal_data("Kund (191212121212) finns"), "Kund (****) finns");
        assert_eq!(mask_personal_data("Ring (070) 174 06 05"), "Ring (****");
    }

    #[test]
    fn a_plus_after_a_blank_hides_no_number_with_a_wrong_check_digit() {
        assert_eq!(mask_personal_data(" 000101 +0000 "), " **** ");
        assert_eq!(mask_personal_data("Kund 121212 +1213, tack"), "Kund ****, tack");
    }

    #[test]
    fn adjacent_numbers_are_both_masked() {
        for (first, second) in IDENTITIES
            .iter()
            .chain(&PHONES)
            .flat_map(|first| PHONES.iter().chain(&IDENTITIES).map(move |second| (first, second)))
        {
            for gap in [" ", ", ", "\n"] {
                let masked = mask_personal_data(&format!("{first}{gap}{second}"));
                assert!(!masked.contains(char::is_numeric), "{first:?}{gap:?}{second:?} {masked:?}");
            }
        }
    }

    #[test]
    fn email_addresses_are_masked() {
        for address in
            ["order@example.net", "tolvan&co@example.com", "a.b+c@x.example", "x@[127.0.0.1]", "o'dotter@example.com"]
        {
            assert_eq!(
                mask_personal_data(&format!("Mail <{address}>, eller {address}. Tack")),
                "Mail <****>, eller ****. Tack"
            );
        }
        assert_eq!(mask_personal_data("2 @ 100 kr, @"), "2 @ 100 kr, @");
    }

    #[test]
    fn numbers_after_other_numbers_are_masked() {
        for (text, masked) in [
            ("2016-03-14 09.05.02 070-1740605", "2016-03-14 09.05.02 ****"),
            ("01234 +46 701740605", "01234 ****"),
            ("0302 12 070-1740605", "0302 12 ****"),
            ("08-1234 070-1740605", "08-1234 ****"),
            ("kundnr 18020/070-174 06 05", "kundnr 18020/****"),
            ("3105-070-1740605", "3105-****"),
            ("1.070-174 06 05", "1.****"),
            ("12-+46 70 174 06 05", "12-****"),
        ] {
            assert_eq!(mask_personal_data(text), masked, "{text}");
        }
    }

    #[test]
    fn other_numbers_are_unchanged() {
        let text = "Order 20417 den 2016-03-14 09:05:00, tjänst 3105, 100/100 Mbit/s, 100 %, 508-004-06-0302";
        assert_eq!(mask_personal_data(text), text);
    }
}
