"""The web door: a page to write poems on, an API for programs, and what operators look at."""
