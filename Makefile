# For the habit: everything here is `python3 run …`.
.PHONY: up demo test chaos lint
up demo test chaos lint:
	python3 run $@ $(ARGS)
