"""Verse in form: words and how they are said, forms, and lines written under masks."""

from model.verse.composer import PARTICLES, Composer
from model.verse.forms import FORMS, Form
from model.verse.lexicon import Lexicon, NoVerse, make_lexicon
from model.verse.opening import Opening, SeedTooLong, lay_out_seed
from model.verse.particle_filter import Particle, ParticleBatch, ParticleFilter
from model.verse.prosody import Prosody
from model.verse.scansion import ScannedLine, Syllable, make_title, scan_poem

__all__ = [
    "FORMS",
    "PARTICLES",
    "Composer",
    "Form",
    "Lexicon",
    "NoVerse",
    "Opening",
    "Particle",
    "ParticleBatch",
    "ParticleFilter",
    "Prosody",
    "ScannedLine",
    "SeedTooLong",
    "Syllable",
    "lay_out_seed",
    "make_lexicon",
    "make_title",
    "scan_poem",
]
