"""Who runs this bot, what it stores, and the terms of using it, as they are told on every door."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.languages import sentence

PRIVACY = (
    sentence(
        "About you: your Discord user ID with the books you added, the models you chose, the "
        "trainings you started and the poems you kept. Seeds and poems are never stored or "
        "logged. I send you a direct message only if a training of yours ends and I cannot post "
        "in its channel."
    ),
    sentence(
        "About servers: settings, the models trained here, a list of trainings, and the IDs of "
        "the messages with kept poems and with the poem of the day. The text of a book is deleted "
        "when its training ends. The model keeps some openings, a word list and hashes, and its "
        "poems may resemble the book. Messages are never trained on."
    ),
    sentence(
        "While a poem is being written: the IDs of its message, channel and server, so that I "
        "can clean up after a restart. They are deleted when the poem is done. Where only you "
        "have installed me, nothing of the server is stored."
    ),
    sentence("Books from Project Gutenberg are cached. Nothing is sent to third parties."),
)
FORGETTING = sentence(
    "`/forgetme` removes your user ID from all of it. Models stay, because they belong to the "
    "server; `/book remove` deletes them."
)
ON_THE_PAGE = (
    "On the web page: your seed, and the lines that you type, are sent to this server, used for "
    "your poem and not stored. Your IP address is kept in memory for some minutes to share the "
    "bot fairly. There are no cookies. What the page remembers stays in your browser."
)
TERMS = (
    "A program writes the poems. It knows nothing and means nothing by them. They may be wrong, "
    "odd or offensive, and they may resemble the book that it learnt from.",
    "You may use your poems as you like, as far as the operator and Sonneteer's authors are "
    "concerned.",
    "Add only books that you may use for this. Do not add messages or other people's private "
    "words. Do not use the bot to harass anybody or to overload it.",
    "The operator may refuse requests, remove models and books, and end the service at any time.",
    "The service is free and comes without any warranty. The software is under the MIT licence.",
    "On Discord, Discord's own terms apply too.",
)


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs this installation; "" is what config.toml does not say."""

    name: str = ""
    contact: str = ""  # an e-mail address, an https:// address or any words
    page_url: str = ""  # where others reach the web page

    def link(self, page: str) -> str:
        """Return the address of a page such as "privacy", "" where nobody outside reaches it.

        >>> Operator(page_url="https://verse.example/").link("terms")
        'https://verse.example/terms'
        """
        return f"{self.page_url.rstrip('/')}/{page}" if self.page_url else ""


NOBODY_NAMED = Operator()
