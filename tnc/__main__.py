"""`python -m tnc`, and what the `tnc` command runs."""

from tnc.cli.main import main

if __name__ == "__main__":
    main()
