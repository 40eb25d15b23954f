//! Property test: items that are decoded from a known layout are the same as those that are read token by token.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{ItemCodec, ResponseParser};
use crate::backend::{Error, Item};
use crate::charset::Charset;
use crate::legacy::codec::orders;
use crate::legacy::decode_settings::DecodeSettings;
use crate::legacy::methods::ORDERS;
use crate::legacy::schema_drift::{DriftEntry, SchemaDrift};
use crate::legacy::xml::{LayoutCache, Malformed};
use crate::metrics::Metrics;
use crate::model::{ListedOrder, OffsetCache, PiiAccess, Zone};
use crate::resilience::ByteBudget;
use crate::rest::list::{Encoder, ListFormat};

/// The same codec without the short way.
const BY_TREE: ItemCodec<ListedOrder> = ItemCodec { decode_plain: |_, _, _, _| None, ..orders::CODEC };

/// A list with its circumstances.
#[derive(Debug, Clone)]
struct Answer {
    document: Vec<u8>,
    /// Where it is cut into chunks.
    cuts: Vec<Index>,
    http_charset: Option<&'static str>,
    charset: &'static str,
    zone: &'static str,
    max_item_bytes: u64,
}

/// Everything that can be seen of a decoded list.
#[derive(Debug, PartialEq)]
struct Seen {
    items: Vec<Item<ListedOrder>>,
    result: Result<u64, Error>,
    drift: Vec<DriftEntry>,
}

impl Answer {
    fn chunks(&self) -> Vec<&[u8]> {
        let length = self.document.len();
        let mut cuts: Vec<_> = self.cuts.iter().map(|cut| cut.index(length + 1)).chain([0, length]).collect();
        cuts.sort_unstable();
        cuts.windows(2).map(|range| &self.document[range[0]..range[1]]).collect()
    }

    /// Decodes the list; with the layout cache, or without it and token by token. Returns also how many items were compact.
    fn decode(&self, is_cached: bool) -> (Seen, usize) {
        let settings = Arc::new(DecodeSettings {
            memory: ByteBudget::default(),
            zone: Zone::parse(self.zone).expect("a zone"),
            charset: Charset::parse(self.charset).expect("a charset"),
            credential_refusal_words: Vec::new(),
            max_response_bytes: u64::MAX,
            max_item_bytes: self.max_item_bytes,
            drift: Arc::new(SchemaDrift::new(Metrics::default().upstream("test"))),
            offsets: OffsetCache::default(),
        });
        let parser =
            ResponseParser::new(&ORDERS, Arc::clone(&settings), self.http_charset.map(str::to_owned), self.max_item_bytes);
        let mut parser = parser.for_list(orders::CODEC.fields);
        let mut items = Vec::new();
        let result = self.chunks().into_iter().try_for_each(|chunk| -> Result<(), Malformed> {
            parser.push(chunk);
            loop {
                let (codec, max) = if is_cached { (&orders::CODEC, items.len() + 3) } else { (&BY_TREE, items.len() + 1) };
                if !is_cached {
                    parser.list.as_mut().expect("a list").layouts = LayoutCache::default();
                }
                if parser.decode_items(codec, max, &mut items)? {
                    return Ok(());
                }
            }
        });
        let result = result.map_err(Error::from).and_then(|()| parser.finish_list());
        let compact = items.iter().filter(|item| matches!(item, Item::Decoded(ListedOrder::Compact(_)))).count();
        (Seen { items, result, drift: settings.drift.entries() }, compact)
    }
}

/// The list as the REST API returns it.
fn encode(items: &[Item<ListedOrder>], format: ListFormat, pii_access: PiiAccess) -> String {
    let mut encoder = Encoder::new(format, pii_access);
    for item in items {
        match item {
            Item::Decoded(item) => encoder.item(item).expect("an order"),
            Item::Undecodable(item) => encoder.undecodable(item.clone()).expect("an item"),
        }
    }
    encoder.finish(None).expect("the end");
    String::from_utf8(encoder.into_vec()).expect("UTF-8")
}

/// What the filters see of an order.
fn filtered(item: &Item<ListedOrder>) -> impl PartialEq + std::fmt::Debug + '_ {
    match item {
        Item::Decoded(order) => Some((order.id(), order.kind(), order.status(), order.customer_id(), order.ordered_at())),
        Item::Undecodable(_) => None,
    }
}

