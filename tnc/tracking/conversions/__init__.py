"""Conversions: what networks say about a click, read, settled against what is known, and summed up."""
