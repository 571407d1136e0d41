.PHONY: demo test galaxy
demo:
	bash scripts/demo.sh
test:
	bash scripts/test.sh
galaxy:
	bash scripts/galaxy.sh
