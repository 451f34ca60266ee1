"""Conversions: postbacks are read, judged against the known conversions of their click, and stored."""
