"""Compare chosen customers with all others, or with a second selection, for a page."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from segkit.core.disclosure import MINIMUM, state_without_contacts
from segkit.create.segmentation import Segmentation
from segkit.explain.compare import compare
from segkit.explain.evidence import KEPT_OUT, evidence
from segkit.show.widgets.explorer_page import difference_rows, evidence_rows, typical_of


class TwoGroups:
    """Chosen customers of a result, and whom they are compared with: all others where `other` is None.

    Nothing is said where one of the groups has fewer customers than `minimum`.
    """

    def __init__(
        self,
        result: Segmentation,
        inside: np.ndarray,
        other: np.ndarray | None,
        *,
        held_out: pd.DataFrame | None,
        minimum: int,
    ):
        self._result, self._inside, self._other, self._held_out = result, inside, other, held_out
        self._minimum = minimum
        rest = ~inside if other is None else other
        few = min(inside.sum(), rest.sum()) < minimum
        self.table = None if few else compare(result, inside, other, minimum=minimum)

    @property
    def evidence(self) -> pd.DataFrame | None:
        """Tests of what was kept out, as rows of :func:`segkit.evidence`; None where none can be."""
        if self._held_out is None or self.table is None:
            return None
        inside = self._inside
        there = np.ones(len(inside), dtype=bool) if self._other is None else inside | self._other
        customers = self._result.customers[there]
        two = dataclasses.replace(
            self._result,
            customers=customers,
            labels=pd.Series(inside[there].astype("int64"), customers.index, name="segment"),
            ids={0: 0, 1: 1},
            names={0: "Others", 1: "Chosen"},
            embedding=None,
            assessment=None,
        )
        table = evidence(two, self._held_out, minimum=self._minimum)
        return table[(table["kind"] == KEPT_OUT) & (table["segment_id"] == 1)].reset_index(drop=True)

    def said(self) -> dict[str, Any]:
        """Return what the page shows of them."""
        n = int(self._inside.sum())
        if self.table is None:
            few = 0 < n < len(self._inside)
            hint = f"Choose {self._minimum:,} customers or more to see what sets them apart." if few else ""
            return {"rows": [], "hint": hint}
        return state_without_contacts(
            {
                "count": n,
                "against": "" if self._other is None else f"{int(self._other.sum()):,}",
                "rows": difference_rows(self.table),
                "evidence": evidence_rows(self.evidence),
                "typical": typical_of(self._result, self._inside),
            }
        )

    def code(self) -> list[str]:
        """Return the line that compares them, as in a cell beside the explorer."""
        if self.table is None:
            return []
        labels = self._result.labels.to_numpy()
        segment = labels[self._inside.argmax()]
        whole = bool((self._inside == (labels == segment)).all())
        group = f"result.labels == {segment}" if whole else "explorer.chosen"
        other = "" if self._other is None else ", explorer.other"
        least = "" if self._minimum == MINIMUM else f", minimum={self._minimum}"
        return [f"sg.compare(result, {group}{other}{least})"]
