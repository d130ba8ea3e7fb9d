"""Training: from a book to a model file. train.py enters here; the bot never does.

The parts, in the order in which data passes them:

    device, interruption   where to compute; what may end a training early
    recipes                every setting with its range
    folder                 where a training keeps its files
    run                    a training with its folder: begin, resume, save, finish
    batches                a text as ids, and ids as batches
    topics                 what the lines of a text are about
    network                the LSTM in PyTorch, and starting with another model's weights
    head_loss              its loss, without the logits of all tokens at once
    processes              several processes that train one network together
    optim                  Adam, and the learning rate through a training
    loop                   batch, loss, step; yields what happens
    evaluation             the loss of a text, without dropout
    resume                 a training on disk between two steps
    reporting, chart       what a person or a program is told; the picture of the losses
    tutorial               what only the classic tutorial's program does
    pieces                 what tokens a base model has, for train_base.py
    related                words that go with those that have topics, for train_base.py
    base                   the text and the stages of the base model, for train_base.py

`chart` is not imported here: it loads matplotlib, which only the end of a training needs.
"""

from model.training.device import choose_device, give_way
from model.training.folder import TrainingFolder, new_folder
from model.training.interruption import Interruption, drop_unread
from model.training.loop import EpochEnd, Training
from model.training.network import StackedLSTM, choose_start, network_of, tensors_of
from model.training.processes import Processes, join_processes
from model.training.recipes import RecipeOverrides, adapt_recipe, recipe_for
from model.training.reporting import JsonReporter, Reporter, TerminalReporter
from model.training.run import TrainingRun
from model.training.tutorial import summarise_network, write_by_window

__all__ = [
    "EpochEnd",
    "Interruption",
    "JsonReporter",
    "Processes",
    "RecipeOverrides",
    "Reporter",
    "StackedLSTM",
    "TerminalReporter",
    "Training",
    "TrainingFolder",
    "TrainingRun",
    "adapt_recipe",
    "choose_device",
    "choose_start",
    "drop_unread",
    "give_way",
    "join_processes",
    "network_of",
    "new_folder",
    "recipe_for",
    "summarise_network",
    "tensors_of",
    "write_by_window",
]
