//! Property tests: decoding what was encoded returns the same value.

use std::sync::Arc;

use proptest::option;
use proptest::prelude::*;

use super::{Decoded, add_message, customer_info, customers, order_info, orders, set_status};
use crate::charset::Charset;
use crate::config::Dialect;
use crate::legacy::decode_settings::DecodeSettings;
use crate::legacy::field_reader::{CONTRADICTION, DecodeError};
use crate::legacy::methods::{CUSTOMER_INFO, CUSTOMERS, METHODS, MethodSpec, ORDER_INFO, ORDERS};
use crate::legacy::query::{QueryParams, QueryWriter};
use crate::legacy::response_parser::ResponseParser;
use crate::legacy::schema_drift::{DriftEntry, SchemaDrift};
use crate::legacy::xml::{Element, Malformed, Writer};
use crate::metrics::Metrics;
use crate::model::strategies::{customer_id, detailed_order, digits, identity, listed_order, order_id, resident, text, time};
use crate::model::{
    Customer, CustomerId, MessageType, NewMessage, OffsetCache, Order, OrderId, OrderStatus, Person, StrEnum, Zone, compose,
};
use crate::resilience::ByteBudget;

fn settings() -> Arc<DecodeSettings> {
    Arc::new(DecodeSettings {
        memory: ByteBudget::default(),
        zone: Zone::stockholm(),
        charset: Charset::UTF_8,
        credential_refusal_words: Vec::new(),
        max_response_bytes: u64::MAX,
        max_item_bytes: u64::MAX,
        drift: Arc::new(SchemaDrift::new(Metrics::default().upstream("test"))),
        offsets: OffsetCache::default(),
    })
}

/// A writer that has written the XML declaration.
fn document() -> Writer {
    let mut xml = Writer::default();
    xml.declaration("UTF-8");
    xml
}

/// A parsed answer with the elements that `write` writes as its payload.
fn answer(method: &'static MethodSpec, write: impl FnOnce(&mut Writer)) -> ResponseParser {
    let mut xml = document();
    xml.element(method.name, write);
    let mut answer = ResponseParser::new(method, settings(), None, u64::MAX);
    answer.push(xml.into_string().as_bytes());
    while answer.advance().expect("a document") {}
    answer.finish().expect("a whole document");
    answer
}

/// A character and how it stands in a document: the bytes, and the text that they are read as.
fn spelling() -> impl Strategy<Value = (Vec<u8>, String)> {
    let letter = prop::sample::select("aZ7-.åäöÅÄÖé".chars().collect::<Vec<_>>());
    let reference = |character: char, number: String| (format!("&#{number};").into_bytes(), character.to_string());
    let text = |character: char| character.to_string();
    prop_oneof![
        letter.clone().prop_map(move |letter| (text(letter).into_bytes(), text(letter))),
        letter.clone().prop_map(move |letter| (vec![u8::try_from(letter).expect("a Latin letter")], text(letter))),
        any::<char>()
            .prop_filter("visible", |character| !character.is_control()
                && !character.is_whitespace()
                && *character < '\u{fffe}')
            .prop_map(move |character| reference(character, u32::from(character).to_string())),
        prop::char::range('\u{10000}', char::MAX).prop_map(move |character| {
            let mut halves = [0; 2];
            character.encode_utf16(&mut halves);
            let [first, second] = halves;
            (format!("&#x{first:X};&#{second};").into_bytes(), text(character))
        }),
        Just((b"&Ouml;&scaron;".to_vec(), "Öš".to_owned())),
        letter.clone().prop_map(move |letter| (format!("<![CDATA[{letter}]]><!-- å -->").into_bytes(), text(letter))),
        letter.prop_map(move |letter| (format!("<b>{letter}</b>").into_bytes(), text(letter))),
        Just((b"<br/>\r\n".to_vec(), "\n".to_owned())),
        Just((b"<br>x".to_vec(), "\nx".to_owned())),
    ]
}

