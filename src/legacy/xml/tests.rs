use proptest::prelude::*;
use quick_xml::events::Event;

use super::{DocumentReader, Element, Malformed, Token, Tokens, Tree, Writer};
use crate::charset::Charset;

/// The tokens of a document that arrives in chunks, in a form that can be compared.
fn read(document: &[u8], chunk: usize) -> Result<Vec<String>, Malformed> {
    let mut read = Vec::new();
    each_token(document, chunk, |token, _| {
        let text = |text| String::from_utf8_lossy(text).into_owned();
        read.push(match token {
            Token::Start { name, attributes } => format!("<{name} {attributes}"),
            Token::End => ">".to_owned(),
            Token::Text(span) => format!("text {}", text(span)),
            Token::Data(span) => format!("data {}", text(span)),
        });
    })?;
    Ok(read)
}

fn each_token(document: &[u8], chunk: usize, mut see: impl FnMut(Token<'_>, &Tokens<'_>)) -> Result<(), Malformed> {
    let mut reader = DocumentReader::new();
    for chunk in document.chunks(chunk.max(1)) {
        reader.push(chunk);
        let mut tokens = reader.tokens();
        while let Some(token) = tokens.next()? {
            see(token, &tokens);
        }
    }
    reader.finish()
}

/// What quick-xml makes of the same document.
fn read_with_library(document: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let mut read: Vec<String> = Vec::new();
    loop {
        let mut add = |text: &str| match read.last_mut() {
            Some(last) if last.starts_with("text ") => last.push_str(text),
            _ => read.push(format!("text {text}")),
        };
        match reader.read_event().expect("a document") {
            Event::Start(start) => {
                let name = start.local_name().as_ref().to_owned();
                read.push(format!("<{name} {}", start.attributes().next().is_some()));
            }
            Event::End(_) => read.push(">".to_owned()),
            Event::Text(text) => add(&text),
            Event::GeneralRef(name) => add(&format!("&{};", &*name)),
            Event::CData(data) => read.push(format!("data {}", &*data)),
            Event::Eof => return read,
            _ => {}
        }
    }
}

/// Documents that are well-formed, with everything that may stand in one.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-zåäö0-9 &&[^&<]]{1,12}",
        Just("&amp;&#229;".to_owned()),
        Just(" \n ".to_owned()),
        "[a-z<>&]{0,8}".prop_map(|text| format!("<![CDATA[{text}]]>")),
        Just("<empty a='>' b = \"'/\"/>".to_owned()),
        Just("<!-- <b> - > -->".to_owned()),
    ];
    let element = leaf.prop_recursive(4, 24, 4, |inside| {
        ("[a-zå_][a-z0-9.-]{0,5}", prop::collection::vec(inside, 0..4))
            .prop_map(|(name, inside)| format!("<p:{name} x=\"1\">{}</p:{name} >", inside.concat()))
    });
    prop::collection::vec(element, 0..4)
        .prop_map(|inside| format!("<?xml version=\"1.0\"?>\n<!--x--><root>{}</root>\n<!--y-->", inside.concat()))
}

/// Texts in one piece and without white space between tags, which quick-xml reports and ours may skip.
fn normalised(read: Vec<String>) -> Vec<String> {
    let joined = read.into_iter().fold(Vec::new(), |mut joined: Vec<String>, next| {
        match (joined.last_mut(), next.strip_prefix("text ")) {
            (Some(last), Some(text)) if last.starts_with("text ") => last.push_str(text),
            _ => joined.push(next),
        }
        joined
    });
    let is_blank = |text: &str| text.strip_prefix("text ").is_some_and(|text| text.trim().is_empty());
    joined.into_iter().filter(|read| !is_blank(read)).collect()
}

/// Every element of a tree with its text, and the anomalies.
fn contents(tree: &Tree) -> (Vec<(String, Option<String>)>, Vec<String>) {
    fn add(element: Element<'_>, elements: &mut Vec<(String, Option<String>)>) {
        elements.push((element.path(), element.text().map(str::to_owned)));
        element.children().for_each(|child| add(child, elements));
    }
    let mut elements = Vec::new();
    tree.elements().for_each(|element| add(element, &mut elements));
    (elements, tree.anomalies().map(|(anomaly, element)| format!("{anomaly:?} {}", element.path())).collect())
}

