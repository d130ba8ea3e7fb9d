"""Several machines that write for one bot, over NATS. Nothing here is loaded without a cluster.

What lives here:

- `messages` is what is said on the bus: bounded, checked, with a version. `bus` carries it.
- `remote` is the gateway's side: what `bot.core.engine_client` gives poems to. `worker` is the
  other side, `python -m bot worker`.
- `model_files` brings a model's file to a machine that does not have it.
- `identify` lets the shards of several machines identify one by one, and claims them.

The bus is trusted no more than a stranger. What comes from it is looked at before it is used, and
whatever is lost on it is written again: a poem depends on its random seed, not on who writes it.
"""
