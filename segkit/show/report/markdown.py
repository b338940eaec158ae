"""Write the facts as Markdown, for a wiki, a ticket or a chat."""

from __future__ import annotations

from segkit.core.disclosure import without_contacts
from segkit.core.markdown import plain
from segkit.show.report.facts import Facts, Table
from segkit.show.report.sentences import percent


def markdown(facts: Facts) -> str:
    """Return sentences, cards and tables; pictures are named with the code that draws them."""
    lines = [f"# {plain(facts.title)}", "", plain(" ".join(facts.sentences)), ""]
    for card in facts.cards:
        star = plain("*") if card.suggested else ""
        lines += [f"## {plain(card.name)}{star}", ""]
        lines += [plain(card.sentence), ""] if card.sentence else []
        lines += [f"- {plain(card.size)}, {percent(card.share)}"] if card.size else []
        if card.value_share is not None:
            lines.append(f"- {facts.value_name}: {percent(card.value_share)}")
        tagged = {
            what: f"{words} ({card.tags[what]})" if what in card.tags else words
            for what, words in card.play.items()
        }
        said = {"Likes": "; ".join(card.likes), "Worth": card.value, **tagged, "Trust": card.verdict}
        lines += [f"- {what}: {plain(words)}" for what, words in said.items() if words] + [""]
    lines += [line for note in facts.notes for line in (plain(note), "")]
    for heading, parts in (("What they look like", facts.looks), ("How they were made", facts.proof)):
        lines += [f"# {heading}", ""]
        for part in parts:
            lines += [f"## {plain(part.title)}", "", *([plain(part.note), ""] if part.note else [])]
            if isinstance(part, Table):
                lines += _rows(part)
            lines += ["```python", part.code, "```", ""] if part.code else []
    return "\n".join(
        [*lines, "```json", without_contacts(facts.provenance), "```", "", facts.sheet.to_markdown()]
    )


def _rows(table: Table) -> list[str]:
    if not table.rows:
        return []
    ruled = ["---" if i in table.text else "---:" for i in range(len(table.head))]
    return [_row(table.head), f"| {' | '.join(ruled)} |", *map(_row, table.rows), ""]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(plain(cell) for cell in cells)} |"
