"""Train a model on a book.

    python train.py BOOK [BOOK …]      text files, read as one book; a model file comes out

It writes into --out DIR (default: models):

    NAME.safetensors    the best model so far, replaced at each improvement
    NAME.png, NAME.txt  the chart of its losses and a sample poem, at the end
    NAME/               the checkpoints that are kept, and what --resume continues from

    --name NAME         1–64 letters, digits, dashes; default: the first book's file name
    --title TEXT        of the book; default: what its header or its file name says
    --recipe default    an embedding and a stacked LSTM with carried state, fine-tuned from another
                        model; the held-out last tenth of the book picks the best epoch
    --recipe tutorial   the classic Keras program, step for step: 4 × LSTM(256) on windows of 100
                        characters; hours without a GPU
    --epochs N          1–10,000; the default depends on the recipe and the book's length
    --seconds N         stop learning after N seconds; measuring, chart and poem take a few more
    --device auto|cpu|cuda
    --monitor validation|training   watch the held-out tenth, or learn all and watch the training
    --resume            continue the training NAME where it was stopped or killed, with the same
                        recipe and random seed
    --from MODEL        start with the weights of another model file, or of none: "none"; default:
                        the base model of English verse, if it knows the book's script
    --seed N            random seed, 0 … 2**63 - 1 (default 0)
    --show              at each improvement, also write a quatrain and draw the chart
    --json              one JSON object per event on stdout, for programs
    --leash             stop, as on SIGTERM, when stdin ends; for programs

Exit status: 0 when trained; 2 for wrong use or bad input, with a sentence on stderr; 130 after
Ctrl-C, 143 after SIGTERM, 141 when stdout is closed, each with everything saved for --resume.

model/training/recipes.py has every other hyperparameter with its default and its sane range.
"""

from bot import supported

if __name__ == "__main__":  # before anything that an older Python cannot read
    supported.begin()

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal, NoReturn

import torch

from model import (
    FORMS,
    Book,
    EpochLosses,
    LengthConfig,
    Model,
    ModelError,
    Opening,
    Request,
    Sampling,
    SettingError,
    check_name,
    load_model,
    make_engine,
    printable,
    read_book_files,
    safe_name,
    trim_heap,
    write_atomically,
)
from model.training import (
    EpochEnd,
    Interruption,
    JsonReporter,
    RecipeOverrides,
    Reporter,
    TerminalReporter,
    TrainingFolder,
    TrainingRun,
    adapt_recipe,
    choose_device,
    choose_start,
    drop_unread,
    give_way,
    network_of,
    new_folder,
    recipe_for,
    summarise_network,
    write_by_window,
)

RecipeName = Literal["default", "tutorial"]
PROGRAM = "train.py"
OUT = Path("models")
SAVE_EVERY_SECONDS = 60.0  # within long epochs; a save takes about 0.1 s
TUTORIAL_CHARACTERS = 200
SAMPLE = Sampling(temperature=0.6)
MAX_SAMPLE_CHARACTERS = 1_200  # where a book's lines are paragraphs
STDOUT_CLOSED = 141  # what a shell reports of a program that SIGPIPE ended


