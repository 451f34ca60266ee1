"""The command line: each file holds the commands of one subject. They read options, call a service and print."""
