//! The page that explains a problem to a person.

use super::Code;

/// The page about a code, as HTML.
#[must_use]
pub fn page(code: Code) -> String {
    let row = code.info();
    let explanation = in_code_marks(row.explanation);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{code}</title>\
         <link rel=\"icon\" href=\"../swagger-ui/favicon-32x32.png\"></head>\n<body>\n<h1>{title}</h1>\n<p><code>{code}</code>, usually with \
         HTTP status {status}</p>\n<p>{explanation}</p>\n<p><a href=\"../swagger-ui/\">The API and all its problems</a></p>\n</body>\n</html>\n",
        code = row.code,
        title = row.title,
        status = row.status.as_u16(),
    )
}

/// The texts are ours and need no escaping; what stands in backticks becomes code.
fn in_code_marks(text: &str) -> String {
    let pieces = text.split('`').enumerate();
    pieces.map(|(index, piece)| if index % 2 == 1 { format!("<code>{piece}</code>") } else { piece.to_owned() }).collect()
}
