"""Sends conversions to ad platforms, traffic sources and the owner's own systems."""
