"""Verse in form: words and how they are said, forms, and lines written under masks."""

from model.verse.composition import PARTICLES, Composition
from model.verse.crowd import Crowd, GuidedRows, Particle
from model.verse.forms import FORMS, Form
from model.verse.lexicon import Lexicon, NoVerse, make_lexicon
from model.verse.looks import ShownLine, Syllable, look_at, title_of
from model.verse.seed import Opening, SeedTooLong, lay_out
from model.verse.verse import Verse

__all__ = [
    "FORMS",
    "PARTICLES",
    "Composition",
    "Crowd",
    "Form",
    "GuidedRows",
    "Lexicon",
    "NoVerse",
    "Opening",
    "Particle",
    "SeedTooLong",
    "ShownLine",
    "Syllable",
    "Verse",
    "lay_out",
    "look_at",
    "make_lexicon",
    "title_of",
]
