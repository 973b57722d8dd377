PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: demo test check lint format docs bench results

demo: .venv/done
	$(BIN)/python train.py table=code_size data=digits sweep=demo \
	  model=pca,pixels,undercomplete,deep,denoising,vae bottleneck=2,8,32 seed=0,1,2 trainer.max_epochs=20 optimizer.lr=0.005

test: .venv/done lint
	$(BIN)/python -m pytest

check: .venv/done format lint
	$(BIN)/python -m pytest -m "not slow"

lint: .venv/done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/done
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format --quiet .

docs: .venv/done
	$(BIN)/python docs/generate.py

bench: .venv/done
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/models.py
	$(BIN)/python benchmarks/battery.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/together.py

.venv/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

results: .venv/done
	$(BIN)/python docs/generate.py $(wildcard $(patsubst configs/table/%.yaml,runs/%,$(wildcard configs/table/*.yaml)))
