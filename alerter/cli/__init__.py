"""The command line: the only place that turns errors into words and exit codes."""
