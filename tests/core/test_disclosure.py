"""What may be said of a group of customers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.core.disclosure import (
    check_minimum,
    hidden_cells,
    hidden_in_words,
    hidden_sizes,
    is_few,
    may_have_mean,
    may_have_quantile,
    may_have_share,
    pseudonyms,
    without_contacts,
)

SIZES = st.lists(st.integers(0, 60), min_size=1, max_size=6)


@given(SIZES)
def test_small_sizes_do_not_follow_from_totals(sizes):
    # Who knows the total, and which groups are small, can still give each small group any size up to 9.
    sizes, minimum = np.array(sizes), 10
    hidden = hidden_sizes(sizes, minimum)
    small = (sizes > 0) & (sizes < minimum)
    assert not (small & ~hidden).any()
    if not small.any():
        assert not hidden.any()
    elif (sizes >= 2 * minimum).any():
        left = sizes[hidden].sum() - (small.sum() - 1)  # with 1 in each other small group
        assert left - minimum >= minimum - 1
        assert hidden.sum() == small.sum() + 1
    else:
        assert hidden.tolist() == (sizes > 0).tolist()


@given(st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=2, max_size=5))
def test_small_cells_do_not_follow_from_the_margins(rows):
    """Whoever knows that each hidden cell holds 1 or more finds none from its row or column: not of 1 and 1 either."""
    counts, minimum = np.array(rows), 10
    hidden = hidden_cells(counts, minimum)
    small = is_few(counts, minimum)
    assert (hidden >= small).all() and not hidden[counts == 0].any()
    for line, mark in [*zip(counts, hidden, strict=True), *zip(counts.T, hidden.T, strict=True)]:
        if mark.any() and not (mark == (line > 0)).all():
            assert line[mark].sum() - (mark.sum() - 1) >= minimum - 1
            assert mark.sum() > 1


@given(SIZES)
def test_minimum_of_one_hides_nothing(sizes):
    sizes = np.array(sizes)
    assert not hidden_sizes(sizes, 1).any()
    present = sizes[sizes > 0]
    assert may_have_mean(present, 1).all()
    assert may_have_quantile(present, 0.01, 1).all()
    assert may_have_share(present // 2, present, 1).all()


def test_of_fewer_than_100_one_number_of_a_feature_is_shown():
    n = np.arange(1, 200)
    assert (may_have_quantile(n, 0.5, 10) == (n >= 10)).all()
    for q in (0.05, 0.25, 0.75, 0.95):
        assert (may_have_quantile(n, q, 10) == (n >= 100)).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ann.o'neill+shop@mail.example.co.uk", "[e-mail]"),
        ("(030) 123456 at home", "[phone] at home"),
        ("+1 (555) 123-4567", "[phone]"),
        ("020 7946 0958", "[phone]"),
        ("+49301234567", "[phone]"),
    ],
)
def test_contacts_are_taken_out_of_text(text, said):
    assert without_contacts(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "2011-12-09T12:50:00",
        "22423 REGENCY CAKESTAND",
        "monetary > 1,234.50",
        "0.123 0.456",
        "100 200 3000",
        "at @ home",
        "12 of 1,000 customers",
        "c000123",
        "978-3-16-148410-0",
    ],
)
def test_other_numbers_stay(text):
    assert without_contacts(text) == text


def test_pseudonyms_tell_customers_apart_only():
    assert pseudonyms([7, "7", 7]) == ["customer 1", "customer 2", "customer 1"]


def test_hidden_segments_are_counted_and_named():
    assert hidden_in_words([], 10) == ""
    assert hidden_in_words(["A", "B"], 5) == "Hidden are 2 segments of fewer than 5 customers: A, B."


@pytest.mark.parametrize("minimum", [0, -1, 1.5, True, None])
def test_minimum_is_a_number_of_customers(minimum):
    with pytest.raises(ValueError, match="minimum"):
        check_minimum(minimum)


@given(st.lists(st.lists(st.integers(0, 60), min_size=3, max_size=3), min_size=3, max_size=5))
def test_hidden_cells_are_never_alone(counts):
    """In a row or a column with other customers a hidden cell would follow from the margin."""
    counts = np.array(counts)
    hidden = hidden_cells(counts, 10)
    assert hidden[(counts > 0) & (counts < 10)].all()
    for lines, marks in ((counts, hidden), (counts.T, hidden.T)):
        for line, mark in zip(lines, marks, strict=True):
            assert mark.sum() != 1 or (line > 0).sum() == 1
