//! Any text is read without panic; what parses prints as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rockhold_sql::{Parser, parse_one};

fuzz_target!(|text: &str| {
    for parsed in Parser::new().parse(text) {
        assert!(parsed.span.start <= parsed.span.end && parsed.span.end <= text.len());
        match parsed.statement {
            Ok(statement) => {
                let printed = statement.to_string();
                let again = parse_one(&printed);
                assert_eq!(again.as_ref(), Ok(&statement), "printed as {printed}");
            }
            Err(error) => {
                let _ = (error.to_string(), error.place(text));
            }
        }
    }
});
