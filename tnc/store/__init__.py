"""Everything on disk: keys, day files, the control database, columns for reports."""
