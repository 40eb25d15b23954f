//! Any bytes as an answer to `set_status`: the same whether they come whole or in pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tjansteguiden_gateway::legacy::offline_decoder::Decoder;

fuzz_target!(|document: &[u8]| {
    let read = |decoder: Decoder| decoder.set_status(document);
    assert_eq!(read(Decoder::new(usize::MAX)), read(Decoder::new(3)));
});
