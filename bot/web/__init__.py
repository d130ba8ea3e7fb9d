"""The web door: a page to write poems on, an API for programs, and what operators look at.

What lives here, in the order in which a request passes.

- `app` joins the addresses with what guards them.
- `addresses` says where the page listens; `server` accepts connections and limits them.
- `security` says who asks, whether the Host and the Origin are ours, and what a browser may do with
  the answer.
- `admission` says whether a client may ask for a poem now, and reads the body.
- `poems` answers with a poem, or with a picture of one, from `PoemService`; `openai` does so as
  OpenAI's clients expect it, `lines` with what the next line of a poem may be. `events` sends a
  poem while it is being written. `rooms` lets many people write one.
- `policies` has the pages on privacy and the terms of use.
- `status` has /healthz, /metrics, the models and the books; `health` asks a page on this machine
  for /healthz. `qr_code` draws the page's address.
- `page` has the files of the page, the kiosk, rooms and the dashboard, in the folder `page/`.
- `errors` has what is refused, and makes every error an answer.
"""