proptest! {
    #[test]
    fn tokens_are_those_of_a_plain_quick_xml_reader(document in document(), chunk in 1_usize..40) {
        let ours = normalised(read(document.as_bytes(), chunk).expect("a document"));
        prop_assert_eq!(ours, normalised(read_with_library(&document)));
    }

    #[test]
    fn chunks_of_any_size_have_the_tokens_of_the_whole(document in document(), chunk in 1_usize..40) {
        let whole = normalised(read(document.as_bytes(), usize::MAX).expect("a document"));
        prop_assert_eq!(normalised(read(document.as_bytes(), chunk).expect("a document")), whole);
    }

    #[test]
    fn bytes_that_are_not_utf_8_do_not_change_the_tokens(document in document(), chunk in 1_usize..40) {
        let latin: Vec<u8> = document.chars().map(|character| u8::try_from(character).expect("a Latin letter")).collect();
        let lossy = |read: Vec<String>| normalised(read).concat().replace(|character: char| !character.is_ascii(), "?");
        let expected = lossy(read(document.as_bytes(), usize::MAX).expect("a document"));
        prop_assert_eq!(lossy(read(&latin, chunk).expect("a document")), expected);
    }

    #[test]
    fn truncated_documents_are_refused(document in document(), cut in 0.0..1.0) {
        let end = document.rfind("</root>").expect("a root") + "</root>".len() - 1;
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "a position")]
        let cut = (end as f64 * cut) as usize;
        let read = read(document.as_bytes().get(..=cut.min(end - 1)).expect("a beginning"), usize::MAX);
        prop_assert!(read.is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), chunk in 1_usize..9) {
        let _ = read(&bytes, chunk);
    }

    #[test]
    fn no_markup_makes_it_panic(text in "[<>/!?a\\[\\]CDAT&;'\"=x -]{0,60}", chunk in 1_usize..9) {
        let whole = read(text.as_bytes(), usize::MAX);
        prop_assert_eq!(read(text.as_bytes(), chunk).is_ok(), whole.is_ok());
    }

    #[test]
    fn written_texts_are_read_back_unchanged(text in "[^\u{0}-\u{8}\u{b}\u{c}\u{e}-\u{1f}]{0,40}") {
        let mut xml = Writer::default();
        xml.text("a", &text);
        let tree = tree(xml.into_string().as_bytes(), usize::MAX).expect("a document");
        let element = tree.last().expect("an element");
        let expected = (!text.chars().all(|character| " \t\r\n".contains(character))).then_some(text.as_str());
        prop_assert_eq!(element.text(), expected);
    }
}

fn tree(document: &[u8], chunk: usize) -> Result<Tree, Malformed> {
    let mut tree = Tree::default();
    each_token(document, chunk, |token, _| match token {
        Token::Start { name, attributes } => tree.start(&name, attributes),
        Token::Text(text) => tree.text(text, Charset::UTF_8),
        Token::Data(text) => tree.data(text, Charset::UTF_8),
        Token::End => tree.end(),
    })?;
    Ok(tree)
}

#[test]
fn single_bytes_cost_no_more_than_one_chunk() {
    // If the search for the end of a token started again with every byte, this would take hours.
    let x = "x>".repeat(500_000);
    let document = format!(
        "<a b=\"{x}\"><!--{x}--><![CDATA[{x}]]>{x}<b>1</b>{}<{} x=\"1\"/></a>",
        " ".repeat(1_000_000),
        "y".repeat(1_000_000)
    );
    assert_eq!(read(document.as_bytes(), 1).map(normalised), read(document.as_bytes(), usize::MAX).map(normalised));
}

#[test]
fn names_and_texts_may_have_bytes_that_are_not_utf_8() {
    let document = b"<r\xe4><\xe4x>\xe5 &amp; \xf6</\xe4x><b>\xc3\xa5</b><c><![CDATA[\xc5]]></c></r\xe4>";
    for chunk in [1, 3, usize::MAX] {
        let (elements, anomalies) = contents(&tree(document, chunk).expect("a document"));
        let texts: Vec<_> = elements.iter().filter_map(|(_, text)| text.as_deref()).collect();
        assert_eq!(texts, ["\u{e5} & \u{f6}", "\u{e5}", "\u{c5}"]);
        assert_eq!(anomalies.len(), 2, "{anomalies:?}");
    }
}

#[test]
fn a_form_feed_is_a_control_character_and_not_white_space() {
    for chunk in [1, 3, usize::MAX] {
        let (_, anomalies) = contents(&tree(b"<a>\x0c<b>\x0c</b></a>", chunk).expect("a document"));
        assert_eq!(anomalies, ["Charset a", "Charset a.b"]);
    }
}

