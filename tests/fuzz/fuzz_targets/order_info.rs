//! Decodes any bytes as an answer to `order_info`: no panic, and the same result in one piece and in chunks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tjansteguiden_gateway::legacy::offline_decoder::Decoder;
use tjansteguiden_gateway::model::OrderId;

fuzz_target!(|document: &[u8]| {
    let decode = |decoder: Decoder| decoder.order_info(OrderId::try_new(1).unwrap(), document);
    assert_eq!(decode(Decoder::new(usize::MAX)), decode(Decoder::new(3)));
});
