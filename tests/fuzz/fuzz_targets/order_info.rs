//! Any bytes as an answer to `order_info`: the same whether they come whole or in pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tjansteguiden_gateway::legacy::offline_decoder::Decoder;

fuzz_target!(|document: &[u8]| {
    let read = |decoder: Decoder| decoder.order_info(tjansteguiden_gateway::model::OrderId::try_new(1).unwrap(), document);
    assert_eq!(read(Decoder::new(usize::MAX)), read(Decoder::new(3)));
});
