"""Where conversions can be sent on to: one file for each platform. Pure: no network, no files, no clock of its own."""
