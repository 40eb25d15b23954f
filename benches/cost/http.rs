//! A client that keeps one connection.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::gateway::KEY;

pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// Entity tags by target. The upstream always answers the same, so they stay valid.
    tags: HashMap<String, String>,
}

/// A response that has arrived completely.
pub(crate) struct Response<'c> {
    pub(crate) status: u16,
    head: &'c str,
    /// With the sizes of the chunks, if it came in chunks.
    pub(crate) body: &'c [u8],
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket");
        Self { stream, received: Vec::new(), tags: HashMap::new() }
    }

    /// The entity tag of a resource, which is read the first time.
    pub(crate) fn tag(&mut self, target: &str) -> String {
        if let Some(tag) = self.tags.get(target) {
            return tag.clone();
        }
        let tag = self.send("GET", target, "", "").header("etag").expect("a tag").to_owned();
        self.tags.insert(target.to_owned(), tag.clone());
        tag
    }

    /// Sends a request with these header lines, each with its line end, and waits for the end of the response.
    pub(crate) fn send(&mut self, method: &str, target: &str, headers: &str, body: &str) -> Response<'_> {
        let authorization = format!("Authorization: Bearer {KEY}\r\n");
        self.send_as(&authorization, method, target, headers, body)
    }

    /// Sends a request with this header line as its credential.
    pub(crate) fn send_as(&mut self, credential: &str, method: &str, target: &str, headers: &str, body: &str) -> Response<'_> {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let common = "Host: gateway.example\r\nAccept-Encoding: identity\r\nUser-Agent: bench\r\n";
        let request = format!("{method} {target} HTTP/1.1\r\n{common}{credential}{headers}{length}\r\n{body}");
        self.stream.write_all(request.as_bytes()).expect("the gateway reads");
        self.received.clear();
        let end_of_head = self.receive_head();
        self.receive_body(end_of_head);
        let (head, body) = self.received.split_at(end_of_head);
        let head = std::str::from_utf8(head).expect("ASCII");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Response { status, head, body }
    }

    fn receive_head(&mut self) -> usize {
        loop {
            if let Some(position) = memchr::memmem::find(&self.received, b"\r\n\r\n") {
                return position + 4;
            }
            self.read();
        }
    }

    fn receive_body(&mut self, start: usize) {
        let head = std::str::from_utf8(self.received.split_at(start).0).expect("ASCII");
        if head.starts_with("HTTP/1.1 304") {
            return;
        }
        if let Some(length) = header(head, "content-length").map(|length| length.parse::<usize>().expect("a length")) {
            while self.received.len() < start + length {
                self.read();
            }
        } else {
            assert_eq!(header(head, "transfer-encoding"), Some("chunked"), "{head}");
            while !self.received.ends_with(b"\r\n0\r\n\r\n") {
                self.read();
            }
        }
    }

    fn read(&mut self) {
        let mut buffer = vec![0; 64 * 1024];
        let length = self.stream.read(&mut buffer).expect("a connection");
        assert!(length > 0, "the gateway closed the connection");
        self.received.extend_from_slice(buffer.split_at(length).0);
    }
}

impl Response<'_> {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
}
