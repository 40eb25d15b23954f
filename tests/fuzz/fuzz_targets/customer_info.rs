//! Decodes any bytes as an answer to `customer_info`: no panic, and the same result in one piece and in chunks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tjansteguiden_gateway::legacy::offline_decoder::Decoder;
use tjansteguiden_gateway::model::CustomerId;

fuzz_target!(|document: &[u8]| {
    let decode = |decoder: Decoder| decoder.customer_info(CustomerId::try_new(1).unwrap(), document);
    assert_eq!(decode(Decoder::new(usize::MAX)), decode(Decoder::new(3)));
});
