"""Write the sample in ``data/`` again: ``python3 -m segkit.datasets data``."""

from __future__ import annotations

import sys
from pathlib import Path

from segkit.datasets.shop import make_events

SAMPLE = {"n_customers": 50, "random_state": 2024}


def write_sample(folder: str | Path) -> list[Path]:
    """Write ``events.parquet`` and ``segments.csv`` of 50 simulated customers over a year.

    Parameters
    ----------
    folder : str or Path
        An existing folder.

    Returns
    -------
    list of Path
        The two files.
    """
    import pyarrow.parquet as pq

    events, truth = make_events(SAMPLE["n_customers"], random_state=SAMPLE["random_state"])
    paths = [Path(folder) / "events.parquet", Path(folder) / "segments.csv"]
    pq.write_table(events.table.to_pyarrow(), paths[0], compression="zstd", compression_level=15)
    truth.to_csv(paths[1], lineterminator="\n")
    return paths


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(f"Got {sys.argv[1:]}. Name one existing folder: python3 -m segkit.datasets data")
    for written in write_sample(sys.argv[1]):
        print(f"{written}: {written.stat().st_size:,} bytes")
