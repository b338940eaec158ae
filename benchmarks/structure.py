"""False alarms and power of the structure test over many simulated shops.

python benchmarks/structure.py [shops] [case …]
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
from simulated import GROUPED, ONE_POPULATION

CUSTOMERS = 600


def from_orders(segments, features):
    """Return a maker of customers from a simulated log of orders."""

    def made(seed):
        events, _ = make_events(CUSTOMERS, kinds="purchase", segments=segments, random_state=seed)
        return sg.customer_features(events, features, as_of="2025-01-01")

    return made


LOGS = {
    "orders_cadence": from_orders(one_population(), sg.RFM + sg.CADENCE),
    "orders_basket": from_orders(one_population(), sg.RFM + sg.BASKET),
    "personas": from_orders(PERSONAS, sg.RFM + sg.CADENCE + sg.BASKET),
    "personas_half_blended": from_orders(blended(PERSONAS, 0.5), sg.RFM + sg.CADENCE + sg.BASKET),
}
"""One population of simulated orders, twice, then people of five kinds, and people half way to all being the same."""


def case(name, seed):
    """Return the customers of a shop, and their groups where there are any."""
    seed = zlib.crc32(f"{name} {seed}".encode())  # no two cases share random numbers
    rng = np.random.default_rng(seed)
    if name in LOGS:
        return LOGS[name](seed), None
    if name in GROUPED:
        return GROUPED[name](CUSTOMERS, rng)
    return ONE_POPULATION[name](CUSTOMERS, rng), None


def main():
    shops = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for name in sys.argv[2:] or [*ONE_POPULATION, *LOGS, *GROUPED]:
        found, hints, real, rand, began = 0, 0, 0, [], time.process_time()
        for seed in range(shops):
            customers, group = case(name, seed)
            test = sg.structure_test(customers, random_state=seed, progress=False)
            found += test.verdict == "structure"
            hints += test.verdict == "continuum" and test.p_value <= 0.05
            if group is not None and seed < 20:
                result = sg.segment(customers, n_segments=4)
                told = sg.segment_structure(result, random_state=seed, progress=False)
                real += int((told["verdict"] == "real").sum())
                points = sg.make_preparer().fit_transform(customers)
                labels = KMeans(4, n_init=5, random_state=0).fit_predict(points)
                rand.append(adjusted_rand_score(group, labels))
        low, high = binomtest(found, shops).proportion_ci(0.95, "wilson")
        also = (
            f"  adjusted Rand {np.mean(rand):.2f}, segments called real {real} of {4 * len(rand)}"
            if rand
            else ""
        )
        cpu = (time.process_time() - began) / shops
        print(
            f"{name:18} {found:4} of {shops}: {found / shops:.3f} ({low:.3f} to {high:.3f}), hints {hints}  "
            f"{cpu:.2f} CPU s{also}",
            flush=True,
        )


main()
