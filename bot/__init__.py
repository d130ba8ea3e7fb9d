"""The bot: one service behind three doors (Discord, the web page, a terminal)."""
