"""The checks a lease depends on: each pure, with its setting and its reason code."""
