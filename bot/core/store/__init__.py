"""What is kept between starts: one SQLite database in the data folder."""
