"""Backups: how one is written, read and restored."""
