"""Templates of traffic sources, networks and filters."""
