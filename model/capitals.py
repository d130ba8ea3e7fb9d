"""Capital letters for a model that has learnt in lower case: put back word by word, as text comes.

A capital begins each line and each sentence; the pronoun I and the vocative O are capital; and
words that the book writes with one are written so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

MAX_NAMES = 2_000
MAX_NAME = 40  # characters
NAMED_TIMES, NAMED_SHARE = 2, 0.8  # how often, and how mostly, a word must be capital
ALWAYS = ("i", "o")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
STOP = re.compile(r"[.!?:;\"“‘(]|--|—")
ENDS = "\n.?"  # after ! a sentence in verse often goes on in small letters
UNFINISHED = re.compile(r"[^\W\d_]['’]?\Z")


def find_names(text: str) -> tuple[str, ...]:
    """Return the words that `text` writes with a capital in the midst of lines and sentences.

    >>> find_names("I saw Ann, and Ann saw me.\\nThe goat saw Ann and a Bee.\\nAnn ran.")
    ('Ann',)
    """
    capital: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for line in text.split("\n"):
        if line.isupper():  # a heading
            continue
        for match in WORD.finditer(line):
            word = match[0]
            if word[0].islower():
                small[word] += 1
            elif not _begins(line, match.start()) and len(word) <= MAX_NAME:
                capital[word] += 1
    found = [
        (count, word)
        for word, count in capital.items()
        if len(word) > 1
        and not word.startswith("I'")
        and count >= NAMED_TIMES
        and count >= NAMED_SHARE * (count + small[word.lower()])
    ]
    found.sort(key=lambda each: (-each[0], each[1]))
    return tuple(word for _, word in found[:MAX_NAMES])


def _begins(line: str, at: int) -> bool:
    """Whether a word at `at` begins a line or a sentence, by what stands between it and another."""
    after = at
    while after and not (line[after - 1].isalnum() or line[after - 1] == "_"):
        after -= 1
    return after == 0 or STOP.search(line, after, at) is not None


class Capitals:
    """Text in, the same text with its capitals out, a word at a time.

    >>> capitals = Capitals(("Time",), "")
    >>> capitals.write("o time, i'll run.\\nand i") + capitals.rest()
    "O Time, I'll run.\\nAnd I"
    """

    def __init__(self, names: Iterable[str], prompt: str) -> None:
        self._names = {name.lower(): name for name in names}
        self._word = ""  # under way, not shown yet
        self._is_joined = bool(UNFINISHED.search(prompt))  # with what the prompt shows of a word
        begun = prompt[max(prompt.rfind(end) for end in ENDS) + 1 :]
        self._begins = not any(map(str.isalpha, begun))  # a line, or a sentence

    def write(self, text: str) -> str:
        """Return what can be shown of `text` and of what was held back."""
        shown = []
        for character in text:
            if character.isalpha() or (character in "'’" and (self._word or self._is_joined)):
                self._word += character
            else:
                shown.append(self.rest())
                shown.append(character)
                self._begins |= character in ENDS
        return "".join(shown)

    def rest(self) -> str:
        """Return the word under way: it ends here."""
        word, self._word = self._word, ""
        is_joined, self._is_joined = self._is_joined, False
        if not word or is_joined:
            return word
        begins, self._begins = self._begins, False
        if word in self._names:
            return self._names[word]
        if begins or word in ALWAYS or word.startswith(("i'", "i’")):
            return word[0].upper() + word[1:]
        return word
