"""The Discord door: parses what members ask, calls the service, and shows what it writes."""
