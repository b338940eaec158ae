"""Say in plain words what segments were made from, what for, what they give away, and how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from segkit.core.checks import check_type
from segkit.core.disclosure import MEANS_FROM, MINIMUM, check_minimum, without_contacts
from segkit.core.html import render
from segkit.core.markdown import plain
from segkit.core.messages import counted, joined, listed
from segkit.create.segmentation import Segmentation
from segkit.methods.partition import checked_result
from segkit.privacy.budget import PrivacyBudget
from segkit.privacy.proxy_audit import ProxyAudit

MOST = 8  # features and reasons that are named
_SHOWN = """
<div><h3>{{ title }}</h3><dl>
{%- for heading, sentences in sections.items() %}
<dt style="margin-top:.6em"><b>{{ heading }}</b></dt>
{%- for sentence in sentences %}<dd style="margin:0 0 0 1.5em">{{ sentence }}</dd>{% endfor %}
{%- endfor %}
</dl></div>
"""
NOT_FOR = (
    "Not for decisions on one person that weigh heavily: credit, insurance, work, housing, health, or a price of her "
    "own. The law asks for more there than a segment (GDPR, article 22).",
    "Not to guess what a person has not said: sex, origin, health, belief. A segment may still stand for one of these: "
    "sg.proxy_audit measures it.",
    "Not for customers of another shop, country or time, unlike those that the segments were made from.",
)


@dataclass(frozen=True)
class DataSheet:
    """What to know before segments are used or shared; made by :func:`segkit.data_sheet`.

    Attributes
    ----------
    title : str
    sections : mapping of str to tuple of str
        Sentences by their heading.
    """

    title: str
    sections: Mapping[str, tuple[str, ...]]

    def to_markdown(self) -> str:
        """Return the sheet as Markdown."""
        lines = [f"# {plain(self.title)}", ""]
        for heading, sentences in self.sections.items():
            lines += [f"## {plain(heading)}", "", *(f"- {plain(sentence)}" for sentence in sentences), ""]
        return "\n".join(lines)

    def __repr__(self) -> str:
        parts = [
            (heading, *(f"  {sentence}" for sentence in said)) for heading, said in self.sections.items()
        ]
        return without_contacts("\n".join([self.title, *(line for part in parts for line in part)]))

    def _repr_html_(self) -> str:
        return render(_SHOWN, title=self.title, sections=self.sections)


def data_sheet(
    result: Segmentation,
    *,
    risk: pd.DataFrame | None = None,
    audits: Iterable[ProxyAudit] = (),
    budget: PrivacyBudget | None = None,
    minimum: int = MINIMUM,
) -> DataSheet:
    """Write a data sheet of a segmentation: from what data, of whom, what for, what it leaks, how far to trust it.

    After the data sheets of Gebru et al. [1]_ and the model cards of Mitchell et al. [2]_. It is also part of
    :func:`segkit.report`.

    Parameters
    ----------
    result : Segmentation
    risk : DataFrame, optional
        From :func:`segkit.membership_risk`: how well what is shown tells who is in a segment.
    audits : iterable of ProxyAudit
        From :func:`segkit.proxy_audit`: which protected attributes the segments tell.
    budget : PrivacyBudget, optional
        What was released with noise from it is listed.
    minimum : int, default=10
        Numbers of customers are rounded to it, so that a small group does not follow from totals.

    Returns
    -------
    DataSheet
        Shown as text or HTML; ``.to_markdown()`` for a wiki.

    References
    ----------
    .. [1] Gebru et al. (2021), Datasheets for datasets, Communications of the ACM 64 (12).
    .. [2] Mitchell et al. (2019), Model cards for model reporting, FAT*.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2] * 30 + [30, 31] * 20}, index=[f"c{i:03}" for i in range(100)])
    >>> print(sg.data_sheet(sg.segment(customers, n_segments=2)).sections["Of whom"][0])
    About 100 customers, in 2 segments.
    """
    checked_result(result)
    check_minimum(minimum)
    if risk is not None:
        check_type("risk", risk, pd.DataFrame, "It should be the table from sg.membership_risk(result).")
        if "sentence" not in risk.attrs.get("segkit", {}):
            raise ValueError("risk has no sentence. Pass the table from sg.membership_risk(result), whole.")
    audits = list(audits)
    for audit in audits:
        check_type(
            "One of the audits", audit, ProxyAudit, "It should come from sg.proxy_audit(result, attribute)."
        )
    if budget is not None:
        check_type("budget", budget, PrivacyBudget, "Pass the budget that releases were spent from.")
    return DataSheet(
        "Data sheet",
        {
            "From what data": _data(result.provenance),
            "Of whom": _people(result, minimum),
            "What for": (
                "To treat the customers of a segment alike in marketing: messages, offers, service.",
                *NOT_FOR,
            ),
            "What it gives away": _leaks(minimum, risk, [audit.sentence for audit in audits]),
            "How far to trust it": _trust(result),
            "Privacy budget": _spent(budget),
        },
    )


def _data(facts: Mapping) -> tuple[str, ...]:
    sources = joined(list(facts.get("sources") or [])) or "a table whose source is not recorded"
    window = f", and what customers did in the {facts['window']} before" if facts.get("window") else ""
    when = f", as of {str(facts['as_of'])[:10]}{window}" if facts.get("as_of") else ""
    features = list(facts.get("features") or [])
    said = [f"From {sources}{when}.", f"{counted(len(features), 'feature')}: {listed(features, MOST)}."]
    refused = facts.get("refused") or {}
    if refused:
        rows = counted(sum(refused.values()), "row was", "rows were")
        said.append(f"{rows} refused: {listed(refused, MOST)}.")
    return tuple(said)


def _people(result: Segmentation, minimum: int) -> tuple[str, ...]:
    n, sizes = len(result.labels), result.labels.value_counts()
    said = [f"{_about(n, minimum)}, in {counted(len(result.segments), 'segment')}."]
    small = sum(0 < sizes[s] < minimum for s in result.segments)
    if small:
        are = "is" if small == 1 else "are"
        said.append(f"{counted(small, 'segment')} of fewer than {minimum:,} customers {are} never described.")
    sampled = result.provenance.get("n_sampled", n)
    if sampled < n:
        said.append(
            f"The model looked at {_about(sampled, minimum).lower()}; the others were assigned by it."
        )
    said.append("People who left no row in these data are not among them, and may differ.")
    return tuple(said)


def _about(n: int, minimum: int) -> str:
    return (
        counted(n, "customer")
        if minimum == 1
        else f"About {max(round(n / minimum), 1) * minimum:,} customers"
    )


def _leaks(minimum: int, risk: pd.DataFrame | None, audited: list[str]) -> tuple[str, ...]:
    if risk is None:
        told = (
            "A person who is known to be a customer, with what she did, may be told to be in a segment: "
            "sg.membership_risk measures how well."
        )
    else:
        told = risk.attrs["segkit"]["sentence"]
    return (
        f"Tables, charts and pages hide groups of fewer than {minimum:,} customers. Of fewer than "
        f"{max(MEANS_FROM, minimum)} they show medians only, which give away as much as means do: where many features "
        "are described, small groups still hint at who is in them."
        if minimum > 1
        else "Tables, charts and pages were asked to show everything, also of a single customer.",
        told,
        "result.save(path) keeps the features of every customer. To share the model alone: "
        "result.save(path, share=True).",
        *audited,
    )


def _trust(result: Segmentation) -> tuple[str, ...]:
    said = [f"{result.badge}. {result.kind_sentence}".strip()]
    if result.assessment is not None:
        said.append(result.trust.summary)
    else:
        said.append("Not assessed further: result.trust says which segments are real and come back.")
    if result.provenance.get("as_of"):
        moment = str(result.provenance["as_of"])[:10]
        said.append(f"Customers change. Ask sg.refit_advice before segments of {moment} are used much later.")
    return tuple(said)


def _spent(budget: PrivacyBudget | None) -> tuple[str, ...]:
    if budget is None:
        return ("None is kept: no table was released with noise.",)
    releases = budget.ledger
    times, delta = f"{math.exp(budget.spent):.2g}", releases["delta"].sum()
    unless = f", but for a chance of {delta:g}" if delta else ""
    return (
        f"Epsilon {budget.spent:g} of {budget.epsilon:g} is spent, in {counted(len(releases), 'release')} with noise: "
        f"whatever is concluded is at most {times} times as likely with a customer among the data as without "
        f"her{unless}.",
        *(f"{row.release}: epsilon {row.epsilon:g}." for row in releases.itertuples()),
    )
