#!/bin/sh
# Remake the simulated part of test-data/; tests/simulate/test_simulate_test_data.py holds that it is unchanged.
# Other files in test-data/ stay. Usage: scripts/make_test_data.sh   (where immport-cyto is installed)
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
immport-cyto simulate --preset test --seed 1 --quiet --out "$work/made"
mkdir -p test-data
for name in SDY9901 SDY9902 SDY9903 damaged orphan truth definitions.tsv study.yaml; do
    rm -rf "test-data/$name"
    mv "$work/made/$name" "test-data/$name"
done
du -sh test-data
