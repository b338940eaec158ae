"""Widget to plan an experiment: how many to hold out, and which segments can answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as w
import pandas as pd
import traitlets as t
from markupsafe import Markup

from segkit.core.html import html_table
from segkit.methods.partition import Partition
from segkit.show.plots.power import plot_power
from segkit.show.widgets.labelled_slider import LabelledSlider
from segkit.show.widgets.parts import ChartView, code_line, offered, percents, scrolling
from segkit.show.widgets.stills import WithStill, shows_errors
from segkit.tailor.experiments.plan import plan_experiment
from segkit.tailor.experiments.wording import amount

HOLDOUTS, POWERS = percents(1, 50), percents(50, 99)
LIFTS = [("none", 0.0), *((f"{n / 10:g} points", n / 1000) for n in range(1, 101))]


class ExperimentPlanner(WithStill, w.VBox):
    """Choose the hold-out, the power and the lift of an experiment; read back ``plan``.

    Parameters
    ----------
    result : Segmentation or Series
        As `by` in :func:`segkit.plan_experiment`.
    baseline : float, mapping of segment to float, or Series by customer
        As in :func:`segkit.plan_experiment`, of shares.

    Attributes
    ----------
    holdout : float
        Share of the customers to hold out, in whole percents from 0.01 to 0.5; 0.1 at first.
    power : float
        Chance to find a lift, in whole percents from 0.5 to 0.99; 0.8 at first.
    lift : float
        The lift to plan for, as a difference, in tenths of a point up to 0.1; 0 for none.
    plan : DataFrame
        The result of :func:`segkit.plan_experiment`.
    code : str
        The same choice as Python.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> planner = sg.ExperimentPlanner(pd.Series(["Loyal"] * 20_000 + ["New"] * 2_000), baseline=0.1)
    >>> planner.lift = 0.03
    >>> planner.plan["verdict"].to_list()[1:]
    ['can show 2.1 points or more', 'too small alone: join with Loyal']
    >>> planner.code
    'plan = sg.plan_experiment(result, baseline=baseline, holdout=0.1, power=0.8, lift=0.03)'
    """

    holdout = t.Float(0.1)
    power = t.Float(0.8)
    lift = t.Float(0.0)
    plan = t.Instance(pd.DataFrame)
    code = t.Unicode()

    def __init__(self, result: Partition | pd.Series, *, baseline: float | Mapping[str, float] | pd.Series):
        self._result, self._baseline = result, baseline
        super().__init__(plan=self._planned())
        self._chart = ChartView(chart=plot_power(self.plan))
        sliders = {
            "holdout": LabelledSlider("Hold out", HOLDOUTS, self.holdout),
            "power": LabelledSlider("Power", POWERS, self.power),
            "lift": LabelledSlider("Lift", LIFTS, self.lift),
        }
        for name, control in sliders.items():
            w.link((self, name), (control, "value"))
        self._table, self._shown_code = w.HTML(), w.HTML()
        wide = w.Box([self._chart], layout=w.Layout(max_width="100%", overflow="auto"))
        self.children = [*sliders.values(), self._table, wide, self._shown_code]
        self.observe(self._draw, ["holdout", "power", "lift"])
        self._draw()

    @t.validate("holdout", "power", "lift")
    def _only_offered(self, proposal: t.Bunch) -> float:
        name = proposal["trait"].name
        return offered(name, proposal["value"], {"holdout": HOLDOUTS, "power": POWERS, "lift": LIFTS}[name])

    @property
    def _choice(self) -> dict[str, Any]:
        """The arguments of the plan."""
        lift = {"lift": self.lift} if self.lift else {}
        return {"holdout": self.holdout, "power": self.power} | lift

    def _planned(self) -> pd.DataFrame:
        return plan_experiment(self._result, baseline=self._baseline, **self._choice)

    @shows_errors
    def _draw(self, _change: t.Bunch | None = None) -> None:
        self.plan = self._planned()
        self._chart.chart = plot_power(self.plan)
        self._table.value = _in_html(self.plan)
        arguments = ", ".join(f"{name}={value!r}" for name, value in self._choice.items())
        code = f"plan = sg.plan_experiment(result, baseline=baseline, {arguments})"
        self._shown_code.value = code_line(code)
        self.code = code  # last: the still follows it


def _in_html(plan: pd.DataFrame) -> Markup:
    """Return the plan as a table."""
    rows = [
        (
            row.segment,
            *("hidden" if pd.isna(n) else f"{n:,}" for n in (row.customers, row.held_out)),
            "hidden"
            if pd.isna(row.baseline)
            else "none"
            if pd.isna(row.smallest_lift)
            else amount(row.smallest_lift, True, signed=True),
            row.verdict,
        )
        for row in plan.itertuples(index=False)
    ]
    head = ["Segment", "Customers", "Held out", "Smallest lift", "Verdict"]
    return scrolling("The plan by segment", html_table(head, rows, text=(0, 4)))