proptest! {
    #[test]
    fn texts_are_read_however_they_are_spelled(spellings in prop::collection::vec(spelling(), 0..12), chunk in 1_usize..60) {
        // `x` on both sides: nothing is trimmed, and no letter at the end looks like the beginning of a UTF-8 sequence.
        let inside: Vec<u8> = spellings.iter().flat_map(|(bytes, _)| bytes).copied().collect();
        let expected: String = spellings.iter().map(|(_, text)| text.as_str()).collect();
        let document = [b"<order_info><logs><log><message>x", &*inside, b"x</message></log></logs></order_info>"].concat();

        let mut answer = ResponseParser::new(&ORDER_INFO, settings(), None, u64::MAX);
        for piece in document.chunks(chunk) {
            answer.push(piece);
            while answer.advance().expect("a document") {}
        }
        answer.finish().expect("a whole document");
        let log = answer.elements().next().expect("a log");
        let message = log.children().flat_map(Element::children).next().expect("a message");
        let text = message.text().map(std::borrow::Cow::into_owned);

        prop_assert_eq!(text, Some(format!("x{expected}x")), "{:?}", String::from_utf8_lossy(&document));
    }

    #[test]
    fn listed_orders_round_trip(order in listed_order()) {
        let answer = answer(&ORDERS, |xml| orders::encode(&order, xml));
        let decoded = orders::decode(answer.last_element().expect("an item"), answer.fields());

        prop_assert_eq!(decoded, Ok(order));
    }

    #[test]
    fn detailed_orders_round_trip(order in detailed_order()) {
        let answer = answer(&ORDER_INFO, |xml| order_info::encode(&order, xml));
        let decoded = order_info::decode(order.id, answer.elements(), answer.fields());

        prop_assert_eq!(decoded, Ok(Some(order)));
    }

    #[test]
    fn listed_customers_round_trip(
        id in customer_id(),
        identity in identity(),
        registered_at in time(60),
        provider in any::<bool>(),
    ) {
        let (dialect, person) = if provider {
            (Dialect::Provider, Person { registered_at: Some(registered_at), email: None, ..identity })
        } else {
            (Dialect::Network, identity)
        };
        let customer = Customer { id, person };

        let answer = answer(&CUSTOMERS, |xml| customers::encode(&customer, dialect, xml));
        let decoded = customers::decode(answer.last_element().expect("an item"), answer.fields());

        prop_assert_eq!(decoded, Ok(customer));
    }

    #[test]
    fn detailed_customers_round_trip(
        id in customer_id(),
        resident in resident(),
        member in option::of(digits()),
        provider in any::<bool>(),
    ) {
        let dialect = if provider { Dialect::Provider } else { Dialect::Network };
        let person = Person { member_id: member.filter(|_| !provider).map(Into::into), ..resident };
        let customer = Customer { id, person };

        let answer = answer(&CUSTOMER_INFO, |xml| customer_info::encode(&customer, dialect, xml));
        let decoded = customer_info::decode(customer.id, answer.elements(), answer.fields());

        prop_assert_eq!(decoded, Ok(Some(customer)));
    }

    #[test]
    fn requests_round_trip(order in order_id(), customer in customer_id(), at in time(1), text in text()) {
        let sent = |params: QueryParams| {
            let mut query = QueryWriter::new(Charset::UTF_8);
            query.append_all(&params).expect("UTF-8 has every character");
            let query = query.finish();
            form_urlencoded::parse(query.as_bytes())
                .fold(QueryParams::default(), |params, (name, value)| params.with(name.into_owned(), value))
        };
        let date = at.wall().date();

        prop_assert_eq!(orders::read_request(&sent(orders::request(date))), Ok(date));
        prop_assert_eq!(customers::read_request(&sent(customers::request(date))), Ok(date));
        prop_assert_eq!(order_info::read_request(&sent(order_info::request(order))), Ok(order));
        prop_assert_eq!(customer_info::read_request(&sent(customer_info::request(customer))), Ok(customer));
        for status in OrderStatus::ALL {
            prop_assert_eq!(set_status::read_request(&sent(set_status::request(order, *status))), Ok((order, *status)));
        }
        for kind in MessageType::ALL {
            let message = NewMessage { kind: *kind, text: compose(&text).into_owned().into() };
            prop_assert_eq!(add_message::read_request(&sent(add_message::request(order, &message))), Ok((order, message)));
        }
    }

    /// A block that occurs twice is a contradiction, a repetition, or another part of the same list.
    #[test]
    fn repeated_blocks_never_mix(order in detailed_order().boxed(), other in detailed_order().boxed(), first in any::<bool>()) {
        let (xml, other_xml) = (payload(&order), payload(&other));
        for name in ["orderinfo", "customer", "logs", "serviceinfo"] {
            let (Some(own), Some(repeated)) = (block(&xml, name), block(&other_xml, name)) else { continue };
            let pair = if first { format!("{repeated}{own}") } else { format!("{own}{repeated}") };

            let Ok(Some(decoded)) = decode_order(&order, &xml.replacen(own, &pair, 1)) else { continue };

            let rest = Order { messages: order.messages.clone(), details: order.details.clone(), ..decoded.clone() };
            prop_assert_eq!(&rest, &order);
            let (messages, other_messages) = (order.messages.as_deref().unwrap_or_default(), other.messages.as_deref());
            let others = other_messages.filter(|_| name == "logs").unwrap_or_default();
            prop_assert!(is_joined(decoded.messages.as_deref().unwrap_or_default(), messages, others, first));
            let (details, other_details) = (order.details.as_deref().unwrap_or_default(), other.details.as_deref());
            let others = other_details.filter(|_| name == "serviceinfo").unwrap_or_default();
            prop_assert!(is_joined(decoded.details.as_deref().unwrap_or_default(), details, others, first));
        }
        for name in ["orderinfo", "customer", "logs", "serviceinfo"] {
            let Some(own) = block(&xml, name) else { continue };
            let twice = xml.replacen(own, &format!("{own} {own}"), 1);
            prop_assert_eq!(decode_order(&order, &twice), Ok(Some(order.clone())));
        }
    }

    /// Of repeated values one is used, and none where decisions rest on them.
    #[test]
    fn repeated_values_never_mix(order in detailed_order().boxed(), other in detailed_order().boxed(), first in any::<bool>()) {
        let (xml, other_xml) = (payload(&order), payload(&other));
        for name in ["orderinfo", "customer"] {
            let (Some(own), Some(others)) = (block(&xml, name), block(&other_xml, name)) else { continue };
            for (field, own, repeated) in common_fields(own, others) {
                let pair = if first { format!("{repeated}{own}") } else { format!("{own}{repeated}") };
                let replaced = decode_order(&order, &xml.replacen(own, repeated, 1));
                let is_contradiction = is_decisive(field) && replaced != Ok(Some(order.clone()));

                let decoded = decode_order(&order, &xml.replacen(own, &pair, 1));

                let expected = if first { replaced } else { Ok(Some(order.clone())) };
                prop_assert_eq!(decoded, if is_contradiction { Err(CONTRADICTION) } else { expected });
            }
        }
    }

    #[test]
    fn listed_orders_with_repeated_values_are_undecodable_or_unchanged(order in listed_order(), other in listed_order()) {
        let (xml, other_xml) = (listed(&order), listed(&other));
        for (_, own, repeated) in common_fields(&xml, &other_xml) {
            let is_contradiction = decode_listed(&xml.replacen(own, repeated, 1)) != Ok(order.clone());

            let decoded = decode_listed(&xml.replacen(own, &format!("{own}{repeated}"), 1));

            let decoded = decoded.map_err(|undecodable| DecodeError(undecodable.detail));
            prop_assert_eq!(decoded, if is_contradiction { Err(CONTRADICTION) } else { Ok(order.clone()) });
        }
    }

    #[test]
    fn answers_are_read_in_any_chunks_as_byte_by_byte(
        // On the heap: together they are too large for the stack of a test.
        payload in prop_oneof![markup().boxed(), detailed_order().prop_map(|order| payload(&order)).boxed()],
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(PIECES.to_vec())), 0..4),
        label in prop::sample::select(vec![None, Some("utf-8"), Some("iso-8859-1")]),
        chunk in prop_oneof![Just(usize::MAX), 1_usize..400],
    ) {
        let mut document = format!("<?xml version=\"1.0\"?>\n<order_info>\n {payload}</order_info>\n").into_bytes();
        for (at, piece) in edits {
            let at = at.index(document.len());
            document.splice(at..at, piece.iter().copied());
        }

        // A leaf that arrives byte by byte is read as three tokens.
        prop_assert_eq!(read(&document, label, chunk), read(&document, label, 1), "{}", String::from_utf8_lossy(&document));
    }

    #[test]
    fn no_document_makes_a_decoder_panic(document in markup(), chunk in 1_usize..50) {
        for method in METHODS {
            let document = format!("<{0}>{document}</{0}>", method.name);
            let mut answer = ResponseParser::new(method, settings(), None, 1024);
            for piece in document.as_bytes().chunks(chunk) {
                answer.push(piece);
                while answer.advance() == Ok(true) {
                    let element = answer.last_element().expect("an element");
                    let _ = orders::decode(element, answer.fields());
                    let _ = customers::decode(element, answer.fields());
                }
            }
            let (order, customer) = (OrderId::try_new(1).expect("an id"), CustomerId::try_new(1).expect("an id"));
            let _ = order_info::decode(order, answer.elements(), answer.fields());
            let _ = customer_info::decode(customer, answer.elements(), answer.fields());
            let _ = answer.finish();
        }
    }
}

