"""Clicks and conversions as they come in, and the configuration that goes live. No HTTP."""
