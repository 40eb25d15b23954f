//! Query strings, in the character set of the upstream.

use crate::charset::Charset;

/// The parameters of a call, in the order in which they are sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QueryParams(Vec<(String, String)>);

/// Parameters that the legacy endpoint rejects. The text is the `message` of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidParams(pub(crate) &'static str);

impl QueryParams {
    /// These parameters and one more.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// These parameters, followed by others.
    pub(crate) fn and(mut self, mut other: Self) -> Self {
        self.0.append(&mut other.0);
        self
    }

    /// The value of a parameter that must occur exactly once.
    pub(crate) fn get(&self, name: &str) -> Result<&str, InvalidParams> {
        let mut values = self.0.iter().filter(|(parameter, _)| parameter == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value),
            (Some(_), Some(_)) => Err(InvalidParams("a parameter is repeated")),
            (None, _) => Err(InvalidParams("a parameter is missing")),
        }
    }

    /// The query string. Every byte with a meaning in query strings is percent-encoded, so that no value can inject another
    /// parameter.
    ///
    /// # Errors
    /// The first character that is not in the character set.
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

    /// Parses a query string; a parameter without `=` has an empty value.
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
    let with_spaces = text.replace('+', " ");
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(&with_spaces).collect();
    charset.decode(&bytes).0.into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_encoded_as_one_parameter(name in "[a-z]{1,8}", value in any::<String>()) {
            let params = QueryParams::default().with(&name, value.clone()).with("type", "log");

            let query = params.encode(Charset::UTF_8).unwrap();

            prop_assert!(query.is_ascii());
            prop_assert_eq!(query.matches('&').count(), 1);
            prop_assert_eq!(QueryParams::decode(&query, Charset::UTF_8), params);
        }
    }

    #[test]
    fn values_are_encoded_in_the_charset_of_the_upstream() {
        let latin = Charset::parse("iso-8859-1").unwrap();
        let params = QueryParams::default().with("message", "Å & b");

        assert_eq!(params.encode(latin).unwrap(), "message=%C5+%26+b");
        assert_eq!(QueryParams::decode("message=%C5+%26+b", latin), params);
        assert_eq!(QueryParams::default().with("message", "✓").encode(latin), Err('✓'));
    }
}