/// What is inserted into documents: what a parser has to notice wherever it is.
const PIECES: [&[u8]; 20] = [
    b"<",
    b">",
    b"/",
    b"&",
    b"&amp;",
    b"&auml;",
    b" ",
    b"\n",
    b"\r\n",
    b"\0",
    b"\x7f",
    b"\xc3\xa5",
    b"\xc3",
    b"\xe5",
    b"<b>x</b>",
    b"<br>",
    b"</log>",
    b"<log>x</log>",
    b"<!-- -->",
    b"<![CDATA[x]]>",
];

/// All that a parser makes of a document that arrives in chunks of this size.
fn read(
    document: &[u8],
    label: Option<&str>,
    chunk: usize,
) -> (Result<Vec<String>, Malformed>, Option<String>, Vec<DriftEntry>) {
    fn describe(element: Element<'_>, all: &mut Vec<String>) {
        all.push(format!("{} {:?} {:?}", element.path(), element.text(), element.own_text()));
        element.children().for_each(|child| describe(child, all));
    }
    let settings = settings();
    let mut answer = ResponseParser::new(&ORDER_INFO, Arc::clone(&settings), label.map(str::to_owned), u64::MAX);
    let result = document.chunks(chunk).try_for_each(|chunk| answer.read(chunk)).and_then(|()| answer.finish());
    let mut elements = Vec::new();
    answer.elements().for_each(|element| describe(element, &mut elements));
    elements.push(format!("{:?}", answer.outcome()));
    let entity = result.is_ok().then(|| {
        let id = OrderId::try_new(1).expect("an id");
        format!("{:?}", answer.into_entity(|answer| order_info::decode(id, answer.elements(), answer.fields())))
    });
    (result.map(|()| elements), entity, settings.drift.entries())
}

