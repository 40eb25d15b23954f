//! Decodes any bytes as an answer to `add_message`: no panic, and the same result in one piece and in chunks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tjansteguiden_gateway::legacy::offline_decoder::Decoder;

fuzz_target!(|document: &[u8]| {
    let decode = |decoder: Decoder| decoder.add_message(document);
    assert_eq!(decode(Decoder::new(usize::MAX)), decode(Decoder::new(3)));
});
