//! Tests of the reader and the tree. quick-xml is the reference for what the tokens of a well-formed document are.

use proptest::prelude::*;
use quick_xml::events::Event;

use super::{DocumentReader, Element, Malformed, Token, Tokens, Tree, Writer};
use crate::charset::Charset;

/// The tokens of a document that arrives in chunks of this size, as strings.
fn tokens(document: &[u8], chunk_size: usize) -> Result<Vec<String>, Malformed> {
    let mut tokens = Vec::new();
    each_token(document, chunk_size, |token, _| {
        let text = |text| String::from_utf8_lossy(text).into_owned();
        tokens.push(match token {
            Token::Start { name, attributes } => format!("<{name} {attributes}"),
            Token::End => ">".to_owned(),
            Token::Text(bytes) => format!("text {}", text(bytes)),
            Token::Data(bytes) => format!("data {}", text(bytes)),
        });
    })?;
    Ok(tokens)
}

fn each_token(document: &[u8], chunk_size: usize, mut on_token: impl FnMut(Token<'_>, &Tokens<'_>)) -> Result<(), Malformed> {
    let mut reader = DocumentReader::new();
    for chunk in document.chunks(chunk_size.max(1)) {
        reader.push(chunk);
        let mut tokens = reader.tokens();
        while let Some(token) = tokens.next()? {
            on_token(token, &tokens);
        }
    }
    reader.finish()
}

/// The tokens that quick-xml finds in a document.
fn quick_xml_tokens(document: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let mut tokens: Vec<String> = Vec::new();
    loop {
        let mut add_text = |text: &str| match tokens.last_mut() {
            Some(last) if last.starts_with("text ") => last.push_str(text),
            _ => tokens.push(format!("text {text}")),
        };
        match reader.read_event().expect("a document") {
            Event::Start(start) => {
                let name = start.local_name().as_ref().to_owned();
                tokens.push(format!("<{name} {}", start.attributes().next().is_some()));
            }
            Event::End(_) => tokens.push(">".to_owned()),
            Event::Text(text) => add_text(&text),
            Event::GeneralRef(name) => add_text(&format!("&{};", &*name)),
            Event::CData(data) => tokens.push(format!("data {}", &*data)),
            Event::Eof => return tokens,
            _ => {}
        }
    }
}

/// Well-formed documents with everything that the accepted subset allows.
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

/// Tokens with adjacent texts joined and without white space between tags, which quick-xml reports and this reader may skip.
fn normalised(tokens: Vec<String>) -> Vec<String> {
    let joined = tokens.into_iter().fold(Vec::new(), |mut joined: Vec<String>, next| {
        match (joined.last_mut(), next.strip_prefix("text ")) {
            (Some(last), Some(text)) if last.starts_with("text ") => last.push_str(text),
            _ => joined.push(next),
        }
        joined
    });
    let is_blank = |text: &str| text.strip_prefix("text ").is_some_and(|text| text.trim().is_empty());
    joined.into_iter().filter(|token| !is_blank(token)).collect()
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
    fn tokens_equal_those_of_quick_xml(document in document(), chunk_size in 1_usize..40) {
        let tokens = tokens(document.as_bytes(), chunk_size).expect("a document");

        prop_assert_eq!(normalised(tokens), normalised(quick_xml_tokens(&document)));
    }

    #[test]
    fn tokens_do_not_depend_on_the_chunk_size(document in document(), chunk_size in 1_usize..40) {
        let whole = tokens(document.as_bytes(), usize::MAX).expect("a document");
        let chunked = tokens(document.as_bytes(), chunk_size).expect("a document");

        prop_assert_eq!(normalised(chunked), normalised(whole));
    }

    #[test]
    fn tokens_do_not_depend_on_the_charset(document in document(), chunk_size in 1_usize..40) {
        let latin: Vec<u8> = document.chars().map(|character| u8::try_from(character).expect("a Latin letter")).collect();
        let ascii = |tokens: Vec<String>| normalised(tokens).concat().replace(|character: char| !character.is_ascii(), "?");

        let from_utf_8 = tokens(document.as_bytes(), usize::MAX).expect("a document");
        let from_latin = tokens(&latin, chunk_size).expect("a document");

        prop_assert_eq!(ascii(from_latin), ascii(from_utf_8));
    }

    #[test]
    fn truncated_documents_are_rejected(document in document(), cut in 0.0..1.0) {
        let end = document.rfind("</root>").expect("a root") + "</root>".len() - 1;
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "a position")]
        let cut = (end as f64 * cut) as usize;
        let truncated = document.as_bytes().get(..=cut.min(end - 1)).expect("a beginning");

        prop_assert!(tokens(truncated, usize::MAX).is_err());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), chunk_size in 1_usize..9) {
        let _ = tokens(&bytes, chunk_size);
    }

    #[test]
    fn no_markup_makes_the_reader_panic(text in "[<>/!?a\\[\\]CDAT&;'\"=x -]{0,60}", chunk_size in 1_usize..9) {
        let whole = tokens(text.as_bytes(), usize::MAX);
        let chunked = tokens(text.as_bytes(), chunk_size);

        prop_assert_eq!(chunked.is_ok(), whole.is_ok());
    }

    #[test]
    fn written_texts_round_trip(text in "[^\u{0}-\u{8}\u{b}\u{c}\u{e}-\u{1f}]{0,40}") {
        let mut xml = Writer::default();
        xml.text("a", &text);

        let tree = tree(xml.into_string().as_bytes(), usize::MAX).expect("a document");
        let element = tree.last().expect("an element");

        let expected = (!text.chars().all(|character| " \t\r\n".contains(character))).then_some(text.as_str());
        prop_assert_eq!(element.text(), expected);
    }
}