class Program:
    """One run of this program: a training, its run, and a reporter."""

    def __init__(
        self, arguments: argparse.Namespace, book: Book, folder: TrainingFolder, reporter: Reporter
    ) -> None:
        self.reporter = reporter
        self.book = book
        self.folder = folder
        self.stem = safe_name(arguments.books[0].stem)
        self.shows = arguments.show
        self.interruption = Interruption(leash=arguments.leash)
        device = choose_device(arguments.device)
        overrides = RecipeOverrides(arguments.epochs, arguments.monitor)
        seconds = arguments.seconds
        self.beginning = ""
        if arguments.resume:
            self.training_run = TrainingRun.resume(
                folder,
                self.book,
                overrides,
                device,
                recipe=arguments.recipe,
                seed=arguments.seed,
                seconds=seconds,
            )
        else:
            name: RecipeName = "default" if arguments.recipe is None else arguments.recipe
            # The tutorial starts without a model, unless it is asked to.
            requested = arguments.start or ("none" if name == "tutorial" else None)
            start, self.beginning = choose_start(requested, self.book.text)
            recipe = recipe_for(name, len(self.book.text), start.network if start else None)
            self.training_run = TrainingRun.begin(
                folder,
                self.book,
                adapt_recipe(recipe, overrides),
                device,
                seed=arguments.seed or 0,
                start=start,
                seconds=seconds,
            )
        self.training = self.training_run.training
        self.recipe = self.training.recipe

    def run(self) -> int:
        """Train, save, and show; return the exit status."""
        try:
            return self.train()
        except BrokenPipeError:  # the reader of our stdout, `head` say, has seen enough
            self.training_run.interrupt()
            raise

    def train(self) -> int:
        self.introduce()
        self.folder.sweep()
        self.training_run.save_position()
        last_saved = time.monotonic()
        for event in self.training.run():
            if isinstance(event, EpochEnd):
                self.end_epoch(event)
                last_saved = time.monotonic()
            else:
                self.reporter.progress(event)
                if time.monotonic() - last_saved > SAVE_EVERY_SECONDS:
                    self.training_run.save_position()
                    last_saved = time.monotonic()
            if self.interruption.signal:
                return self.interrupt()
        self.reporter.close()
        self.finish()
        return 0

    def introduce(self) -> None:
        """Say what was read and what will be trained."""
        say, training, name = self.reporter.say, self.training, self.folder.name
        if name != self.stem:
            say("name", f"The model is called {name}.", name=name)
        for note in self.book.notes:
            say("note", note, note=note)
        if self.training_run.extract.note:
            say("note", self.training_run.extract.note, note=self.training_run.extract.note)
        if self.beginning:
            say("beginning", self.beginning, note=self.beginning)
        characters, vocabulary = len(training.text), len(training.vocabulary)
        say("total_characters", f"Total Characters: {characters}", count=characters)
        say("total_vocab", f"Total Vocab: {vocabulary}", count=vocabulary)
        if self.recipe.reads == "windows":
            patterns = characters - self.recipe.window
            say("total_patterns", f"Total Patterns: {patterns}", count=patterns)
            table = summarise_network(training.network, self.recipe.window)
            say("summary", table, table=table)
        device, precision = training.device.type, training.position.precision
        threads = training.position.threads
        say(
            "training",
            f"Training {training.network.parameter_count:,} weights with the {self.recipe.name} "
            f"recipe on {device} in {precision}, threads: {threads}. "
            f"{training.held_out_characters:,} characters are held out.",
            name=name,
            title=self.book.title,
            encoding=self.book.encoding,
            recipe=self.recipe.model_dump(),
            parameters=training.network.parameter_count,
            device=device,
            precision=precision,
            threads=threads,
            held_out_characters=training.held_out_characters,
            epoch=training.position.epoch,
        )

    def end_epoch(self, end: EpochEnd) -> None:
        """Save an improvement and the position, and say how the epoch went."""
        trim_heap()  # of what the steps took, before saving and showing take their own
        path = self.training_run.end_epoch(end)
        what = "loss" if end.losses.held_out_loss is None else "held-out loss"
        if path:
            outcome = (
                f"{what} went from {end.best_before:.4f} to {end.watched:.4f}, saved as {path}"
            )
        else:
            outcome = f"{what} {end.watched:.4f} is no better than {end.best_before:.4f}"
        self.reporter.say(
            "epoch",
            f"Epoch {end.epoch:05d}: training loss {end.losses.running_loss:.4f}, {outcome}",
            epochs=end.epochs,
            **end.losses.model_dump(),
            watched=end.watched,
            improved=end.improved,
            saved=path and str(path),
        )
        if path and self.shows:
            self.show(path)
        trim_heap()  # of what those took, before the next steps

    def show(self, path: Path) -> None:
        """Draw the losses so far, and let the model write a little."""
        self.draw(self.training.position.history)
        prosody = write_sample(load_model(path), self.training.position.seed, form="quatrain")
        self.reporter.say("sample", f"\n{prosody}\n", text=prosody, chart=str(self.folder.chart))

    def draw(self, history: Sequence[EpochLosses]) -> None:
        from model.training.chart import draw_losses  # matplotlib takes a second to load

        title = f"{self.book.title}: the {self.recipe.name} recipe"
        write_atomically(self.folder.chart, draw_losses(history, title))

    def interrupt(self) -> int:
        """Save everything and say how to continue; return the exit status."""
        self.reporter.close()
        self.training_run.interrupt()
        self.reporter.say(
            "interrupted",
            f"Stopped. Everything is saved; continue with --name {self.folder.name} --resume.",
            resume=str(self.folder.resume),
        )
        return self.interruption.exit_status

    def finish(self) -> None:
        """Measure the best model, draw the chart, write the poem, and say where everything is."""
        best = self.training_run.finish()
        self.training.release()
        trim_heap()
        card = best.card
        self.draw(card.history)
        if self.recipe.name == "tutorial":
            self.write_as_the_tutorial_does()
        else:
            poem = write_sample(best, self.training.position.seed)
            write_atomically(self.folder.poem, f"{poem}\n".encode())
            self.reporter.say("poem", f"\n{poem}\n", text=poem)
        measured = f"Training loss {card.training_loss:.4f}"
        if card.held_out_loss is not None:
            measured += f", held-out loss {card.held_out_loss:.4f}"
        self.reporter.say(
            "done",
            f"{measured} with the weights of epoch {card.epoch}, "
            f"after {self.training.seconds:.0f} s: {self.folder.model}\nDone.",
            model=str(self.folder.model),
            chart=str(self.folder.chart),
            poem=str(self.folder.poem),
            training_loss=card.training_loss,
            held_out_loss=card.held_out_loss,
            epoch=card.epoch,
            seconds=round(self.training.seconds, 1),
        )

    def write_as_the_tutorial_does(self) -> None:
        """Continue a random window of the book, the likeliest character each time."""
        path = self.folder.improvements()[0]
        best = load_model(path)
        self.reporter.say("generating", f"Generating with {path}.", path=str(path))
        text, window = self.training.text, self.recipe.window
        begin = random.Random(self.training.position.seed).randrange(len(text) - window)
        seed = text[begin : begin + window]
        self.reporter.say("seed", f'Seed:\n"{seed}"', seed=seed)
        written = ""
        ids = self.training.ids[begin : begin + window].cpu()
        network = network_of(best)
        for character in write_by_window(network, best.vocabulary, ids, TUTORIAL_CHARACTERS):
            written += character
            self.reporter.write_character(character)
        write_atomically(self.folder.poem, f"{seed}{written}\n".encode())
        self.reporter.say("poem", "", text=written)


