# make run     set up and start: the web page on http://127.0.0.1:8080, Discord when DISCORD_TOKEN is set
# make test    set up and pass the tests
# make check   format, lint, strict types, import contracts, tests: what a change must pass
# Without make (Windows): README.md gives the same in plain pip and python lines.

PYTHON ?= python3
BIN := .venv/bin
# PyTorch's own index has builds for the processor alone; the default one on Linux brings CUDA along.
CPU_INDEX := https://download.pytorch.org/whl/cpu
TORCH := $(shell grep '^torch==' requirements.txt)
# Every core takes whole files of tests, so that what a file's tests share is made once.
TESTS := $(BIN)/python -m pytest -m "not slow" -n logical --dist loadfile

.PHONY: run test test-slow check format clean

run: .venv/run.done
	@$(BIN)/python -m bot

test: .venv/dev.done
	@$(TESTS)

test-slow: .venv/dev.done
	@$(BIN)/python -m pytest -m slow

check: .venv/dev.done
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(TESTS)

format: .venv/dev.done
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/venv.done:
	@$(PYTHON) -c 'import sys; v = sys.version_info; \
	sys.exit(0 if v >= (3, 11) else f"Sonneteer needs Python 3.11 or newer; {sys.executable} is " \
	f"{v.major}.{v.minor}. Choose another: make PYTHON=python3.11")'
	@echo "Setting up .venv (once; a few minutes) ..."
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@touch $@

# Torch first: on a machine without an NVIDIA GPU the build without CUDA, if its index answers
# within five seconds, else whatever build the plain requirement brings.
.venv/torch.done: .venv/venv.done requirements.txt
	@if command -v nvidia-smi >/dev/null 2>&1 || ! $(BIN)/python -c \
	'import urllib.request; urllib.request.urlopen("$(CPU_INDEX)/torch/", timeout=5).close()' \
	2>/dev/null || ! $(BIN)/pip install --quiet --retries 1 --index-url $(CPU_INDEX) $(TORCH); \
	then $(BIN)/pip install --quiet $(TORCH); fi
	@touch $@

.venv/run.done: .venv/torch.done requirements.txt
	@$(BIN)/pip install --quiet -r requirements.txt
	@touch $@

.venv/dev.done: .venv/run.done requirements-dev.txt
	@$(BIN)/pip install --quiet -r requirements-dev.txt
	@touch $@
