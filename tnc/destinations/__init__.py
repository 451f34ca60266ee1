"""What leaves the house: conversions on their way to ad platforms, sources and the owner's own systems."""