def write_sample(model: Model, random_seed: int, *, form: str = "sonnet") -> str:
    """Write a poem, or free text where the model has no verse."""
    engine = make_engine(model, max_rows=1)
    prosody = engine.prosody is not None
    openings = () if prosody else model.card.openings
    opening = Opening(rest=random.Random(random_seed).choice(openings) if openings else "")
    shape = FORMS[form]
    length = LengthConfig(lines=len(shape))
    engine.add(Request(opening, SAMPLE, random_seed, length, shape if prosody else None))
    poem = opening.text
    while engine.has_work and len(poem) < MAX_SAMPLE_CHARACTERS:
        poem += "".join(piece.text for piece in engine.step())
    return poem


class SentenceParser(argparse.ArgumentParser):
    """An argument parser that reports an error in one sentence."""

    def error(self, message: str) -> NoReturn:
        sentence = f"{self.prog}: {message[0].upper()}{message[1:]}. See --help.\n"
        sys.stderr.write(printable(sentence))
        sys.exit(2)


def number(kind: type, low: float, high: float) -> Callable[[str], float]:
    """Return a converter for argparse whose error names the range."""

    def convert(text: str) -> float:
        try:
            value: float = kind(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not a number from {low:,} to {high:,}")
        return value

    return convert


def parse(arguments: Sequence[str], name: str = PROGRAM, out: Path = OUT) -> argparse.Namespace:
    manual = (__doc__ or "").replace("python train.py", name)
    manual = manual.replace("default: models", f"default: {out}")
    parser = SentenceParser(
        prog=name, description=manual, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("books", nargs="+", type=Path, metavar="BOOK")
    parser.add_argument("--name")
    parser.add_argument("--title")
    parser.add_argument("--recipe", choices=("default", "tutorial"))
    parser.add_argument("--epochs", type=number(int, 1, 10_000), metavar="N")
    parser.add_argument("--seconds", type=number(float, 1, 10_000_000), metavar="N")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--monitor", choices=("validation", "training"))
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--from", dest="start", metavar="MODEL")
    parser.add_argument("--out", type=Path, default=out, metavar="DIR")
    parser.add_argument("--seed", type=number(int, 0, 2**63 - 1), metavar="N")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--leash", action="store_true")
    return parser.parse_args(arguments)


def choose_folder(arguments: argparse.Namespace) -> TrainingFolder:
    """Return the folder that --resume goes on in, or a free one."""
    stem = safe_name(arguments.books[0].stem)
    if not arguments.resume:
        return new_folder(arguments.out, stem, arguments.name)
    if arguments.start is not None:
        raise SettingError("--from", arguments.start, "left out with --resume")
    return TrainingFolder(arguments.out, check_name(arguments.name or stem))


def main(arguments: Sequence[str], name: str = PROGRAM, out: Path = OUT) -> int:
    """Train; return the exit status. `name` is what was typed, `out` the default of --out."""
    parsed = parse(arguments, name, out)
    reporter: Reporter = JsonReporter() if parsed.json else TerminalReporter()
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")  # TF32: three digits are enough to train by
    try:
        book = read_book_files(parsed.books)
        book = replace(book, title=parsed.title or book.title)
        folder = choose_folder(parsed)
        with folder.hold():
            return Program(parsed, book, folder, reporter).run()
    except ModelError as error:
        reporter.close()
        sys.stderr.write(printable(f"{name}: {error}\n"))
        return 2
    except KeyboardInterrupt:
        reporter.close()
        return 130
    except BrokenPipeError:
        with suppress(BrokenPipeError):  # with `2>&1` the bar has nowhere to go either
            reporter.close()
        drop_unread()
        return STDOUT_CLOSED


if __name__ == "__main__":
    give_way()
    sys.exit(main(sys.argv[1:]))