/// The payload of an answer about an order.
fn payload(order: &Order) -> String {
    let mut xml = document();
    xml.element("x", |xml| order_info::encode(order, xml));
    let xml = xml.into_string();
    block(&xml, "x").expect("an element").trim_start_matches("<x>").trim_end_matches("</x>").to_owned()
}

fn decode_order(order: &Order, payload: &str) -> Result<Option<Order>, DecodeError> {
    let mut answer = ResponseParser::new(&ORDER_INFO, settings(), None, u64::MAX);
    answer.push(format!("<order_info>{payload}</order_info>").as_bytes());
    while answer.advance().expect("a document") {}
    order_info::decode(order.id, answer.elements(), answer.fields())
}

/// A list item.
fn listed(order: &Order) -> String {
    let mut xml = document();
    orders::encode(order, &mut xml);
    block(&xml.into_string(), "order").expect("an element").to_owned()
}

fn decode_listed(item: &str) -> Decoded<Order> {
    let mut answer = ResponseParser::new(&ORDERS, settings(), None, u64::MAX);
    answer.push(format!("<orders>{item}</orders>").as_bytes());
    while answer.advance().expect("a document") {}
    orders::decode(answer.last_element().expect("an item"), answer.fields())
}

/// The first element with this name.
fn block<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let end_tag = format!("</{name}>");
    let (begin, end) = (xml.find(&format!("<{name}>"))?, xml.find(&end_tag)?);
    Some(&xml[begin..end + end_tag.len()])
}

/// The fields that both blocks have: name, own element, element of the other.
fn common_fields<'x>(own: &'x str, other: &'x str) -> Vec<(&'static str, &'x str, &'x str)> {
    const FIELDS: [&str; 21] = [
        "id",
        "date",
        "type",
        "status",
        "delivery",
        "provider",
        "service_id",
        "service",
        "category",
        "service_uid",
        "citynet",
        "xsp",
        "socket",
        "serial",
        "firstname",
        "surname",
        "email",
        "address",
        "zip",
        "city",
        "phone",
    ];
    FIELDS.iter().filter_map(|name| Some((*name, block(own, name)?, block(other, name)?))).collect()
}

/// Whether decisions rest on a field of an order or a customer.
fn is_decisive(field: &str) -> bool {
    const DECISIVE: [&str; 9] = ["date", "type", "status", "delivery", "service_id", "service_uid", "id", "socket", "serial"];
    DECISIVE.contains(&field)
}

/// Whether rows are those of one list, or of both in document order.
fn is_joined<T: PartialEq + Clone>(rows: &[T], own: &[T], others: &[T], others_first: bool) -> bool {
    let both = if others_first { [others, own].concat() } else { [own, others].concat() };
    if own == others { rows == own } else { rows == both }
}

/// Documents made of the elements that decoders know, in any order and nesting.
fn markup() -> impl Strategy<Value = String> {
    const NAMES: [&str; 18] = [
        "response",
        "status",
        "order",
        "customer",
        "orderinfo",
        "logs",
        "log",
        "serviceinfo",
        "data",
        "message",
        "code",
        "id",
        "date",
        "delivery",
        "type",
        "socket",
        "monthly",
        "x",
    ];
    let text = prop_oneof![
        "[0-9]{0,12}",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9:]{5,8})?",
        Just("success".to_owned()),
        Just("failed".to_owned()),
        "[a-zåäö&;#<>!\\[\\]-]{0,9}"
    ];
    let element = text.prop_recursive(5, 40, 6, |inside| {
        (prop::sample::select(&NAMES[..]), prop::collection::vec(inside, 0..6))
            .prop_map(|(name, inside)| format!("<{name}>{}</{name}>", inside.concat()))
    });
    prop::collection::vec(element, 0..6).prop_map(|elements| elements.concat())
}
