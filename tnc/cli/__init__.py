"""The command line: one function a command. It parses, asks the house, and prints."""

from tnc.cli.root import group


def main() -> None:
    group(prog_name="tnc")


__all__ = ["group", "main"]
