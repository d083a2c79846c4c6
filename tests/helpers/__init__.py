"""What tests share: tiny models and data, made-up runs, parsers of pages. No test imports another test."""
