"""How a model is trained: every setting with its default and sane range, and the recipes.

`Field` has what is accepted; the comment has what makes sense. Shapes: N rows, T tokens in a
window, E embedding, H hidden, L layers. Losses are in nats per character.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from model.config import NetworkConfig, StrictSettings


class Recipe(StrictSettings):
    """The settings of one training; the defaults suit a book of 20,000 to 400,000 characters."""

    name: Literal["default", "fine-tuning", "tutorial"]
    lower_case: bool = True  # a quarter fewer characters to learn
    # the network
    input: Literal["embedding", "scalar"] = "embedding"  # scalar: a character's id divided by V
    embedding_size: int = Field(default=64, ge=1, le=1024)  # E: 32–128
    hidden_size: int = Field(default=256, ge=1, le=4096)  # H: 128 for a letter, 512 for many books
    layers: int = Field(default=2, ge=1, le=8)  # L: 2–4
    residual: bool = False  # add a layer's input to its output from the second layer on
    tied: bool = False  # the embedding is the head's weights too; for pieces, which are many
    topic_size: int = Field(default=0, ge=0, le=512)  # K: 64–128 for verse; 0: without topics
    dropout: float = Field(default=0.4, ge=0.0, lt=1.0)  # 0.1–0.5; more for shorter books
    weight_drop: float = Field(default=0.0, ge=0.0, lt=1.0)  # of recurrent weights; 0–0.5
    # what it reads
    reads: Literal["streams", "windows"] = "streams"  # with carried state, or each window alone
    rows: int = Field(default=8, ge=1, le=4096)  # N: 8–128; fewer learn more in an epoch
    window: int = Field(default=64, ge=1, le=4096)  # T: 32–128
    shuffle: bool = True  # passages in another order each epoch
    # Share of the rows whose state is zeroed at each window, because a poem begins without one.
    cold_starts: float = Field(default=0.0, ge=0.0, le=1.0)  # 0.01–0.1
    held_out: float = Field(default=0.1, ge=0.0, le=0.5)  # 0.05–0.2; the book's tail, only measured
    # how it learns
    epochs: int = Field(default=11, ge=1, le=10_000)  # 1–30; fewer for longer books
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = Field(default=5e-3, gt=0.0, le=1.0)  # 1e-3–6e-3, at its highest
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = Field(default=0.05, ge=0.0, le=0.5)  # 0–0.1; share of the training
    final_rate: float = Field(default=0.02, ge=0.0, le=1.0)  # 0–0.1; share left at the end
    beta2: float = Field(default=0.99, gt=0.0, lt=1.0)  # 0.99–0.999; 0.99 forgets in 100 steps
    epsilon: float = Field(default=1e-8, gt=0.0, le=1e-3)  # 1e-8–1e-7
    weight_decay: float = Field(default=0.1, ge=0.0, le=1.0)  # 0.03–0.1; of matrices, not of biases
    clip: float = Field(default=1.0, ge=0.0)  # 0.5–5; of the gradient's norm; 0: off
    average: float = Field(default=0.99, ge=0.0, lt=1.0)  # 0.99–0.999 a step; of weights; 0: off
    # Share of the first weights in that average: 0.3–0.6 for fine-tuning, so that the model still
    # knows what the other one knew. Wortsman et al. 2022.
    first_weights: float = Field(default=0.0, ge=0.0, lt=1.0)
    # Epochs for a book that is unlike what the other model has read; 0: as many as for any.
    unfamiliar_epochs: int = Field(default=0, ge=0, le=10_000)
    # what is kept
    monitor: Literal["validation", "training"] = "validation"  # the loss that picks the best epoch
    patience: int = Field(default=5, ge=0)  # 3–10 epochs without improvement; 0: never stop early
    keep: int = Field(default=3, ge=0)  # 1–5 best files; 0: all

    def network_config(self, vocabulary_size: int) -> NetworkConfig:
        """Return the shape of the network that this recipe trains."""
        return NetworkConfig(
            vocabulary_size=vocabulary_size,
            input=self.input,
            embedding_size=self.embedding_size if self.input == "embedding" else 1,
            hidden_size=self.hidden_size,
            layers=self.layers,
            dropout=self.dropout,
            residual=self.residual,
            tied=self.tied,
            topic_size=self.topic_size,
        )


TUTORIAL = Recipe(
    name="tutorial",
    input="scalar",
    layers=4,
    dropout=0.2,
    reads="windows",
    rows=64,
    window=100,
    shuffle=True,  # of the windows, as Keras does
    held_out=0.0,
    epochs=30,
    optimizer="adam",
    learning_rate=1e-3,
    schedule="constant",
    warmup=0.0,
    beta2=0.999,
    epsilon=1e-7,  # Keras's
    weight_decay=0.0,
    clip=0.0,
    average=0.0,
    monitor="training",
    patience=0,
    keep=0,
)

# What two networks must have in common for one to start with the other's weights.
SHAPE = ("input", "embedding_size", "hidden_size", "layers", "residual", "tied", "topic_size")

# Longest book in characters, and the settings that suit it. A network that is too big learns a
# short book by heart before it can spell; many epochs of a long book take hours.
SETTINGS_BY_LENGTH: tuple[tuple[int, dict[str, object]], ...] = (
    (20_000, {"hidden_size": 192, "dropout": 0.5, "epochs": 30}),
    (400_000, {}),  # the fields' own defaults, found on 94,372 characters of sonnets
    (3_000_000, {"hidden_size": 384, "dropout": 0.25, "epochs": 8, "rows": 32}),
    (20_000_000, {"hidden_size": 512, "dropout": 0.1, "epochs": 3, "rows": 64}),
)
LONGEST: dict[str, object] = {"hidden_size": 512, "dropout": 0.0, "epochs": 1, "rows": 64}

# Fine-tuning: the network is the other model's, and it can spell already. Lengths as above.
FINE_TUNING_EPOCHS: tuple[tuple[int, int], ...] = ((20_000, 6), (400_000, 4), (3_000_000, 2))
FINE_TUNING: dict[str, object] = {
    "rows": 16,
    # It goes far and comes back most of the way: see first_weights.
    "learning_rate": 2e-3,
    "dropout": 0.1,
    "weight_drop": 0.05,
    "cold_starts": 0.05,
    "first_weights": 0.5,
}


def fine_tuning(characters: int, network: NetworkConfig) -> Recipe:
    """Return the recipe that trains a `network` further on a book of this many characters."""
    epochs = next((epochs for limit, epochs in FINE_TUNING_EPOCHS if characters <= limit), 1)
    shape = {field: getattr(network, field) for field in SHAPE}
    lengths = {"epochs": epochs, "unfamiliar_epochs": 2 * epochs}
    return Recipe.checked(name="fine-tuning", **lengths, **shape, **FINE_TUNING)


def recipe_for(
    name: Literal["default", "tutorial"], characters: int, start: NetworkConfig | None = None
) -> Recipe:
    """Return the recipe called `name` for a book of this many characters.

    `start` is the network to start with, if any: then the default recipe is fine-tuning.
    """
    if name == "tutorial":
        return TUTORIAL
    if start is not None:
        return fine_tuning(characters, start)
    fitting = next(
        (settings for limit, settings in SETTINGS_BY_LENGTH if characters <= limit), LONGEST
    )
    return Recipe.checked(name="default", **fitting)


@dataclass(frozen=True, slots=True)
class RecipeOverrides:
    """Settings that a person has chosen; None: as in the recipe."""

    epochs: int | None = None
    monitor: Literal["validation", "training"] | None = None


def adapt_recipe(recipe: Recipe, overrides: RecipeOverrides) -> Recipe:
    """Return `recipe` with the overrides in place of its own settings; raise SettingError."""
    settings = recipe.model_dump()
    if overrides.epochs is not None:
        settings.update(epochs=overrides.epochs, unfamiliar_epochs=0)
    if overrides.monitor is not None:
        settings["monitor"] = overrides.monitor
        settings["held_out"] = recipe.held_out or 0.1
    return Recipe.checked(**settings)
