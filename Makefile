# For the habit: everything here is `python3 run …`.
.PHONY: up demo test chaos bench lint
up demo test chaos bench lint:
	python3 run $@ $(ARGS)
