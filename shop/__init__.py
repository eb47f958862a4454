"""The shop on the command line: `python -m shop --help`."""
