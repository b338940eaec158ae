"""Live segments of customers who consent: who may come, who withdraws, and that nobody comes back by a late event."""

import pandas as pd
import pytest
from tables import orders

import segkit as sg

NAMES = [f"c{i:02}" for i in range(12)]


def consent(**until):
    rows = pd.DataFrame({"customer_id": NAMES, "purpose": "segmentation", "from": "2023-01-01"})
    return rows.assign(until=rows["customer_id"].map(until))


def arriving(*rows):
    frame = pd.DataFrame(rows, columns=["event_id", "customer_id", "timestamp"])
    return frame.assign(kind="purchase", amount=5.0)


@pytest.fixture(scope="module")
def events():
    rows = [
        (name, f"2024-01-{1 + i + j:02}", 10.0 * (1 + i % 3))
        for i, name in enumerate(NAMES)
        for j in range(1 + i % 3)
    ]
    return sg.read_events(orders(*rows), kind="purchase")


@pytest.fixture(scope="module")
def allowed(events):
    return sg.with_consent(events, consent(c03="2024-03-01"))


@pytest.fixture
def opened(allowed, tmp_path):
    lives = []

    def open_folder(events=allowed):
        customers = sg.customer_features(allowed, sg.RFM, as_of="2024-02-01")
        lives.append(
            sg.live_segments(sg.segment(customers, n_segments=2), events, sg.RFM, folder=tmp_path / "live")
        )
        return lives[-1]

    yield open_folder
    for live in lives:
        live.close()


def test_withdrawal_takes_effect_live(opened):
    live = opened()
    placed = live.apply(
        arriving(("e1", "c03", "2024-02-10"), ("e2", "stranger", "2024-02-11"), ("e3", "c04", "2022-02-11"))
    )
    assert placed["customer_id"].tolist() == ["c03"]
    assert live.refused.to_dict("records") == [
        {"reason": "no consent to segmentation", "count": 2, "example": ""}
    ]
    live.sweep(as_of="2024-02-29")
    assert live.holds(NAMES) == set(NAMES)
    live.sweep(as_of="2024-03-01")
    assert live.holds(NAMES) == set(NAMES) - {"c03"}
    assert "c03" not in live.placements()["customer_id"].tolist()
    late = live.apply(arriving(("e1", "c03", "2024-02-10"), ("e4", "c05", "2024-02-10")))
    assert late["customer_id"].tolist() == ["c05"] and late.attrs["segkit"]["refused"] == 1
    live.close()
    for file in live.folder.iterdir():
        assert b"stranger" not in file.read_bytes()


def test_of_refused_rows_no_example_is_kept_that_could_name_who_does_not_consent(events, opened):
    live = opened(events)
    live.refuse([("k1", "message not JSON", '{"customer_id": "stranger 1"')])
    live.use_consent(consent())
    live.refuse([("k2", "message not JSON", '{"customer_id": "stranger 2"')])
    live.apply(arriving((None, "stranger 3", "2024-02-10"), ("e1", "stranger 4", "soon")))
    assert live.refused["example"].tolist() == ["", "", ""] and live.refused["count"].sum() == 4


def test_consent_for_an_empty_folder_needs_a_moment(events, opened):
    live = opened(events)
    live.erase(NAMES)
    assert repr(live.events()).startswith("Events: no events")
    assert live.where().empty and live.current().empty and live.sweep(as_of="2024-03-01").empty
    with pytest.raises(ValueError, match=r"no events, so no present moment\. Pass as_of"):
        live.use_consent(consent())
    assert live.use_consent(consent(), as_of="2024-03-01") == 0
    assert live.apply(arriving(("e1", "c01", "2024-02-10")))["customer_id"].tolist() == ["c01"]


def test_new_consent_takes_the_place_of_the_old(opened, events):
    live = opened()
    assert live.use_consent(consent(c07="2024-01-05"), as_of="2024-02-01") > 0
    assert live.holds(NAMES) == set(NAMES) - {"c07"}
    live.close()
    again = opened(sg.with_consent(events, consent(c07="2024-01-05", c08="2024-01-05"), as_of="2024-02-01"))
    assert again.holds(NAMES) == set(NAMES) - {"c07", "c08"}
    again.apply(arriving(("e1", "c08", "2024-02-10")))
    assert again.holds(["c08"]) == set()
    with pytest.raises(ValueError, match=r"'recency' is for 'segmentation'.*for 'ads'"):
        again.use_consent(consent().assign(purpose="ads"), purpose="ads")
