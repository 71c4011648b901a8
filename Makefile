# Everything a person does with this project. PYTHON may be any Python from 3.11 on.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The pair of releases that the project is developed with; any that requirements.txt allows will do.
TORCH ?= torch==2.14.1 torchvision==0.29.1

# Two at a time, of which one uses the app with its demo and the other the app without.
FLOWS := $(BIN)/python -m pytest tests/browser -m "not soak" -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help venv run words demo test check audit lock soak flows chromium screenshots space clean

help: ## list these commands
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

venv: $(VENV)/installed ## make the environment alone

$(VENV)/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "IMIL needs Python 3.11 or newer. Name one: make PYTHON=python3.12"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) -e '.[test,check,offline,xlsx,nifti,onnx,sam,accelerate]'
	touch $@

run: venv ## serve the app with the demo study on http://127.0.0.1:7860
	$(BIN)/python app.py

words: venv ## the page of all texts on screens and in errors, docs/words.md
	$(BIN)/python -m tests.write_words

demo: venv ## train the demo that the app ships anew, after its films or its plan have changed
	$(BIN)/python -m imil demo --out imil/static/demo

chromium: venv ## make sure that a browser is there for the browser tests
	$(BIN)/python tests/browser/install_chromium.py

test: venv chromium ## run the tests, in the browser too
	$(BIN)/python -m pytest -m "not soak and not browser" -n auto --dist loadfile
	$(FLOWS) # by themselves: two browsers fill two cores

check: venv ## formatting, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: venv ## known weaknesses of what is installed; asks PyPI, so it says so and fails offline
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.7'
	$(BIN)/python -m pip_audit --strict --skip-editable --progress-spinner off || \
		{ echo "Weaknesses were found, or PyPI could not be asked about a package: see above."; exit 1; }

lock: venv ## make requirements-space.txt anew: one release of each package for a Space; asks PyPI
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25' uv
	$(BIN)/python tests/lock_space.py

soak: venv chromium ## the long claims, with measurements in benchmarks/results
	$(BIN)/python -m pytest -m soak
	$(MAKE) flows

flows: venv chromium ## the browser tests ten times in a row: none may fail once
	for run in 1 2 3 4 5 6 7 8 9 10; do $(FLOWS) || exit 1; done

screenshots: venv chromium ## the pictures of README and docs, the moving one too, from a real browser
	IMIL_SCREENS=assets/readme $(BIN)/python -m pytest -m soak tests/browser/test_screens.py

space: venv ## publish the app as a Space: make space REPO=owner/name [STATE_REPO=owner/state] [HARDWARE=t4-small] [PUBLIC=1]
	@test -n "$(REPO)" || { echo "Name the Space: make space REPO=owner/name"; exit 2; }
	$(BIN)/python -m imil space $(REPO) $(if $(STATE_REPO),--state-repo $(STATE_REPO)) \
		$(if $(SPACE_TOKEN),--secret-from SPACE_TOKEN) $(if $(HARDWARE),--hardware $(HARDWARE)) $(if $(PUBLIC),--public)

clean: ## remove the environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
