#!/bin/sh
# Remake test-data/galaxy/, the inputs of the tool tests, from the simulated studies in test-data/ with the command line.
# tests/galaxy/test_galaxy_data.py holds that it is unchanged.
# Usage: scripts/make_galaxy_test_data.sh [FOLDER]   (where immport-cyto is installed; FOLDER: test-data/galaxy)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/test-data/galaxy}
data=$root/test-data
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
immport-cyto study run "$data/study.yaml" --out "$work/study" --quiet > "$work/log"

rm -rf "$out"
mkdir -p "$out/events" "$out/clustered"
immport-cyto immport link --metadata "$data"/SDY990?/*.zip --fcs "$data"/SDY990?/ResultFiles --out "$out/samples.tsv" > "$work/log"
for table in panel panels qc cutoffs populations effects meta; do
    cp "$work/study/$table.tsv" "$out/$table.tsv"
done
printf 'file\tchannel\tantigen\trole\n*\tNd145Di\t\tempty\n' > "$out/corrections.tsv"
printf ',FITC-A,PE-A\nFITC-A,1,0.1\nPE-A,0.05,1\n' > "$out/spillover.csv"
{
    printf 'element_identifier\tsample_id\tstudy_accession\tsubject_accession\tage_years\tsex\tdose\n'
    printf 'D2_001_backbone.99010001.fcs\tES99010001\tSDY9901\tSUB1\t80\tFemale\tlow\n'
    printf "it's \`id\` \$HOME; <b>.fcs\tES2\tSDY9903\tSUB2\t41\tMale\thigh\n"
    printf 'absent.fcs\tES3\tSDY9903\tSUB3\t42\tMale\thigh\n'
} > "$out/sample_sheet.tsv"

# a few files of two panels, the way they go through the tools
for file in SDY9901/ResultFiles/Flow_cytometry_result/D1_002_backbone.99010002.fcs \
    SDY9901/ResultFiles/Flow_cytometry_result/D2_001_backbone.99010001.fcs \
    SDY9903/ResultFiles/CyTOF_result/D1_003_mass.99030003.fcs; do
    immport-cyto events preprocess "$data/$file" --panel "$out/panel.tsv" --out "$out/events/$(basename "$file")" \
        --qc "$work/qc.tsv" --densities "$out/channel_densities.tsv" --quiet
done
immport-cyto cluster flowsom "$out/events" --samples "$out/samples.tsv" --metaclusters 12 --grid 7x7 --quiet \
    --models-dir "$out/models" --out-dir "$out/clustered" \
    --clusters "$out/clusters.tsv" --medians "$out/cluster_medians.tsv" 2> "$work/log"
# two more files on a model, for groups of two
for file in D1_004_backbone.99010004.fcs D1_006_backbone.99010006.fcs; do
    immport-cyto events preprocess "$data/SDY9901/ResultFiles/Flow_cytometry_result/$file" --panel "$out/panel.tsv" \
        --out "$work/more/$file" --qc "$work/qc.tsv" --quiet
done
immport-cyto cluster map "$work/more" --model "$out/models/SDY9901-flow-12m-57016e.npz" --out-dir "$out/mapped" --quiet \
    2> "$work/log"
immport-cyto population label --clusters "$out/clusters.tsv" --medians "$out/cluster_medians.tsv" \
    --cutoffs "$out/cutoffs.tsv" --definitions "$data/definitions.tsv" --out "$out/clusters_named.tsv" 2> "$work/log"
immport-cyto population search "$out/events" --samples "$out/samples.tsv" --definitions "$data/definitions.tsv" \
    --cutoffs "$out/cutoffs.tsv" --out "$out/counts.tsv" --quiet 2> "$work/log"
immport-cyto cluster flock "$out/events" --samples "$out/samples.tsv" --models-dir "$out/flock" \
    --profiles "$out/flock/profiles.tsv" --counts "$out/flock/counts.tsv" --clusters "$out/flock/clusters.tsv" \
    --cluster-medians "$out/flock/cluster_medians.tsv" --quiet 2> "$work/log"
# some events of four files with the populations of their model, as two visits of two subjects
immport-cyto fcs sample "$out/events/D1_002_backbone.99010002.fcs" "$out/events/D2_001_backbone.99010001.fcs" \
    "$work/more" --per-file 200 --out-dir "$work/few" > "$work/log" 2>&1
immport-cyto cluster flock-map "$work/few" --model "$out/flock/SDY9901-flow-12m-57016e.npz" \
    --out-dir "$out/flock/labelled" --quiet 2> "$work/log"
{
    printf 'file_name\tsample_id\tstudy_accession\tsubject_accession\tvisit_name\n'
    printf 'D1_002_backbone.99010002.fcs\tES1\tSDY9901\tSUB1\tDay 0\n'
    printf 'D2_001_backbone.99010001.fcs\tES2\tSDY9901\tSUB1\tDay 28\n'
    printf 'D1_004_backbone.99010004.fcs\tES3\tSDY9901\tSUB2\tDay 0\n'
    printf 'D1_006_backbone.99010006.fcs\tES4\tSDY9901\tSUB2\tDay 28\n'
} > "$out/flock/visits.tsv"
# the same as the old suite had them: a table of events, a table of centres
immport-cyto fcs convert "$out/events/D1_002_backbone.99010002.fcs" --to tsv --out "$work/backbone.tsv" \
    --channels APC-H7-A,PerCP-Cy5-5-A,FITC-A,Time
sed '1s/.*/CD3\tCD4\tCD45RA\tTime/' "$work/backbone.tsv" > "$out/flock/events.flowtext"
printf 'Population\tCD3\tCD4\n1\t0.5\t0.5\n2\t4.5\t4.5\n' > "$out/flock/centers.flowmfi"

