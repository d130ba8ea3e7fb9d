"""Recipes: the tutorial's figures, what suits a book's length, and wishes."""

from __future__ import annotations

import pytest

from model.config import NetworkConfig
from model.errors import SettingError
from model.training.network import StackedLSTM
from model.training.recipes import TUTORIAL, Recipe, RecipeOverrides, adapt_recipe, recipe_for


def test_the_tutorials_recipe_is_the_tutorials() -> None:
    recipe = recipe_for("tutorial", 94_372)
    assert recipe is TUTORIAL
    assert (recipe.rows, recipe.window, recipe.epochs) == (64, 100, 30)
    assert (recipe.optimizer, recipe.learning_rate, recipe.dropout) == ("adam", 1e-3, 0.2)
    assert (recipe.monitor, recipe.held_out, recipe.keep) == ("training", 0.0, 0)
    assert StackedLSTM(recipe.network_config(48)).parameter_count == 1_852_464


@pytest.mark.parametrize("characters", [2_000, 94_372, 1_115_394, 10_000_000, 60_000_000])
def test_a_longer_book_gets_a_network_no_smaller_and_no_more_epochs(characters: int) -> None:
    recipe, longer = (recipe_for("default", length) for length in (characters, characters * 6))
    assert recipe.hidden_size <= longer.hidden_size
    assert recipe.epochs >= longer.epochs
    assert recipe.dropout >= longer.dropout


def test_the_network_for_a_book_of_sonnets_is_small_enough_to_ship() -> None:
    network = StackedLSTM(recipe_for("default", 94_372).network_config(48))
    assert network.parameter_count * 4 < 8_000_000


def test_wishes_take_the_place_of_settings() -> None:
    recipe = adapt_recipe(recipe_for("default", 94_372), RecipeOverrides(7, "training"))
    assert (recipe.epochs, recipe.monitor) == (7, "training")
    known = recipe_for("default", 94_372, recipe.network_config(9))
    assert known.unfamiliar_epochs > known.epochs
    assert adapt_recipe(known, RecipeOverrides(7)).unfamiliar_epochs == 0


@pytest.mark.parametrize("characters", [2_000, 94_372, 1_115_394, 10_000_000])
def test_fine_tuning_keeps_the_network_that_it_goes_on_from(characters: int) -> None:
    network = NetworkConfig(vocabulary_size=9, hidden_size=32, layers=3, embedding_size=8)
    recipe = recipe_for("default", characters, network)
    same = {"vocabulary_size": 9, "dropout": 0.0}
    assert recipe.network_config(20).model_copy(update=same) == network
    assert recipe.epochs >= recipe_for("default", characters * 6, network).epochs
    assert recipe.epochs < recipe_for("default", characters).epochs or characters > 400_000


def test_no_wish_changes_nothing() -> None:
    assert adapt_recipe(TUTORIAL, RecipeOverrides()) == TUTORIAL


def test_the_tutorial_can_watch_a_held_out_tenth_but_keeps_its_network() -> None:
    network = NetworkConfig(vocabulary_size=9, hidden_size=32)
    recipe = adapt_recipe(
        recipe_for("tutorial", 94_372, network), RecipeOverrides(monitor="validation")
    )
    assert (recipe.monitor, recipe.held_out, recipe.hidden_size) == ("validation", 0.1, 256)


def test_an_impossible_wish_is_told_with_its_range() -> None:
    with pytest.raises(SettingError, match="epochs is 0; it must be greater than or equal to 1"):
        adapt_recipe(TUTORIAL, RecipeOverrides(epochs=0))


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(
        SettingError, match=r"momentum is 0\.9; it must be left out: there is no such setting"
    ):
        Recipe.checked(name="default", momentum=0.9)
