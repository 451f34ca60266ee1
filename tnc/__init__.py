"""tnc: the click tracker for your own server. It decides, records, and forgets."""

__version__ = "0.1.0"
