//! Query strings, in the character set of the order system.

use crate::charset::Charset;

/// The parameters of a call besides method and credential, in the order in which they are sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QueryParams(Vec<(String, String)>);

/// A request that the legacy endpoint does not understand; the text is its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadRequest(pub(crate) &'static str);

impl QueryParams {
    /// The same request with one more parameter.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// The same request followed by the parameters of another.
    pub(crate) fn and(mut self, mut other: Self) -> Self {
        self.0.append(&mut other.0);
        self
    }

    /// The value of a parameter that must be there once.
    pub(crate) fn get(&self, name: &str) -> Result<&str, BadRequest> {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value),
            (Some(_), Some(_)) => Err(BadRequest("a parameter is repeated")),
            (None, _) => Err(BadRequest("a parameter is missing")),
        }
    }

    /// Writes the query string: every byte that could be taken for syntax is percent-encoded, so that no value can
    /// become another parameter.
    ///
    /// # Errors
    /// The first character that the character set does not have.
    pub(crate) fn encode(&self, charset: Charset) -> Result<String, char> {
        let mut query = String::new();
        for (name, value) in &self.0 {
            if !query.is_empty() {
                query.push('&');
            }
            query.extend(form_urlencoded::byte_serialize(name.as_bytes()));
            query.push('=');
            query.extend(form_urlencoded::byte_serialize(&charset.encode(value)?));
        }
        Ok(query)
    }

    /// Reads a query string.
    pub(crate) fn decode(query: &str, charset: Charset) -> Self {
        let parameters = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            parameters
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode_text(name, charset), decode_text(value, charset))
                })
                .collect(),
        )
    }
}

fn decode_text(text: &str, charset: Charset) -> String {
    let spaced = text.replace('+', " ");
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(&spaced).collect();
    charset.decode(&bytes).0.into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_arrives_as_it_was_given_and_adds_no_parameter(name in "[a-z]{1,8}", value in any::<String>()) {
            let request = QueryParams::default().with(&name, value.clone()).with("type", "log");
            let query = request.encode(Charset::UTF_8).unwrap();
            prop_assert!(query.is_ascii());
            prop_assert_eq!(query.matches('&').count(), 1);
            prop_assert_eq!(QueryParams::decode(&query, Charset::UTF_8), request);
        }
    }

    #[test]
    fn a_latin_system_gets_latin_bytes() {
        let latin = Charset::parse("iso-8859-1").unwrap();
        let request = QueryParams::default().with("message", "Å & b");
        assert_eq!(request.encode(latin).unwrap(), "message=%C5+%26+b");
        assert_eq!(QueryParams::decode("message=%C5+%26+b", latin), request);
        assert_eq!(QueryParams::default().with("message", "✓").encode(latin), Err('✓'));
    }
}