fn tree(document: &[u8], chunk_size: usize) -> Result<Tree, Malformed> {
    let mut tree = Tree::default();
    each_token(document, chunk_size, |token, _| match token {
        Token::Start { name, attributes } => tree.start(&name, attributes),
        Token::Text(text) => tree.text(text, Charset::UTF_8),
        Token::Data(text) => tree.data(text, Charset::UTF_8),
        Token::End => tree.end(),
    })?;
    Ok(tree)
}

#[test]
fn no_byte_is_searched_twice() {
    // If the search for the end of a token restarted with every byte, this would take hours.
    let x = "x>".repeat(500_000);
    let document = format!(
        "<a b=\"{x}\"><!--{x}--><![CDATA[{x}]]>{x}<b>1</b>{}<{} x=\"1\"/></a>",
        " ".repeat(1_000_000),
        "y".repeat(1_000_000)
    );

    let by_byte = tokens(document.as_bytes(), 1);
    let at_once = tokens(document.as_bytes(), usize::MAX);

    assert_eq!(by_byte.map(normalised), at_once.map(normalised));
}

#[test]
fn names_and_texts_need_not_be_utf_8() {
    let document = b"<r\xe4><\xe4x>\xe5 &amp; \xf6</\xe4x><b>\xc3\xa5</b><c><![CDATA[\xc5]]></c></r\xe4>";
    for chunk_size in [1, 3, usize::MAX] {
        let (elements, anomalies) = contents(&tree(document, chunk_size).expect("a document"));
        let texts: Vec<_> = elements.iter().filter_map(|(_, text)| text.as_deref()).collect();
        assert_eq!(texts, ["\u{e5} & \u{f6}", "\u{e5}", "\u{c5}"]);
        assert_eq!(anomalies.len(), 2, "{anomalies:?}");
    }
}

#[test]
fn form_feed_is_a_control_character() {
    for chunk_size in [1, 3, usize::MAX] {
        let (_, anomalies) = contents(&tree(b"<a>\x0c<b>\x0c</b></a>", chunk_size).expect("a document"));

        assert_eq!(anomalies, ["Charset a", "Charset a.b"]);
    }
}

#[test]
fn byte_order_mark_inside_a_document_is_text() {
    let document = "\u{feff}<a><b>\u{feff}1</b>\u{feff}</a>".as_bytes();
    for chunk_size in 1..document.len() {
        let (elements, anomalies) = contents(&tree(document, chunk_size).expect("a document"));

        assert_eq!(elements.last().expect("an element"), &("a.b".to_owned(), Some("\u{feff}1".to_owned())), "{chunk_size}");
        assert_eq!(anomalies, ["MixedText a"], "{chunk_size}");
    }
}

#[test]
fn utf_16_with_byte_order_mark_is_transcoded() {
    let text = "\u{feff}<a>\u{c5}sele \u{1f41f}</a>";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for document in [little, big] {
        for chunk_size in [1, 2, 5, usize::MAX] {
            let (elements, anomalies) = contents(&tree(&document, chunk_size).expect("a document"));

            assert_eq!((elements, anomalies), (vec![("a".to_owned(), Some("\u{c5}sele \u{1f41f}".to_owned()))], vec![]));
        }
    }
}

#[test]
fn documents_outside_the_subset_are_rejected() {
    for (document, reason) in [
        ("", "it is empty"),
        ("<a>", "it is truncated"),
        ("<a/>x", "it has content after its root element"),
        ("<a/>x<!-- -->", "it has content after its root element"),
        ("<a/><b/>", "it has a second root element"),
        ("x<a/>", "it has text before its root element"),
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
        ("<a><b</a>", "it has `<` inside a tag"),
        ("<a b='<'/>", "it has `<` inside a tag"),
        ("<a b='<", "it has `<` inside a tag"),
        ("<1/>", "a tag has an invalid name"),
        ("<a:/>", "a tag has an invalid name"),
        ("< a/>", "a tag has an invalid name"),
        ("<a b=1/>", "a tag has an invalid attribute"),
        ("<a b='1'c='2'/>", "a tag has an invalid attribute"),
        ("<a><a><a><a><a><a><a><a><a>", "its elements are nested too deep"),
    ] {
        for chunk_size in [1, 2, 7, usize::MAX] {
            let result = tokens(document.as_bytes(), chunk_size);

            assert_eq!(result, Err(Malformed(reason)), "{document} in chunks of {chunk_size}");
        }
    }
}

#[test]
fn white_space_beside_comments_and_cdata_is_text() {
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
