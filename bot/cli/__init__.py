"""The command line: poems at a terminal, and what admins do at a shell."""
