use proptest::prelude::*;
use quick_xml::events::Event;

use super::{Malformed, Token, Tokenizer, Tree, Writer};
use crate::charset::Charset;

/// Everything that a document says, in a form that can be compared.
fn read(document: &[u8], chunk: usize) -> Result<Vec<String>, Malformed> {
    let mut tokenizer = Tokenizer::new();
    let mut said = Vec::new();
    for piece in document.chunks(chunk.max(1)) {
        tokenizer.push(piece);
        drain(&mut tokenizer, &mut said)?;
    }
    tokenizer.finish()?;
    Ok(said)
}

fn drain(tokenizer: &mut Tokenizer, said: &mut Vec<String>) -> Result<(), Malformed> {
    while let Some(token) = tokenizer.token()? {
        let text = |span| String::from_utf8_lossy(tokenizer.bytes(span)).into_owned();
        said.push(match token {
            Token::Start { name, attributes } => format!("<{} {attributes}", text(name)),
            Token::End => ">".to_owned(),
            Token::Leaf { whole, .. } => format!("leaf {}", text(whole)),
            Token::Text(span) => format!("text {}", text(span)),
            Token::Data(span) => format!("data {}", text(span)),
        });
    }
    Ok(())
}

/// What quick-xml makes of the same document.
fn read_with_library(document: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let mut said: Vec<String> = Vec::new();
    loop {
        let mut add = |text: &str| match said.last_mut() {
            Some(last) if last.starts_with("text ") => last.push_str(text),
            _ => said.push(format!("text {text}")),
        };
        match reader.read_event().expect("a document") {
            Event::Start(start) => {
                let name = start.local_name().as_ref().to_owned();
                said.push(format!("<{name} {}", start.attributes().next().is_some()));
            }
            Event::End(_) => said.push(">".to_owned()),
            Event::Text(text) => add(&text),
            Event::GeneralRef(name) => add(&format!("&{};", &*name)),
            Event::CData(data) => said.push(format!("data {}", &*data)),
            Event::Eof => return said,
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

/// Adjacent texts are one text: where they are parted is nobody's business.
fn joined(said: Vec<String>) -> Vec<String> {
    said.into_iter().fold(Vec::new(), |mut joined: Vec<String>, next| {
        match (joined.last_mut(), next.strip_prefix("text ")) {
            (Some(last), Some(text)) if last.starts_with("text ") => last.push_str(text),
            _ => joined.push(next),
        }
        joined
    })
}

proptest! {
    #[test]
    fn a_document_says_the_same_to_us_and_to_a_library(document in document()) {
        let ours: Vec<_> = joined(read(document.as_bytes(), usize::MAX).expect("a document"));
        let theirs: Vec<_> = joined(read_with_library(&document)).into_iter().filter(|said| said != "text \n").collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn pieces_of_any_size_say_the_same_as_the_whole(document in document(), chunk in 1_usize..40) {
        prop_assert_eq!(read(document.as_bytes(), chunk), read(document.as_bytes(), usize::MAX));
    }

    #[test]
    fn leaves_say_the_same_as_their_tags(document in document(), chunk in 1_usize..40) {
        let build = |leaves: bool| {
            let (mut tokenizer, mut tree) = (Tokenizer::new(), Tree::default());
            for piece in document.as_bytes().chunks(if leaves { chunk } else { usize::MAX }) {
                tokenizer.push(piece);
                while let Some(token) = (if leaves { tokenizer.token_or_leaf() } else { tokenizer.token() }).expect("a document") {
                    grow(&mut tree, &tokenizer, token);
                }
            }
            tokenizer.finish().expect("a whole document");
            let root = tree.last().expect("a root");
            let told = |element: super::Element<'_>| (element.path(), element.text().map(str::to_owned));
            let elements: Vec<_> = std::iter::successors(Some(vec![root]), |level| {
                let next: Vec<_> = level.iter().flat_map(|element| element.children()).collect();
                (!next.is_empty()).then_some(next)
            })
            .flatten()
            .map(told)
            .collect();
            let oddities: Vec<_> = tree.oddities().map(|(oddity, element)| (oddity, element.path())).collect();
            (elements, oddities)
        };
        prop_assert_eq!(build(true), build(false));
    }

    #[test]
    fn a_document_that_ends_early_is_none(document in document(), cut in 0.0..1.0) {
        let end = document.rfind("</root>").expect("a root") + "</root>".len() - 1;
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "a position")]
        let cut = (end as f64 * cut) as usize;
        let said = read(document.as_bytes().get(..=cut.min(end - 1)).expect("a beginning"), usize::MAX);
        prop_assert!(said.is_err());
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
    fn a_text_that_is_written_is_read_as_it_was(text in "[^\u{0}-\u{8}\u{b}\u{c}\u{e}-\u{1f}]{0,40}") {
        let mut xml = Writer::default();
        xml.text("a", &text);
        let tree = tree(xml.into_string().as_bytes());
        let element = tree.last().expect("an element");
        let expected = (!text.chars().all(|character| " \t\r\n".contains(character))).then_some(text.as_str());
        prop_assert_eq!(element.text(), expected);
    }
}

fn tree(document: &[u8]) -> Tree {
    let mut tokenizer = Tokenizer::new();
    let mut tree = Tree::default();
    tokenizer.push(document);
    while let Some(token) = tokenizer.token_or_leaf().expect("a document") {
        grow(&mut tree, &tokenizer, token);
    }
    tree
}

fn grow(tree: &mut Tree, tokenizer: &Tokenizer, token: Token) {
    match token {
        Token::Start { name, attributes } => tree.start(tokenizer.bytes(name), attributes),
        Token::Text(text) => tree.text(tokenizer.bytes(text), Charset::UTF_8),
        Token::Data(text) => tree.data(tokenizer.bytes(text), Charset::UTF_8),
        Token::End => tree.end(),
        Token::Leaf { whole, name } => tree.leaf(tokenizer.bytes(whole), name, Charset::UTF_8),
    }
}

#[test]
fn a_trickle_costs_no_more_than_a_flood() {
    // Were the search for the end of a token begun anew with every byte, this would take hours.
    let document = format!("<a b=\"{0}\"><!--{0}--><![CDATA[{0}]]>{0}</a>", "x".repeat(1_000_000));
    assert_eq!(read(document.as_bytes(), 1), read(document.as_bytes(), usize::MAX));
    let document = format!("<a><b>1</b>{}<{} x=\"1\"/></a>", " ".repeat(1_000_000), "y".repeat(1_000_000));
    let mut tokenizer = Tokenizer::new();
    let mut tokens = 0;
    for byte in document.as_bytes() {
        tokenizer.push(std::slice::from_ref(byte));
        while tokenizer.token_or_leaf().expect("a document").is_some() {
            tokens += 1;
        }
    }
    assert_eq!(tokens, 8);
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
        let tree = tree(document.as_bytes());
        let texts: Vec<_> = tree.last().expect("a root").texts().collect();
        assert_eq!(texts, [text], "{document}");
    }
}

#[test]
fn elements_are_told_with_their_names_texts_and_oddities() {
    let tree = tree("<order>\n <id x='1'>7</id> stray <a><b>1</b><b>&auml;</b></a><email> </email></order>".as_bytes());
    let order = tree.last().expect("an element");
    let children: Vec<_> = order.children().map(|child| (child.name(), child.text())).collect();
    assert_eq!(children, [("id", Some("7")), ("a", None), ("email", None)]);
    let inner: Vec<_> = order.children().flat_map(super::Element::children).map(|child| (child.path(), child.text())).collect();
    assert_eq!(inner, [("a.b".to_owned(), Some("1")), ("a.b".to_owned(), Some("ä"))]);
    let odd: Vec<_> = tree.oddities().map(|(oddity, element)| format!("{oddity:?} {}", element.path())).collect();
    assert_eq!(odd, ["MixedText order", "Attribute order.id", "Entity a.b"]);
}
