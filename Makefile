# The two commands that matter: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# PyTorch's CPU build. For CUDA: TORCH_INDEX_URL=https://download.pytorch.org/whl/cu130
TORCH_INDEX_URL ?= https://download.pytorch.org/whl/cpu
# Where one of pip's folders of wheels already holds PyTorch, no index of PyTorch's is asked.
TORCH_WHEEL := $(foreach folder,$(PIP_FIND_LINKS),$(wildcard $(folder)/torch-[0-9]*.whl))
TORCH_INDEX := $(if $(TORCH_WHEEL),,--extra-index-url $(TORCH_INDEX_URL))
INSTALL := @$(BIN)/pip install --quiet --quiet --disable-pip-version-check $(TORCH_INDEX) --constraint requirements.lock
# One thread: faster for these networks, and the same bits every time.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test deploy-test chaos fuzz serve check bench format lock clean

demo: $(VENV)/.installed
	$(BIN)/dropnorm demo

serve: $(VENV)/.installed
	$(BIN)/dropnorm serve

test: $(VENV)/.installed-dev
	$(BIN)/pytest -n 2 --dist worksteal

# Some ten minutes, with a Docker Engine: builds the image, and does with the whole stack what the README says.
deploy-test: $(VENV)/.installed-dev
	$(BIN)/python -m tests.deploy

# Some ten minutes a database: workers are killed and stopped, and the server is restarted, while runs train.
chaos: $(VENV)/.installed-dev
	$(BIN)/python -m tests.chaos

# Some twenty minutes: requests to every endpoint, then two minutes for each reader. FUZZ="--seconds 600 --only picture"
fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m tests.fuzz $(FUZZ)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.footprint
	$(BIN)/python -m benchmarks.queue
	$(BIN)/python -m benchmarks.checkpoints
	$(BIN)/python -m benchmarks.observation
	$(BIN)/python -m benchmarks.slow_clients
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.many_models
	$(BIN)/python -m benchmarks.bulk
	$(BIN)/python -m benchmarks.accuracy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The lock holds names, versions and nothing of where they came from. The image's packages have their hashes beside
# them, what builds the project among them; PyTorch's wheel depends on the processor, so the Dockerfile has its hash.
COMPILE := $(BIN)/pip-compile --quiet --strip-extras --no-header --no-annotate --no-emit-index-url \
  --no-emit-find-links --no-emit-trusted-host
lock: $(VENV)/.installed-dev
	$(COMPILE) --all-extras --output-file requirements.lock pyproject.toml
	sed -i -e 's/+cpu$$//' -e '/^#/d' -e '/^$$/d' requirements.lock
	$(COMPILE) --allow-unsafe --all-build-deps --generate-hashes --constraint requirements.lock \
	  --output-file requirements.hashes pyproject.toml
	sed -i -e '/^torch==/,/[^\\]$$/d' -e '/^#/d' -e '/^$$/d' requirements.hashes

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "dropnorm needs Python 3.11 or newer, as in: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv module is not installed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml requirements.lock | $(VENV)/bin/pip
	@echo "installing dropnorm into $(VENV): a minute or two the first time"
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the tools of development into $(VENV)"
	$(INSTALL) --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
