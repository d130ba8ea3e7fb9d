"""Train the base model, which train.py starts with; it takes hours or days on two cores.

    python train_base.py TEXT [TEXT …] --unseen BOOK [BOOK …] --out FILE [--hours H]

TEXT is a UTF-8 file of verse, or a folder of them: a line a line, a blank line between stanzas, two
between poems. Stanzas that share a line with a book after --unseen are left out, so that a model of
that book can be measured on the part that is held out.

    --unseen BOOK …     what must not be read; the curve has the loss on the last tenth of each, and
                        how often the network picks the true next line of their sonnets among eight
    --valid FILE …      other authors held out; the curve has the loss on the first 50,000
                        characters of each
    --hours H           for all stages together; without it each stage reads its texts once
    --tokens pieces     pieces of words, learnt from the texts; or "characters"
    --start FILE        a base model to train on: its tokens, words and weights; TEXT may be new.
                        It reads all verse in today's words twice, at a falling rate
    --device auto|cpu|cuda
    --threads N         of the processor (default: all; under torchrun one for each process)
    --seed N            random seed, 0 … 2**63 - 1 (default 0)

After Ctrl-C, SIGTERM or a power cut the same command goes on, at most ten minutes back, from what
it keeps in the folder beside FILE that ends in .training. There curve.tsv has the losses as they
fall, in nats per character. FILE is the network as it was when the last line was written.

Several processes train together, each on its share of the rows, on one machine or several:

    torchrun --nproc-per-node 2 train_base.py TEXT … (as above)

They learn what one process learns. The first one, of the first machine, has FILE and the folder.
All machines need the texts. GPUs: as many processes as there are, each has one.
"""

from bot import supported

if __name__ == "__main__":  # before anything that an older Python cannot read
    supported.begin()

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import safetensors.torch
import torch
from tqdm import tqdm

from bench.sense_measures import next_line
from bench.sense_models import OwnNetwork
from model import (
    Card,
    Lexicon,
    Model,
    ModelError,
    Vocabulary,
    load_model,
    printable,
    read_book_files,
    save_model,
)
from model.next_line import Poem as Sonnet
from model.next_line import sample, sonnets_of
from model.training import (
    EpochEnd,
    Interruption,
    Processes,
    Training,
    choose_device,
    join_processes,
    tensors_of,
)
from model.training.base import (
    LATER_STAGES,
    PIECES,
    STAGES,
    Poem,
    PoemReader,
    Stage,
    base_lexicon,
    stage_text,
)
from model.training.batches import encode_book, token_lengths
from model.training.evaluation import evaluate_stream
from model.training.pieces import learn_pieces
from model.training.recipes import Recipe
from model.training.related import find_related
from model.training.resume import load_training, restore_training, save_training
from model.training.topics import learn_topic_vectors
from model.verse.plan import placed_words
from model.verse.related import RelatedWords

SAVE_EVERY_SECONDS = 600.0
MEASURED = 50_000  # characters of each author held out
SONNETS = 40  # whose next lines are asked for; half a minute
TEXTS = "base"  # what a training of the base calls its book
ALONE = Processes(torch.device("cpu"))


