"""The configuration as a file: read, compared, written, stored; templates of traffic sources and networks."""
