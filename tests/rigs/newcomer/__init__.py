"""Newcomers: what they type, what they see, and how long it takes; and where they go wrong.

person        a terminal in which somebody types, with an empty home
walks         what came of each step, and what all ways share: page, Discord, packages
packages      the wheel by pipx and by uv; a clone and `make run`
image         the image of the Dockerfile, started in a chroot
wrong_turns   what is said to those who take one
"""