@dataclass
class BaseTraining:
    """The stages of one base model, and the folder that they go on from."""

    out: Path
    poems: list[Poem]
    held_out: dict[str, str]  # what is measured, by its name in the curve
    sonnets: list[Sonnet]  # the same, for next lines
    device: torch.device
    interruption: Interruption
    stages: Sequence[Stage] = STAGES
    pieces: bool = True
    start: Model | None = None
    hours: float | None = None
    seed: int = 0
    processes: Processes = ALONE
    signal: int = 0  # the one that ended it
    vocabulary: Vocabulary = field(init=False)
    lexicon: Lexicon = field(init=False)

    def __post_init__(self) -> None:
        """Raises RowsIndivisible or ProcessesDiffer where the processes cannot train together."""
        for stage in self.stages:
            self.processes.own_rows(stage.recipe.rows)
        self.processes.insist_on_same(self._facts())
        self.folder = self.processes.folder or self.out.with_suffix(".training")
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.start is None:
            text = stage_text(self.stages[0], self.poems, self.seed)
            self.vocabulary = self._learn_vocabulary(text)
            self.lexicon = base_lexicon(text, [poem.text for poem in self.poems])
        else:
            self.vocabulary, self.lexicon = self.start.vocabulary, self.start.lexicon
            self.pieces = bool(self.vocabulary.pieces)
        self._measured = {
            name: encode_book(self.vocabulary.fold(text.lower()).text, self.vocabulary)
            for name, text in self.held_out.items()
        }

    def run(self) -> bool:
        """Train all stages from where they stand; False where a signal came first."""
        start = self.start
        for number, stage in enumerate(self.stages, 1):
            ended = self.folder / f"stage-{number}.safetensors"
            self.processes.copy_file(ended)
            if not ended.exists():
                # Poems are in another order in each stage.
                text = stage_text(stage, self.poems, self.seed + number - 1)
                training = Training(
                    self._known(text),
                    self._recipe(stage),
                    device=self.device,
                    seed=self.seed + number,
                    start=start,
                    vocabulary=self.vocabulary,
                    seconds_limit=self.hours and self.hours * 3600 * stage.share,
                    processes=self.processes,
                )
                if start is None and training.network.topics is not None:
                    self._teach_topics(training)
                self._find_related(training)
                if not self._run_stage(number, training):
                    return False
                if self.processes.is_first:
                    self._save_model(ended, training)
                self.processes.copy_file(ended)
            start = load_model(ended)
        return True

    def _facts(self) -> Iterator[str]:
        """Yield what must be the same in all processes."""
        sha256 = self.start and self.start.sha256
        yield repr((self.pieces, self.hours, self.seed, self.device.type, sha256))
        yield from (f"{stage.recipe} {stage.share}" for stage in self.stages)
        yield from (poem.text for poem in self.poems)

    def _once(self, name: str, write: Callable[[Path], object]) -> Path:
        """Return a file of the folder; where it is missing, the first process writes it."""
        path = self.folder / name
        if self.processes.is_first and not path.exists():
            write(path)
        self.processes.copy_file(path)
        return path

    def _recipe(self, stage: Stage) -> Recipe:
        # Characters are no words: nothing can be said of what a line is about.
        return stage.recipe if self.pieces else stage.recipe.model_copy(update={"topic_size": 0})

    def _teach_topics(self, training: Training) -> None:
        """Give the network the vectors of words, learnt once and kept for all stages."""

        def learn(path: Path) -> None:
            size = training.recipe.topic_size
            vectors = learn_topic_vectors(training.ids.cpu(), self.vocabulary, size)
            safetensors.torch.save_file({"vectors": vectors}, path)

        kept = self._once("topics.safetensors", learn)
        vectors = safetensors.torch.load_file(kept)["vectors"]
        for network in (training.network, training.averaged):
            if network.topics is not None:
                network.topics.vectors.copy_(vectors)

    def _find_related(self, training: Training) -> None:
        """Add the words to the lexicon that go with those that have a place among the topics."""
        topics = training.network.topics
        if topics is None or self.lexicon.related.text:
            return
        vectors = topics.vectors.cpu().numpy()

        def find(path: Path) -> None:
            placed = list(placed_words(vectors, self.vocabulary, self.lexicon))
            path.write_text(find_related(training.text, placed).text, encoding="ascii")

        kept = self._once("related.txt", find)
        if kept.exists():  # an empty one is not sent to the other processes
            related = RelatedWords.read(kept.read_text(encoding="ascii"))
            self.lexicon = replace(self.lexicon, related=related)

    def _run_stage(self, number: int, training: Training) -> bool:
        resume = self.folder / f"stage-{number}.resume"
        self.processes.copy_file(resume)
        if resume.exists():
            threads = torch.get_num_threads()
            restore_training(training, load_training(resume))
            training.use_threads(threads)
        saved = training.seconds
        total = len(training.text)
        already = training.position.loss_count
        title = f"stage {number} of {len(self.stages)}"
        with tqdm(
            total=total,
            initial=already,
            desc=title,
            unit=" c",
            unit_scale=True,
            disable=not self.processes.is_first,
        ) as bar:
            for event in training.run():
                if isinstance(event, EpochEnd):
                    break
                bar.update(event.characters)
                bar.set_postfix_str(f"loss {event.loss:.4f}", refresh=False)
                self.signal = self.processes.largest(self.interruption.signal)
                if self.signal and self.processes.count > 1:
                    # torchrun leaves them half a minute, which measuring may take.
                    save_training(resume, training, TEXTS)
                    self.processes.wait()
                    return False
                if self.signal or training.seconds - saved > SAVE_EVERY_SECONDS:
                    self._note(number, training, resume)
                    saved = training.seconds
                if self.signal:
                    return False
        self._note(number, training, resume)
        return True

    def _note(self, number: int, training: Training, resume: Path) -> None:
        """Save the position and the model, and add a line to the curve."""
        save_training(resume, training, TEXTS)
        if not self.processes.is_first:
            return
        self._save_model(self.out, training)
        lengths = token_lengths(self.vocabulary)
        losses = {
            name: evaluate_stream(training.averaged, ids.to(self.device), 0, len(ids), lengths)
            for name, ids in self._measured.items()
        }
        curve = self.folder / "curve.tsv"
        head = ["stage", "step", "seconds", "characters", "training", *losses, "next line"]
        position = training.position
        read = position.loss_count or len(training.text)
        facts = [number, position.steps_made, round(training.seconds), read]
        chosen = next_line(self.sonnets, OwnNetwork(load_model(self.out)), Random(0))
        figures = [_loss(training), *losses.values(), chosen["next line chosen"].mean]
        row = [*facts, *(f"{figure:.4f}" for figure in figures)]
        is_new = not curve.exists()
        with curve.open("a", encoding="utf-8") as file:
            if is_new:
                file.write("\t".join(head) + "\n")
            file.write("\t".join(map(str, row)) + "\n")

    def _save_model(self, path: Path, training: Training) -> None:
        network = training.averaged
        card = Card(
            name="verse",
            book_title="English verse",
            book_sha256="",
            book_characters=len(training.text),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            recipe="base",
            lower_case=True,
            loss=_loss(training),
            history=training.position.history,
        )
        tensors = tensors_of(network)
        save_model(path, network.config, tensors, self.vocabulary, card, lexicon=self.lexicon)

    def _learn_vocabulary(self, text: str) -> Vocabulary:
        """Return ASCII and the pieces of the first stage's text, which are kept for all stages."""
        alphabet = Vocabulary.of("".join(filter(str.isascii, set(text))))
        if not self.pieces:
            return alphabet

        def learn(path: Path) -> None:
            known = text.translate({ord(c): None for c in set(text) - set(alphabet.characters)})
            pieces = learn_pieces(known, PIECES - len(alphabet))
            path.write_text("\n".join(pieces), encoding="utf-8")

        kept = self._once("pieces.txt", learn)
        return Vocabulary(alphabet.characters, tuple(kept.read_text(encoding="utf-8").split("\n")))

    def _known(self, text: str) -> str:
        """Return `text` on the alphabet."""
        known = set(self.vocabulary.characters)
        fold = self.vocabulary.fold
        lines = text.split("\n")
        return "\n".join(x if known.issuperset(x) else fold(x).text for x in lines)


