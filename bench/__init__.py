"""What measures speed and quality: one command each, prints a table."""