# files of two panels as MetaCyto has them
mkdir -p "$out/metacyto"
for file in SDY9901/ResultFiles/Flow_cytometry_result/D1_002_backbone.99010002.fcs \
    SDY9901/ResultFiles/Flow_cytometry_result/D2_001_backbone.99010001.fcs \
    SDY9903/ResultFiles/CyTOF_result/D1_003_mass.99030003.fcs; do
    immport-cyto events preprocess "$data/$file" --method metacyto --max-events 300 --qc "$work/qc.tsv" --quiet \
        --out "$out/metacyto/$(basename "$file")"
done

# packages with published results, and what is read from them
python "$root/scripts/galaxy_published.py" "$data" "$out/published"
immport-cyto immport results --metadata "$out"/published/*.zip --out "$out/published/populations.tsv" \
    --samples "$out/published/samples.tsv" > "$work/log"

# published effects of six studies, and properties of the studies
immport-cyto simulate --out "$work/six" --preset test --studies 6 --events 300 --quiet > "$work/log"
python "$root/scripts/galaxy_published.py" "$work/six" "$work/published"
immport-cyto immport results --metadata "$work"/published/*.zip --out "$work/populations.tsv" \
    --samples "$work/samples.tsv" > "$work/log"
immport-cyto meta effects --populations "$work/populations.tsv" --samples "$work/samples.tsv" --formula age_years \
    --out "$out/published/effects.tsv" 2> "$work/log"
immport-cyto meta reference --populations "$work/populations.tsv" --samples "$work/samples.tsv" --min-subjects 20 \
    --age 20 --age 90 --out "$out/published/reference.tsv" 2> "$work/log"
cp "$work/populations.tsv" "$out/published/six_populations.tsv"
cp "$work/samples.tsv" "$out/published/six_samples.tsv"
printf 'study_accession\tyear\ttechnique\n' > "$out/published/studies.tsv"
printf 'SDY990%s\t%s\t%s\n' 1 2012 flow 2 2014 flow 3 2015 cytof 4 2018 flow 5 2019 flow 6 2021 cytof \
    >> "$out/published/studies.tsv"

printf 'metacluster\tpopulation\n1\tmyeloid\n2\tmyeloid\n3\tB cells\n' > "$out/merges.tsv"
immport-cyto immport template --populations "$out/populations.tsv" --samples "$out/samples.tsv" \
    --panel "$out/panel.tsv" --workspace-file report.html --out "$out/upload.zip" > "$work/log"
python "$root/scripts/galaxy_inputs.py" "$data/SDY9901/ResultFiles/Flow_cytometry_result/D1_004_backbone.99010004.fcs" \
    "$out"

# a table of events with its description
immport-cyto fcs convert "$out/events/D1_003_mass.99030003.fcs" --to tsv --out "$work/mass.tsv" \
    --keywords "$out/mass.json"
head -21 "$work/mass.tsv" > "$out/mass.tsv"
du -sh "$out"
