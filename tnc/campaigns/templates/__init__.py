"""Ready traffic sources and networks, so that nobody has to look up which macro goes where."""
