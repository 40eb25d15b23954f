//! The HTML page about a problem, to which `type` links.

use super::Code;

/// The page about a code.
#[must_use]
pub fn page(code: Code) -> String {
    let info = code.info();
    let explanation = backticks_to_code(info.explanation);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{code}</title>\
         <link rel=\"icon\" href=\"../swagger-ui/favicon-32x32.png\"></head>\n<body>\n<h1>{title}</h1>\n\
         <p><code>{code}</code>, usually with HTTP status {status}</p>\n<p>{explanation}</p>\n\
         <p><a href=\"../swagger-ui/\">API documentation</a></p>\n</body>\n</html>\n",
        code = info.code,
        title = info.title,
        status = info.status.as_u16(),
    )
}

/// The texts come from our own table, so they need no escaping.
fn backticks_to_code(text: &str) -> String {
    let pieces = text.split('`').enumerate();
    pieces.map(|(index, piece)| if index % 2 == 1 { format!("<code>{piece}</code>") } else { piece.to_owned() }).collect()
}
