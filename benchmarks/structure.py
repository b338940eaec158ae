"""Measure false alarms and power of the structure test over many simulated data sets.

python benchmarks/structure.py [data sets] [case …]
"""

import sys
import time
import zlib
from pathlib import Path

import numpy as np
from scipy.stats import binomtest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

import segkit as sg
from segkit.datasets import PERSONAS, blended, make_events, one_population

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from simulated import BENT, CONTINUA, GROUPED

CUSTOMERS = 600


def from_orders(segments, features):
    """Return a function that simulates a log of orders and computes its customers."""

    def make(seed):
        events, _ = make_events(CUSTOMERS, kinds="purchase", segments=segments, random_state=seed)
        return sg.customer_features(events, features, as_of="2025-01-01")

    return make


LOGS = {
    "orders_cadence": from_orders(one_population(), sg.RFM + sg.CADENCE),
    "orders_basket": from_orders(one_population(), sg.RFM + sg.BASKET),
    "personas": from_orders(PERSONAS, sg.RFM + sg.CADENCE + sg.BASKET),
    "personas_half_blended": from_orders(blended(PERSONAS, 0.5), sg.RFM + sg.CADENCE + sg.BASKET),
}
"""Simulated orders of a continuum, twice, then of five personas, and of personas half way to being the same."""


def case(name, seed):
    """Return customers, and their groups where there are any."""
    seed = zlib.crc32(f"{name} {seed}".encode())  # no two cases share random numbers
    rng = np.random.default_rng(seed)
    if name in LOGS:
        return LOGS[name](seed), None
    if name in GROUPED:
        return GROUPED[name](CUSTOMERS, rng)
    return (CONTINUA | BENT)[name](CUSTOMERS, rng), None


def main():
    data_sets = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for name in sys.argv[2:] or [*CONTINUA, *BENT, *LOGS, *GROUPED]:
        positive, hints, real, rand, began = 0, 0, 0, [], time.process_time()
        for seed in range(data_sets):
            customers, group = case(name, seed)
            test = sg.structure_test(customers, random_state=seed, progress=False)
            positive += test.verdict == "structure"
            hints += test.verdict == "continuum" and test.p_value <= 0.05
            if group is not None and seed < 20:
                result = sg.segment(customers, n_segments=4)
                table = sg.segment_structure(result, random_state=seed, progress=False)
                real += int((table["verdict"] == "real").sum())
                points = sg.make_preparer().fit_transform(customers)
                labels = KMeans(4, n_init=5, random_state=0).fit_predict(points)
                rand.append(adjusted_rand_score(group, labels))
        low, high = binomtest(positive, data_sets).proportion_ci(0.95, "wilson")
        also = (
            f"  adjusted Rand {np.mean(rand):.2f}, segments called real {real} of {4 * len(rand)}"
            if rand
            else ""
        )
        cpu = (time.process_time() - began) / data_sets
        print(
            f"{name:18} {positive:4} of {data_sets}: {positive / data_sets:.3f} ({low:.3f} to {high:.3f}), hints "
            f"{hints}  {cpu:.2f} CPU s{also}",
            flush=True,
        )


main()
