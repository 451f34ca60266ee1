"""What the owner set up, as a file to keep in git: read, compared, written, and stored."""
