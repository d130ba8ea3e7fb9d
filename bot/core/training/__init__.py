"""Trainings for the bot: a process of their own, one at a time, and what it tells."""
