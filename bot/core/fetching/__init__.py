"""Fetching a book from an address that a stranger typed, without being sent to our own network.

In the order in which a book passes: `gutenberg` makes an address of a number and keeps what comes;
`fetcher` writes a book to a file, a `part_file` until all of it is there; `process` starts a
process of its own for each book. In there `client` asks over HTTP: `addresses` says which URLs and
IP addresses are allowed, `routes` which of them lead to this machine or its neighbours, `tunnel`
goes through a proxy where there is one, and `meter` counts every byte that comes in.
"""
