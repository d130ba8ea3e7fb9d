"""How a model is trained: every setting with its sane range, and two recipes of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from model.config import NetworkConfig, Settings


class Recipe(Settings):
    """Settings of one training. Losses are in nats per character."""

    name: Literal["default", "tutorial"]
    lower_case: bool = True  # a quarter fewer characters to learn
    # the network
    input: Literal["embedding", "scalar"] = "embedding"
    embedding_size: int = Field(default=64, ge=1, le=1024)
    hidden_size: int = Field(default=256, ge=1, le=4096)  # 128 for a letter, 512 for a shelf
    layers: int = Field(default=2, ge=1, le=8)
    residual: bool = False
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0)  # 0.2–0.5; more for shorter books
    weight_drop: float = Field(default=0.0, ge=0.0, lt=1.0)  # of recurrent weights; 0–0.5
    # what it reads
    reads: Literal["streams", "windows"] = "streams"
    rows: int = Field(default=16, ge=1, le=4096)  # N: 8–128
    window: int = Field(default=64, ge=1, le=4096)  # T: 32–128
    shuffle: bool = True  # passages in another order each epoch
    held_out: float = Field(default=0.1, ge=0.0, le=0.5)  # the book's tail, never trained on
    # how it learns
    epochs: int = Field(default=20, ge=1, le=10_000)
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = Field(default=4e-3, gt=0.0, le=1.0)  # 1e-3–6e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = Field(default=0.05, ge=0.0, le=0.5)  # share of the training
    final_rate: float = Field(default=0.02, ge=0.0, le=1.0)  # what the cosine ends at, as a share
    beta2: float = Field(default=0.99, gt=0.0, lt=1.0)  # 0.99 forgets in 100 steps; few are made
    epsilon: float = Field(default=1e-8, gt=0.0, le=1e-3)
    weight_decay: float = Field(default=0.01, ge=0.0, le=1.0)
    clip: float = Field(default=1.0, ge=0.0)  # of the gradient's norm; 0: off
    average: float = Field(default=0.0, ge=0.0, lt=1.0)  # of the weights, decay per step; 0: off
    # what is kept
    monitor: Literal["validation", "training"] = "validation"
    patience: int = Field(default=5, ge=0)  # epochs without improvement; 0: never stop early
    keep: int = Field(default=3, ge=0)  # best files kept; 0: all

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
    monitor="training",
    patience=0,
    keep=0,
)