/// The content of an element: usually one of these, sometimes of another form.
fn content(usual: &'static [&'static str], odd: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let others: Vec<Vec<u8>> = [
        "",
        " ",
        "x",
        "å",
        "&amp;",
        "a&b",
        "&aring;",
        "<b>x</b>",
        "x<br>y",
        "<![CDATA[x]]>",
        "<!-- x -->",
        "a\"b",
        "a\\b",
        "a>b",
        "\u{7f}",
        "\0",
        "\u{a0}",
        " x",
        "x\n",
        "x\ty",
        "191212-1212",
        "a@b.example",
        "abcdefghijklmnopqrstuvwxyz",
        "ring 070-1740605",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into_iter()
    .chain([b"p\xe5".to_vec(), b"\xc3".to_vec()])
    .collect();
    let texts = |texts: &'static [&'static str]| select(texts).prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![60 => texts(usual), 4 => texts(odd), 1 => select(others)]
}

const TIMES: &[&str] =
    &["2016-03-14 09:05:00", "2016-03-14 23:59:59", "2016-07-01 00:00:00", "2016-07-31 12:30:05", "2017-03-14 09:05:00"];
const ODD_TIMES: &[&str] = &[
    "2016-10-30 02:30:00",
    "2016-03-27 02:30:00",
    "2016-03-27 12:00:00",
    "2016-03-14",
    "2016-03-14 09:05",
    "2016-03-14T09:05:00",
    "0000-00-00 00:00:00",
    "0001-01-01 00:00:00",
    "2016-02-30 09:05:00",
    "2016-03-14 24:00:00",
    "2016-03-14 09:60:00",
    "2016-03-14 09:05:60",
    "2016-03-14 09:05:0x",
    "1850-01-01 00:00:00",
    "9999-12-31 23:59:59",
    "9999-12-30 23:59:59",
    "2016-03-14 09:05:00 ",
    "2016-03-14 09:05:00Z",
    "asap",
    "ASAP",
    "2016-3-14 09:05:00",
    "2016-03-14x09:05:00",
];
const ODD_IDS: &[&str] = &["0", "007", "-1", "9007199254740991", "9007199254740992", "99999999999999999999", " 7", "7 ", "1e3"];

/// An element of an order: its name and what stands between its tags.
fn element(index: usize) -> impl Strategy<Value = Vec<u8>> {
    let (name, usual, odd): (&str, &[&str], &[&str]) = match index {
        0 => ("id", &["1", "20417", "9007199254740", "123456789012345"], ODD_IDS),
        1 => ("type", &["order"], &["move", "", "order 19121212-1212"]),
        2 => ("date", TIMES, ODD_TIMES),
        3 => ("status", &["new", "received", "active", "waiting", "cancelled", "delivered"], &["NEW", "paused", "new "]),
        4 => ("service", &["3105", "77"], &["", "Fiber 100/100"]),
        5 => ("xsp", &["40210", ""], &["0701740605"]),
        6 => ("delivery", &["asap", "2016-03-21 00:00:00", "2016-11-30 10:00:00"], ODD_TIMES),
        _ => ("customer", &["18020", "18021"], ODD_IDS),
    };
    let shape = prop_oneof![40 => Just(0), 1 => Just(1), 1 => Just(2), 1 => Just(3), 1 => Just(4)];
    (content(usual, odd), shape).prop_map(move |(content, shape)| match shape {
        0 => [b"<", name.as_bytes(), b">", &content, b"</", name.as_bytes(), b">"].concat(),
        1 => format!("<{name}/>").into_bytes(),
        2 => [b"<", name.as_bytes(), b" a='1'>", &content, b"</", name.as_bytes(), b">"].concat(),
        3 => Vec::new(),
        _ => [b"<other>", &*content, b"</other>"].concat(),
    })
}

/// The elements of an order: usually all of them in the usual sequence.
fn order() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let elements = (element(0), element(1), element(2), element(3), element(4), element(5), element(6), element(7));
    let elements = elements.prop_map(|(a, b, c, d, e, f, g, h)| vec![a, b, c, d, e, f, g, h]);
    let repeated = prop_oneof![20 => Just(None), 1 => (0..8_usize).prop_flat_map(element).prop_map(Some)];
    (elements, repeated, prop_oneof![20 => Just(0), 1 => 0..8_usize]).prop_map(|(mut elements, repeated, rotation)| {
        elements.rotate_left(rotation);
        elements.extend(repeated);
        elements
    })
}

