"""The training room's door: from a book to the files of a training; serving never enters it.

`chart` is not here: it loads matplotlib, which only the end of a training needs.
"""

from model.training.device import choose_device, give_way
from model.training.folder import TrainingFolder, new_folder
from model.training.interruption import Interruption, drop_unread
from model.training.loop import EpochEnd, StepEnd, Training
from model.training.network import CharLSTM, choose_start, network_of, tensors_of
from model.training.recipes import Recipe, RecipeOverrides, adapt_recipe, recipe_for
from model.training.reporting import JsonReporter, Reporter, TerminalReporter
from model.training.run import TrainingRun
from model.training.tutorial import summarise_network, write_by_window

__all__ = [
    "CharLSTM",
    "EpochEnd",
    "Interruption",
    "JsonReporter",
    "Recipe",
    "RecipeOverrides",
    "Reporter",
    "StepEnd",
    "TerminalReporter",
    "Training",
    "TrainingFolder",
    "TrainingRun",
    "adapt_recipe",
    "choose_device",
    "choose_start",
    "drop_unread",
    "give_way",
    "network_of",
    "new_folder",
    "recipe_for",
    "summarise_network",
    "tensors_of",
    "write_by_window",
]
