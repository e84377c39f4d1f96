//! Any bytes as a capture: lines in order with times in order, at most one error of the file, an end.

#![no_main]

use std::io::Cursor;

use binance::{Capture, LineError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut capture = Capture::from_reader(Cursor::new(data.to_vec()));
    let line_count = data.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    let (mut number_before, mut time_before) = (0, 0);
    while let Some(next) = capture.next() {
        let number = match next {
            Ok(line) => {
                assert!(!line.frame.is_empty());
                assert!(time_before <= line.receive_ns);
                time_before = line.receive_ns;
                line.number
            }
            Err(LineError::Damaged { line, .. }) => panic!("memory is not damaged, line {line}"),
            Err(error) => error.line(),
        };
        assert!(number_before < number);
        assert!(number <= line_count);
        number_before = number;
    }
    assert!(capture.next().is_none());
});
