"""``immport-cyto cluster match``: metaclusters of several studies and panels matched by shared markers."""

from pathlib import Path

import click

from immport_cyto.cli._cluster_results import FILE, record
from immport_cyto.cli._common import json_option


@click.command("match")
@click.option(
    "--clusters", "clusters_paths", type=FILE, required=True, multiple=True,
    help="clusters.tsv of at least two studies or panels; may be repeated.",
)  # fmt: skip
@click.option(
    "--medians", "medians_paths", type=FILE, required=True, multiple=True,
    help="cluster_medians.tsv of the same; may be repeated.",
)  # fmt: skip
@click.option("--out", "out_path", type=FILE, required=True, help="Table of the matches to write.")
@click.option(
    "--scale", type=click.Choice(["range", "none"]), default="range", show_default=True,
    help="range: medians from 0 to 1 per marker within each study and panel; none: as they are, for one instrument.",
)  # fmt: skip
@click.option(
    "--min-shared", type=click.IntRange(min=1), default=3, show_default=True,
    help="Fewest markers that two panels share to be matched.",
)  # fmt: skip
@json_option
def match(
    clusters_paths: tuple[Path, ...], medians_paths: tuple[Path, ...], out_path: Path, scale: str, min_shared: int,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Match metaclusters over studies and panels by the medians of the markers that they share.

    Two metaclusters are matched where each is the nearest of the other; sets of matched metaclusters get a number.

    \b
    Example:
      immport-cyto cluster match --clusters clusters.tsv --medians cluster_medians.tsv --out matches.tsv
    """
    from immport_cyto import tables
    from immport_cyto.cluster.matching import match_metaclusters

    clusters = tables.concat((tables.read(path, tables.CLUSTERS) for path in clusters_paths), tables.CLUSTERS)
    medians = tables.concat(
        (tables.read(path, tables.CLUSTER_MEDIANS) for path in medians_paths), tables.CLUSTER_MEDIANS
    )
    found = match_metaclusters(clusters, medians, scale=scale, min_shared=min_shared)
    tables.write(found, out_path, tables.MATCHES)
    key = ["study_accession", "panel_id"]
    counts = {
        "groups": len(found[key].drop_duplicates()),
        "metaclusters": len(found[[*key, "metacluster"]].drop_duplicates()),
        "matched_pairs": int(found["mutual_best"].sum()) // 2, "sets": int(found["match"].nunique()),
    }  # fmt: skip
    pair = [*key, "other_study_accession", "other_panel_id", "n_shared_markers"]
    few = found.loc[found["n_shared_markers"] < min_shared, pair].drop_duplicates()
    warnings = [
        f"{row[0]} {row[1]} and {row[2]} {row[3]} share {row[4]} markers and are not matched "
        f"(--min-shared {min_shared})"
        for row in few.itertuples(index=False)
        if (row[0], row[1]) < (row[2], row[3])
    ]
    for warning in warnings:
        click.echo(f"immport-cyto: warning: {warning}", err=True)
    parameters = {"scale": scale, "min_shared": min_shared}
    record("cluster match", json_path, [], [*clusters_paths, *medians_paths], counts, warnings, parameters)
    click.echo(
        f"{out_path}: {counts['metaclusters']} metaclusters of {counts['groups']} studies and panels, "
        f"{counts['sets']} sets of matches",
        err=True,
    )
