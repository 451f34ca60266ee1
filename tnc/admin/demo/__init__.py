"""The demo: a configuration to learn from and a month of generated traffic."""
