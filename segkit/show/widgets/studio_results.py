"""The results of a studio, with their code: made for a number and a method, beside pinned segments if there are any."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from segkit.create.segmentation import Segmentation
from segkit.show.widgets.explorer_edits import MAPPED
from segkit.show.widgets.studio_code import ResultLines
from segkit.show.widgets.studio_fits import FitsByFeatures

KEEPS_MAP = ".with_embedding(result.embedding)"


class StudioResults:
    """Make results, and keep the lines of Python that make them.

    Parameters
    ----------
    fits : FitsByFeatures
    random_state : int

    Attributes
    ----------
    lines : ResultLines
    """

    def __init__(self, fits: FitsByFeatures, random_state: int):
        self.lines = ResultLines()
        self._fits, self._random_state = fits, random_state
        self._beside: WeakKeyDictionary[Segmentation, Segmentation] = WeakKeyDictionary()

    def begin(self, made: Segmentation, n_segments: int, method: str) -> None:
        """Keep that a result is one of a number and a method, unless other lines of it are known."""
        self.lines.begin(made, [self._line(n_segments, method), MAPPED])

    def after(self, before: Segmentation, n_segments: int, method: str) -> Segmentation:
        """Return the segments of everyone; those that are pinned in the result before stay."""
        fits, at, pinned = self._fits.present, (n_segments, method), self._pinned(before)
        if pinned is None:
            return fits.everyone(*at)
        if fits.begun_as(pinned) == at:
            return pinned
        made = fits.beside_pinned(pinned, *at)
        self._beside[made] = pinned
        self.lines.add(made, pinned, [self._line(*at, "previous=result") + KEEPS_MAP])
        return made

    def preview_after(self, before: Segmentation, n_segments: int, method: str) -> Segmentation:
        """Return the segments of the sample, as :meth:`after` those of everyone."""
        fits, pinned = self._fits.present, self._pinned(before)
        if pinned is None:
            return fits.preview(n_segments, method)
        return fits.preview_beside_pinned(pinned, n_segments, method)

    def _pinned(self, result: Segmentation) -> Segmentation | None:
        """Return the result whose pins hold: where one goes on from number to number, that of the first."""
        first = self._beside.get(result, result)
        return first if first.provenance.get("pinned") else None

    def _line(self, n_segments: int, method: str, *more: str) -> str:
        given = (
            f"n_segments={n_segments}",
            f"method={method!r}",
            f"random_state={self._random_state}",
            *more,
        )
        return f"result = sg.segment(customers, {', '.join(given)})"
