"""What the model's side and train.py say, as sentences that a door can translate.

It knows no languages, and much of it is said in other processes. So its English is known again
here: what members and admins meet of it. What is not in the list stays English.
"""

from __future__ import annotations

from typing import Final

from bot.core.languages import Sentence, counted, recognise, sentence

KNOWN: Final[tuple[Sentence, ...]] = (
    # Why a file is no book that can be trained on: `model.errors`, and clauses of `model.book`.
    sentence(
        "The book {title} is not text: {reason}. Give a plain-text file (.txt, .md, .tex …).",
        title="",
        reason="",
    ),
    sentence("it is a PDF"),
    sentence("it is a ZIP archive (or a .docx, .odt or .epub, which are ZIP archives)"),
    sentence("it is compressed with gzip"),
    sentence("it is a PNG picture"),
    sentence("it is a JPEG picture"),
    sentence("it is a program"),
    sentence("it is a Python pickle"),
    sentence("it is an RTF document"),
    sentence("{unwanted:,} of its characters are control characters", unwanted=0),
    sentence("it contains NUL bytes"),
    sentence("its bytes match no known text encoding"),
    sentence(
        "The book {title} has {characters:,} characters of text; at least {minimum:,} are needed. "
        "Give a longer one.",
        title="",
        characters=0,
        minimum=0,
    ),
    sentence(
        "The book {title} has {characters:,} characters of text; at least {minimum:,} are needed. "
        "Give a longer one. Text recognised as Project Gutenberg's own words is not counted.",
        title="",
        characters=0,
        minimum=0,
    ),
    sentence(
        "A model can learn nothing from the book {title}: {reason}. Give a more varied text.",
        title="",
        reason="",
    ),
    sentence("it has only {distinct} different characters", distinct=""),
    sentence("it repeats the same text over and over"),
    sentence(
        "The book {title} looks like a chat log, and messages are never trained on: their authors "
        "did not agree to it. Give a text that was published.",
        title="",
    ),
    sentence(
        "The book {title} has {size:,} bytes; the limit is {most:,} ({mebibytes} MiB). Give a part "
        "of it.",
        title="",
        size=0,
        most=0,
        mebibytes="",
    ),
    # What was done to a book's text: `model.book` and `model.gutenberg`.
    sentence(
        "{note} Together that is {share:.0%} of the file. If text of the book is missing, delete "
        "the lines about Project Gutenberg from the file and add it again.",
        note="",
        share=0.0,
    ),
    counted(
        "Project Gutenberg's header was left out ({characters:,} characters).",
        "{count} headers of Project Gutenberg were left out ({characters:,} characters).",
        1,
        characters=0,
    ),
    counted(
        "Credits and notes were left out ({characters:,} characters).",
        "{count} blocks of credits and notes were left out ({characters:,} characters).",
        1,
        characters=0,
    ),
    counted(
        "Project Gutenberg's licence at the end was left out ({characters:,} characters).",
        "{count} licences of Project Gutenberg were left out ({characters:,} characters).",
        1,
        characters=0,
    ),
    sentence(
        "It has too many lines about Project Gutenberg to tell its headers and licences from the "
        "text, so nothing was left out."
    ),
    sentence(
        "It has {found:,} different characters, and a model can learn {most:,} at most. The rarest "
        "{rare:,} ({share:.1%} of the text) are read as {sign}.",
        found=0,
        most=0,
        rare=0,
        share=0.0,
        sign="",
    ),
    sentence("{marks:,} control characters and invisible marks were left out.", marks=0),
    sentence("{accents:,} accents were left out: at most {most} on a letter.", accents=0, most=""),
    sentence("Read as {encoding}, by its byte order mark.", encoding=""),
    sentence("Read as {encoding}, judging by its NUL bytes.", encoding=""),
    sentence("Read as {encoding}, the most likely encoding.", encoding=""),
    counted(
        "Invalid UTF-8 in {count:,} place was left out.",
        "Invalid UTF-8 in {count:,} places was left out.",
        1,
    ),
    # Why a model file cannot be used: `model.errors`. What exactly is wrong in it stays English.
    sentence("The model {name} cannot be used. {reason}", name="", reason=""),
    sentence("Its file was replaced just now. Try again."),
    sentence("The model file {path} cannot be read: {reason}. Check the path.", path="", reason=""),
    sentence(
        "The model file {path} is damaged: {reason}. Copy it again, or train the model again.",
        path="",
        reason="",
    ),
    sentence(
        "The model file {path} is not a Sonneteer model: {reason}. Give a file that train.py "
        "wrote.",
        path="",
        reason="",
    ),
    sentence(
        "The model file {path} has format version {version}; this Sonneteer reads versions up to "
        "{newest}. Update Sonneteer.",
        path="",
        version="",
        newest="",
    ),
    sentence(
        "The model file {path} has weights of the wrong shape: {reason}. Train the model again.",
        path="",
        reason="",
    ),
    sentence(
        "The model file {path} has {size:,} bytes; a server's own model may have {most:,}. Train a "
        "smaller one.",
        path="",
        size=0,
        most=0,
    ),
    sentence(
        "The model file {path} needs {size:,} bytes for its {tokens:,} tokens; a server's own "
        "model may have {most:,}. Train a smaller one.",
        path="",
        size=0,
        tokens=0,
        most=0,
    ),
    sentence(
        "The model file {path} has weights that are not finite numbers (in {tensor}). Train the "
        "model again, with a lower learning rate.",
        path="",
        tensor="",
    ),
    sentence(
        "The model file {path} could not be written: {reason}. The earlier file is unchanged. Free "
        "some space, or choose another folder with --out.",
        path="",
        reason="",
    ),
    # How a training ends without a model: `model.errors` and `bot.cluster`.
    sentence(
        "In epoch {epoch} the loss is no longer a finite number (learning rate {rate:.2g}). The "
        "best model so far is saved. Train again with another --seed.",
        epoch="",
        rate=0.0,
    ),
    sentence("The machine that trained it gave no model."),
    sentence("The book did not come. {reason}", reason=""),
    sentence("It is longer than the {most:,} bytes that are taken.", most=0),
    # What a model may be called: `model.naming`.
    sentence(
        "1–64 letters, digits, dashes and underscores, starting with a letter or digit, at most "
        "{most} bytes in UTF-8, and not a Windows device name such as con",
        most="",
    ),
)


def as_sentence(text: object) -> str:
    """Return what an error or a process says, as the sentence that it is if it is a known one.

    >>> as_sentence("it has only 3 different characters").values
    {'distinct': '3'}
    """
    return recognise(str(text), KNOWN)
