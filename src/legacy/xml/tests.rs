//! Tests of the reader and the tree. quick-xml is the reference for what the tokens of a well-formed document are.

use proptest::prelude::*;
use quick_xml::events::Event;

use super::{DocumentReader, Element, Malformed, Token, Tokens, Tree, Writer};
use crate::charset::TextDecoder;

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
        elements.push((element.path(), element.own_text().map(str::to_owned)));
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
    fn written_texts_round_trip(text in "[^\u{0}-\u{8}\u{b}\u{c}\u{e}-\u{1f}\u{7f}-\u{9f}\u{fffe}\u{ffff}]{0,40}x[ \t\r\n]{0,2}") {
        let mut xml = Writer::default();
        xml.text("a", &text);

        let tree = tree(xml.into_string().as_bytes(), usize::MAX).expect("a document");
        let element = tree.last().expect("an element");

        let expected = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = element.text();
        prop_assert_eq!(text.as_deref(), Some(expected.trim_matches([' ', '\t', '\n'])));
    }
}

fn tree(document: &[u8], chunk_size: usize) -> Result<Tree, Malformed> {
    let mut tree = Tree::default();
    each_token(document, chunk_size, |token, tokens| {
        if tokens.follows_white_space() {
            tree.white_space();
        }
        match token {
            Token::Start { name, attributes } => tree.start(&name, attributes),
            Token::Text(text) => tree.text(text, TextDecoder::default()),
            Token::Data(text) => tree.data(text, TextDecoder::default()),
            Token::End => tree.end(),
        }
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
    let document = b"<r\xe4><\xe4x>\xe5 &amp; \xf6</\xe4x><b>\xc3\xa5</b><c><![CDATA[\xc5s]]></c></r\xe4>";
    for chunk_size in [1, 3, usize::MAX] {
        let (elements, anomalies) = contents(&tree(document, chunk_size).expect("a document"));
        let texts: Vec<_> = elements.iter().filter_map(|(_, text)| text.as_deref()).collect();
        assert_eq!(texts, ["\u{e5} & \u{f6}", "\u{e5}", "\u{c5}s"]);
        assert_eq!(anomalies.len(), 2, "{anomalies:?}");
    }
}

#[test]
fn form_feed_is_a_control_character() {
    for chunk_size in [1, 3, usize::MAX] {
        let (_, anomalies) = contents(&tree(b"<order>\x0c<b>\x0c</b></order>", chunk_size).expect("a document"));

        assert_eq!(anomalies, ["Charset order", "Charset order.b"]);
    }
}

#[test]
fn byte_order_marks_between_fields_are_no_text() {
    let document = "\u{feff}<order><b>\u{feff}1</b>\u{feff}</order>".as_bytes();
    for chunk_size in 1..document.len() {
        let (elements, anomalies) = contents(&tree(document, chunk_size).expect("a document"));

        assert_eq!(elements.last().expect("an element"), &("order.b".to_owned(), Some("\u{feff}1".to_owned())), "{chunk_size}");
        assert_eq!(anomalies, ["Charset order"], "{chunk_size}");
    }
}

#[test]
fn what_carries_no_data_around_the_root_element_is_skipped_and_reported() {
    let bom = "\u{feff}";
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (document, is_stray) in [
        (b"\n <?xml version='1.0'?>\r\n<!-- --><a/>\t\n<!-- -->".to_vec(), false),
        (format!("{bom}<a/>").into_bytes(), false),
        (utf_16(&format!("{bom}<a/>")), false),
        (format!("{bom}{bom}<a/>").into_bytes(), true),
        (format!("{bom} {bom}\n<?xml version='1.0'?>{bom}<!-- -->{bom}<a/>").into_bytes(), true),
        (format!("\n{bom}<a/>").into_bytes(), true),
        (utf_16(&format!("{bom}{bom}<a/>{bom}\0")), true),
        (format!("<a/>{bom}").into_bytes(), true),
        (b"<a/>\n\0\0".to_vec(), true),
        (b"<a/>\x1a".to_vec(), true),
        (b"<a/>\0<!-- -->\0".to_vec(), true),
        (b"<a/><?xml-stylesheet href='a'?><?php exit; ?>\n".to_vec(), true),
    ] {
        for chunk_size in [1, 2, 3, usize::MAX] {
            let mut reader = DocumentReader::new();
            for chunk in document.chunks(chunk_size.min(document.len())) {
                reader.push(chunk);
                while reader.tokens().next().expect("a document").is_some() {}
            }
            assert_eq!(reader.finish(), Ok(()), "{document:?}");
            assert_eq!(reader.has_stray_bytes(), is_stray, "{document:?}");
        }
    }
}

/// The value `inside`, and the anomalies.
fn value(inside: &[u8], chunk_size: usize) -> (Option<String>, Vec<String>) {
    let document = [b"<order><v>", inside, b"</v></order>"].concat();
    let tree = tree(&document, chunk_size).expect("a document");
    let value = tree.last().expect("an order").children().next().expect("a value");
    let anomalies = tree.anomalies().map(|(anomaly, element)| format!("{anomaly:?} {}", element.path())).collect();
    (value.text().map(std::borrow::Cow::into_owned), anomalies)
}

#[test]
fn tags_in_values_are_removed() {
    for (inside, text) in [
        ("Rad ett<br/>rad två", "Rad ett\nrad två"),
        ("Rad ett<BR />rad två", "Rad ett\nrad två"),
        ("Rad ett<br></br>rad två", "Rad ett\nrad två"),
        ("Rad ett<br>rad två", "Rad ett\nrad två"),
        ("a<br>b<br>c<br>", "a\nb\nc"),
        ("a<br><b>b</b><br/>c", "a\nb\nc"),
        ("<b>a<br></b>c", "a\nc"),
        ("a<br class='x'>b<!-- -->c<![CDATA[d]]>", "a\nbcd"),
        ("a<br />\r\nb<br />\r\n<br />\r\nc", "a\nb\n\nc"),
        ("a <br/>b", "a \nb"),
        ("a<br/> \n  b<br/> c", "a\n  b\n c"),
        ("<p>a</p><p>b</p>", "a\nb"),
        ("<p>a</p>\n  <p>b <i>c</i></p> d", "a\nb c\n d"),
        ("a<div>b</div>c", "a\nb\nc"),
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ("<b><i>a</i></b>", "a"),
        ("<b>1912</b>1212", "19121212"),
        ("<b>a</b> <i>b</i>", "a b"),
        ("<i><b>a</b> </i>b", "a b"),
        ("<b>a</b>\n<!-- --><i>b</i>", "a b"),
        ("<a href='mailto:x'>x@example.com</a>", "x@example.com"),
        ("<x:b>a</x:b>", "a"),
        ("<street>Storgatan 1</street><city>Åsele</city>", "Storgatan 1 Åsele"),
        ("Rad <x>ett</x> två<y>!</y>", "Rad ett två!"),
        ("<tr><td>a</td><td>b</td></tr>", "a b"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("a<img src='x'/>b", "ab"),
        (" <b> a </b> ", "a"),
        ("a&lt;br&gt;b<b>&amp;</b>", "a<br>b&"),
        ("<![CDATA[<b>]]><b>a</b>", "<b>a"),
    ] {
        for chunk_size in [1, 2, 3, usize::MAX] {
            let (value, anomalies) = value(inside.as_bytes(), chunk_size);

            assert_eq!(value.as_deref(), Some(text), "{inside}");
            assert_eq!(anomalies, ["MarkupInValue order.v"], "{inside}");
        }
    }
    for inside in ["<x/>", "<br/>", "<br>", "<p> </p>", "<b>\u{a0}</b>", "<x><y/></x>"] {
        let (value, anomalies) = value(inside.as_bytes(), 1);

        assert_eq!((value, anomalies), (None, vec!["MarkupInValue order.v".to_owned()]), "{inside}");
    }
}

#[test]
fn white_space_is_trimmed_and_invisible_values_are_absent() {
    for (inside, text) in [
        (" a b\t", Some("a b")),
        ("\r\n a&#10;", Some("a")),
        ("<![CDATA[ a ]]> ", Some("a")),
        ("\u{a0}a", Some("\u{a0}a")),
        ("a\u{200d}", Some("a\u{200d}")),
        ("Å ", Some("Å")),
        ("å", Some("å")),
        ("-", Some("-")),
        ("\u{1f600}", Some("\u{1f600}")),
        ("", None),
        (" \t\r\n", None),
        ("&nbsp;", None),
        ("\u{a0} \u{a0}", None),
        ("&#160;&#xA0;&zwnj;&shy;&ZeroWidthSpace;", None),
        ("\u{feff}", None),
        ("\u{200b}\u{2060}\u{ad}\u{3000}\u{e0020}\u{fe0f}", None),
        ("\0\u{b}&#11;", None),
    ] {
        assert_eq!(value(inside.as_bytes(), 1).0.as_deref(), text, "{inside:?}");
    }
}

#[test]
fn cut_sequences_belong_to_the_end_of_a_value() {
    let charset = ["Charset order.v".to_owned()];
    let both = ["Charset order.v".to_owned(), "MarkupInValue order.v".to_owned()];
    for (inside, text, anomalies) in [
        (&b"p\xc3\xa5, \xc3"[..], "på,", &charset[..]),
        (b"p\xe5", "på", &charset),
        (b"p\xc3<!-- -->\xa5", "på", &[]),
        (b"p\xc3<![CDATA[\xa5]]>", "på", &[]),
        (b"<![CDATA[\xc3\xa5]]>p\xe5<!-- -->r", "åpår", &charset),
        (b"\xc3\xa5<![CDATA[tg\xc3]]>", "åtg", &charset),
        (b"\xc3\xa5<br/>tg\xc3", "å\ntg", &both),
        (b"\xc3\xa5 p\xe5<br/>p\xe5 <i>\xe5</i>", "å på\npå å", &both),
        (b"\xc3&#229;", "Ãå", &charset),
    ] {
        assert_eq!(value(inside, usize::MAX), (Some(text.to_owned()), anomalies.to_vec()), "{inside:?}");
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
        ("<a/>\u{feff}x", "it has content after its root element"),
        ("<a/>\u{b}", "it has content after its root element"),
        ("<a/><?x", "it has content after its root element"),
        ("<a/><?xml version='1.0'?>", "it has a processing instruction"),
        ("\u{feff}\u{feff}x<a/>", "it has text before its root element"),
        ("\0<a/>", "it has text before its root element"),
        ("\u{feff}<?php ?><a/>", "it has a processing instruction"),
        ("<a><br></b></a>", "its start and end tags do not match"),
        ("<br></a>", "its start and end tags do not match"),
        ("<a><br></a></br>", "its start and end tags do not match"),
        ("<a><br>", "it is truncated"),
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
        ("<a>x <!-- x -->b</a>", "x b"),
        ("<a>x\n<![CDATA[b]]></a>", "x\nb"),
        ("<a>b<!-- x --> c</a>", "b c"),
        ("<a><![CDATA[b]]> <!-- x --> c</a>", "b  c"),
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
    let children: Vec<_> = order.children().map(|child| (child.name(), child.own_text())).collect();
    assert_eq!(children, [("id", Some("7")), ("a", None), ("email", None)]);
    let inner: Vec<_> =
        order.children().flat_map(super::Element::children).map(|child| (child.path(), child.own_text())).collect();
    assert_eq!(inner, [("a.b".to_owned(), Some("1")), ("a.b".to_owned(), Some("ä"))]);
    let anomalies: Vec<_> = tree.anomalies().map(|(anomaly, element)| format!("{anomaly:?} {}", element.path())).collect();
    assert_eq!(anomalies, ["TextBetweenFields order", "Attribute order.id", "Entity order.a", "MarkupInValue order.a"]);
}
