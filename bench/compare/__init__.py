"""The comparison: one text-classification service in Python, Rust and C, measured side by side. `make bench-compare` runs it."""