fn document() -> impl Strategy<Value = Vec<u8>> {
    let begin = select(vec![
        "<orders><response>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<orders>\n <response>\n",
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><orders>",
        "<?xml version=\"1.0\" encoding=\"klingon\"?><serviceguide><orders><response>",
        "\u{feff}<orders><response>",
        "<orders><status>failed</status><response>",
        "<orders><status>success</status><response>",
    ]);
    let gap = select(vec!["", "\n   ", " "]);
    let text_between =
        prop_oneof![60 => Just(""), 1 => Just("text"), 1 => Just("<!-- -->"), 1 => Just("<status>failed</status>")];
    let items = prop::collection::vec((order(), text_between), 0..12);
    let end = prop_oneof![9 => Just(true), 1 => Just(false)];
    let edits = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec((any::<Index>(), any::<u8>(), 0..3), 1..4)];
    (begin, gap, items, end, edits).prop_map(|(begin, gap, items, end, edits)| {
        let mut document = begin.as_bytes().to_vec();
        for (elements, text) in items {
            document.extend_from_slice(format!("{gap}{text}<order>").as_bytes());
            for element in elements {
                document.extend_from_slice(gap.as_bytes());
                document.extend_from_slice(&element);
            }
            document.extend_from_slice(format!("{gap}</order>").as_bytes());
        }
        let tags = ["serviceguide", "orders", "response"].into_iter().filter(|tag| begin.contains(&format!("<{tag}>")));
        let end_tags = tags.map(|tag| format!("</{tag}>")).rev().collect::<Vec<_>>().concat();
        document.extend_from_slice(if end { end_tags.as_bytes() } else { b"" });
        for (at, byte, kind) in edits {
            let at = at.index(document.len());
            match kind {
                0 => document[at] = byte,
                1 => document.insert(at, byte),
                _ => drop(document.remove(at)),
            }
        }
        document
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let cuts = prop_oneof![Just(Vec::new()), prop::collection::vec(any::<Index>(), 0..8)];
    let charsets = (select(vec![None, None, Some("iso-8859-1"), Some("klingon")]), select(vec!["utf-8", "iso-8859-1"]));
    let zone = select(vec!["Europe/Stockholm", "Europe/Stockholm", "America/Sao_Paulo"]);
    let max_item_bytes = select(vec![u64::MAX, u64::MAX, 260]);
    (document(), cuts, charsets, zone, max_item_bytes).prop_map(
        |(document, cuts, (http_charset, charset), zone, max_item_bytes)| Answer {
            document,
            cuts,
            http_charset,
            charset,
            zone,
            max_item_bytes,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn items_with_a_known_layout_are_the_same_as_those_read_token_by_token(answer in answer()) {
        let ((by_layout, _), (by_token, compact)) = (answer.decode(true), answer.decode(false));

        prop_assert_eq!(compact, 0);
        prop_assert_eq!(&by_layout, &by_token);
        for format in [ListFormat::Json, ListFormat::Ndjson] {
            for pii_access in [PiiAccess::Full, PiiAccess::Masked] {
                let encoded = [&by_layout, &by_token].map(|seen| encode(&seen.items, format, pii_access));
                prop_assert_eq!(&encoded[0], &encoded[1]);
            }
        }
        for (item, other) in by_layout.items.iter().zip(&by_token.items) {
            prop_assert_eq!(filtered(item), filtered(other));
        }
    }
}

#[test]
fn usual_items_are_compact() {
    let item = "<order><id>1</id><type>order</type><date>2016-03-14 09:05:00</date><status>new</status><service>3105</service>\
                <xsp></xsp><delivery>asap</delivery><customer>18020</customer></order>";
    let answer = Answer {
        document: format!("<orders><response>{}</response></orders>", item.repeat(10)).into_bytes(),
        cuts: Vec::new(),
        http_charset: None,
        charset: "utf-8",
        zone: "Europe/Stockholm",
        max_item_bytes: u64::MAX,
    };

    let (seen, compact) = answer.decode(true);

    // The first one is read token by token.
    assert_eq!((seen.result, compact), (Ok(10), 9));
}
