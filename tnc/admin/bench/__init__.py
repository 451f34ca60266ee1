"""What a machine can take: a server of its own, visitors who come in crowds, and a clock."""
