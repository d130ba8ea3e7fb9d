"""What measures speed and quality: `python -m bench.NAME` prints a table, --json writes it too.

    generation        characters a second on one core; generation_methods has what is compared
    instructions      how many the innermost loop takes, on processors that need not be here
    threads           how much more several writing threads write than one
    latency           how long members wait under load; load_phase puts it on, load_report reads it
    loop_lag          how late the event loop is while the page is attacked, by watched_bot
    during_training   poems, and memory, while a training runs
    poems             how good poems are; judges says so, of poem_seeds
    sense             whether they have a thread, by strangers: sense_models; sense_measures counts
    agreement         whether verbs agree with their subjects, by link-grammar
    tinyshakespeare   the loss of a training, to compare with others

What they share: stats and tables for figures, gauges for the process and the machine, networks to
measure with, charts. What breaks the bot is in tests/rigs.
"""
