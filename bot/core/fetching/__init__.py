"""Fetching a book from an address that a stranger typed, without being sent to our own network."""
