"""Several machines that write and train for one bot, over NATS; loaded where there is a cluster.

What lives here:

- `messages` is what is said on the bus: bounded, checked, with a version. `bus` carries it.
- `remote` is the gateway's side: what `bot.core.engine_client` gives poems to. `worker` is the
  other side, `python -m bot worker`.
- `model_files` brings a model's file to a machine that does not have it, by way of `file_store`.
- `training_orders` has the trainings. `remote_trainer` is the gateway's side: what
  `bot.core.training` gives them to. `trainer` is the other side, `python -m bot trainer`.
- `identify` lets the shards of several machines identify one by one, and claims them.

The bus is trusted no more than a stranger. What comes from it is looked at before it is used, and
whatever is lost on it is written again: a poem depends on its random seed, not on who writes it.
"""