def _loss(training: Training) -> float:
    """Return the loss of the epoch so far, or of the last one, in nats per character."""
    position = training.position
    if position.loss_count:
        return position.loss_sum / position.loss_count
    return position.history[-1].running_loss


def read_texts(paths: list[Path], *, show: bool) -> Iterator[str]:
    """Yield the texts of files, and of those that end in .txt in folders."""
    files = [
        file
        for path in paths
        for file in (sorted(path.rglob("*.txt")) if path.is_dir() else [path])
    ]
    for file in tqdm(files, desc="reading", unit=" files", disable=not show):
        yield file.read_text(encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", nargs="+", type=Path, metavar="TEXT")
    parser.add_argument("--unseen", nargs="+", type=Path, required=True, metavar="BOOK")
    parser.add_argument("--valid", nargs="+", type=Path, default=[], metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--hours", type=float, metavar="H")
    parser.add_argument("--tokens", choices=["pieces", "characters"], default="pieces")
    parser.add_argument("--start", type=Path, metavar="FILE")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    interruption = Interruption()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        with join_processes(choose_device(arguments.device)) as processes:
            return train(arguments, interruption, processes)
    except (ModelError, OSError, UnicodeDecodeError) as error:
        rank = os.environ.get("RANK", "0")  # of torchrun
        who = "train_base.py" if rank == "0" else f"train_base.py, rank {rank}"
        sys.stderr.write(printable(f"{who}: {error}\n"))
        if "RANK" in os.environ:
            sys.stderr.flush()
            os._exit(2)  # see join_processes
        return 2


def train(arguments: argparse.Namespace, interruption: Interruption, processes: Processes) -> int:
    """Train as the arguments say; return the exit status."""
    unseen = {path.stem: read_book_files([path]).text for path in arguments.unseen}
    held_out = {
        path.stem: text[-len(text) // 10 :]
        for path, text in zip(arguments.unseen, unseen.values(), strict=True)
    }
    for path in arguments.valid:
        held_out[path.stem] = read_book_files([path]).text[:MEASURED]
    reader = PoemReader(unseen.values())
    texts = read_texts(arguments.texts, show=processes.is_first)
    training = BaseTraining(
        arguments.out,
        [poem for text in texts for poem in reader.read(text)],
        held_out,
        sample([x for name in unseen for x in sonnets_of(unseen[name], name)], SONNETS, Random(0)),
        processes.device,
        interruption,
        LATER_STAGES if arguments.start else STAGES,
        pieces=arguments.tokens == "pieces",
        start=load_model(arguments.start) if arguments.start else None,
        hours=arguments.hours,
        seed=arguments.seed,
        processes=processes,
    )
    return 0 if training.run() else 128 + training.signal


if __name__ == "__main__":
    sys.exit(main())