#[test]
fn a_byte_order_mark_inside_a_document_is_text() {
    let document = "\u{feff}<a><b>\u{feff}1</b>\u{feff}</a>".as_bytes();
    for chunk in 1..document.len() {
        let (elements, anomalies) = contents(&tree(document, chunk).expect("a document"));
        assert_eq!(elements.last().expect("an element"), &("a.b".to_owned(), Some("\u{feff}1".to_owned())), "{chunk}");
        assert_eq!(anomalies, ["MixedText a"], "{chunk}");
    }
}

#[test]
fn utf_16_with_a_byte_order_mark_is_read_as_utf_8() {
    let text = "\u{feff}<a>\u{c5}sele \u{1f41f}</a>";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for document in [little, big] {
        for chunk in [1, 2, 5, usize::MAX] {
            let (elements, anomalies) = contents(&tree(&document, chunk).expect("a document"));
            assert_eq!((elements, anomalies), (vec![("a".to_owned(), Some("\u{c5}sele \u{1f41f}".to_owned()))], vec![]));
        }
    }
}

#[test]
fn documents_outside_the_subset_are_refused() {
    for (document, reason) in [
        ("", "it is empty"),
        ("<a>", "it ends early"),
        ("<a/>x", "something follows the document"),
        ("<a/>x<!-- -->", "something follows the document"),
        ("<a/><b/>", "it has a second root element"),
        ("x<a/>", "something precedes the document"),
        ("<![CDATA[x]]><a/>", "it has text outside its root element"),
        ("<!DOCTYPE a><a/>", "it has a document type declaration"),
        ("<!DOCTYPE", "it has a document type declaration"),
        ("<!x><a/>", "it has a document type declaration"),
        ("<!-x--><a/>", "it has a document type declaration"),
        ("<a><![CDAT[x]]></a>", "it has a document type declaration"),
        ("<?php ?><a/>", "it has a processing instruction"),
        ("<?><a/>?>", "it has a processing instruction"),
        ("<a><?xml version='1.0'?></a>", "it has a processing instruction"),
        ("<a></b>", "its start and end tags do not match"),
        ("</a>", "its start and end tags do not match"),
        ("<a><b</a>", "a tag stands inside a tag"),
        ("<a b='<'/>", "a tag stands inside a tag"),
        ("<a b='<", "a tag stands inside a tag"),
        ("<1/>", "a tag has no proper name"),
        ("<a:/>", "a tag has no proper name"),
        ("< a/>", "a tag has no proper name"),
        ("<a b=1/>", "a tag has a broken attribute"),
        ("<a b='1'c='2'/>", "a tag has a broken attribute"),
        ("<a><a><a><a><a><a><a><a><a>", "its elements are nested too deep"),
    ] {
        for chunk in [1, 2, 7, usize::MAX] {
            assert_eq!(read(document.as_bytes(), chunk), Err(Malformed(reason)), "{document} in chunks of {chunk}");
        }
    }
}

#[test]
fn white_space_beside_comments_and_cdata_belongs_to_the_text() {
    for (document, text) in [
        ("<a> <!-- x -->b</a>", " b"),
        ("<a>\n<![CDATA[b]]></a>", "\nb"),
        ("<a>b<!-- x --> </a>", "b "),
        ("<a><!-- x --> b</a>", " b"),
    ] {
        let document = format!("<r>{document}</r>");
        let tree = tree(document.as_bytes(), usize::MAX).expect("a document");
        let texts: Vec<_> = tree.last().expect("a root").texts().collect();
        assert_eq!(texts, [text], "{document}");
    }
}

#[test]
fn elements_have_names_texts_and_anomalies() {
    let document = "<order>\n <id x='1'>7</id> stray <a><b>1</b><b>&auml;</b></a><email> </email></order>";
    let tree = tree(document.as_bytes(), usize::MAX).expect("a document");
    let order = tree.last().expect("an element");
    let children: Vec<_> = order.children().map(|child| (child.name(), child.text())).collect();
    assert_eq!(children, [("id", Some("7")), ("a", None), ("email", None)]);
    let inner: Vec<_> = order.children().flat_map(super::Element::children).map(|child| (child.path(), child.text())).collect();
    assert_eq!(inner, [("a.b".to_owned(), Some("1")), ("a.b".to_owned(), Some("ä"))]);
    let anomalies: Vec<_> = tree.anomalies().map(|(anomaly, element)| format!("{anomaly:?} {}", element.path())).collect();
    assert_eq!(anomalies, ["MixedText order", "Attribute order.id", "Entity a.b"]);
}
