"""The native scanner under a coverage-guided fuzzer, and then beside the columnar parser."""
