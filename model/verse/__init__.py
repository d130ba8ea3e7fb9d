"""Verse in a form. The parts, in the order in which data passes them:

words, spoken        the words of a text; numbers and abbreviations as people say them
pronunciation        how a word is said: the dictionary, corrections, rules
related              words that stand for a seed's word of which the network cannot be told
lexicon              the words of a book and how they are said, as its model file has them
trie                 words with their metre, as the kernel reads them
prosody              a model's lexicon on its alphabet: stresses, syllables, rhymes
forms                sonnet, quatrain, couplet, haiku
opening              the seed laid out as lines, and its theme
plan                 what the poem is to be about: a topic, keywords, last words of lines
composer             what each line must be, and which of many to keep
particle_filter      the particles that write a line
scansion             a finished poem as a reader sees it: title, rhyme letters, beats
"""

from model.verse.composer import PARTICLES, Composer
from model.verse.forms import FORMS, Form
from model.verse.lexicon import Lexicon, NoVerse, make_lexicon
from model.verse.opening import Opening, SeedTooLong, lay_out_seed, take_lines
from model.verse.particle_filter import Particle, ParticleBatch, ParticleFilter
from model.verse.plan import NO_PLAN, Plan, Planner, follow
from model.verse.prosody import Prosody
from model.verse.scansion import (
    LineFit,
    ScannedLine,
    fit_line,
    make_title,
    scan_line,
    scan_poem,
)

__all__ = [
    "FORMS",
    "NO_PLAN",
    "PARTICLES",
    "Composer",
    "Form",
    "Lexicon",
    "LineFit",
    "NoVerse",
    "Opening",
    "Particle",
    "ParticleBatch",
    "ParticleFilter",
    "Plan",
    "Planner",
    "Prosody",
    "ScannedLine",
    "SeedTooLong",
    "fit_line",
    "follow",
    "lay_out_seed",
    "make_lexicon",
    "make_title",
    "scan_line",
    "scan_poem",
    "take_lines",
]
