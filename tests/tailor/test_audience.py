"""Who is contacted and who is refused, by hand; and that no row is lost, whatever comes."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import three_groups

import segkit as sg
from segkit.tailor.audiences.contacts import masked

RLM = "\u200f"


def refused(chosen):
    return dict(zip(chosen.refused["reason"], chosen.refused["rows"], strict=True))


def test_each_customer_has_one_reason():
    """A customer for each reason, and one who is left."""
    ids = [f"c{i:02}" for i in range(14)]
    labels = pd.Series(["A"] * 14, index=ids)
    labels.iloc[1], labels.iloc[2], labels.iloc[3] = "-1", "Undecided", "B"
    people = pd.DataFrame({"customer_id": ids, "email": [f"{i}@example.com" for i in ids]})
    people.loc[4, "email"] = "no address"
    people.loc[5, "email"] = None
    people.loc[6, "email"] = "C.00@Example.com "
    people.loc[13, "email"] = "C00@example.com"
    people = pd.concat([people.drop(7), people.iloc[[8]], people.iloc[[9]].assign(email="other@example.com")])
    people = pd.concat([people, pd.DataFrame({"customer_id": ["stranger", None], "email": "x@example.com"})])
    consent = pd.Series(True, index=ids).drop("c10")
    arms = pd.Series("treated", index=ids)
    arms["c11"] = "held out"
    chosen = sg.audience(labels, people, segments="A", consent=consent, suppress=["c12"], arms=arms)
    assert chosen.table["customer_id"].tolist() == ["c00", "c06", "c08"]
    assert refused(chosen) == {
        "customer_id missing": 1,
        "in contacts, but in no segment": 1,
        "outside all segments": 1,
        "undecided between segments": 1,
        "in another segment": 1,
        "invalid e-mail": 1,
        "no e-mail, phone or address": 1,
        "not in contacts": 1,
        "row of contacts repeated": 1,
        "several different rows in contacts": 2,
        "no consent": 1,
        "held out by the experiment": 1,
        "suppressed": 1,
        "e-mail of an earlier customer": 1,
    }
    assert chosen.rows_in == 18
    masked = chosen.refused["example"].str.fullmatch(r"[a-zA-Z]\*\*\*(@[a-z]?\*\*\*(\.com)?)?")
    assert masked.all(), chosen.refused
    assert "example.com" not in repr(chosen) + chosen.refused.to_string() + str(chosen.provenance)


def test_addresses_of_those_held_out_are_out():
    """Also under another id, another case, or with Gmail's dots."""
    labels = pd.Series("A", index=list("abcdef"))
    people = pd.DataFrame(
        {
            "customer_id": list("abcdef"),
            "email": [
                "dana.x@gmail.com",
                "DanaX+shop@googlemail.com",
                "bo@example.com",
                "BO@example.com",
                "li@example.com",
                hashlib.sha256(b"ann@example.com").hexdigest(),
            ],
        }
    )
    arms = pd.Series(["control", "treated", "treated", "treated", "treated", "treated"], index=list("abcdef"))
    arms.attrs["segkit"] = {"experiment": "spring"}
    chosen = sg.audience(
        labels, people, suppress=pd.DataFrame({"e-mail": ["Ann@example.com", "gone@x.org"]}), arms=arms
    )
    assert chosen.table[["customer_id", "arm"]].to_numpy().tolist() == [["c", "treated"], ["e", "treated"]]
    assert (
        chosen.provenance["experiment"] == "spring"
        and chosen.provenance["suppress"] == "1 of 2 entries found"
    )
    for listed in (
        pd.Series([True, False], index=["c", "e"]),
        ["c"],
        [hashlib.sha256(b"bo@example.com").hexdigest()],
    ):
        assert "c" not in sg.audience(labels, people, suppress=listed).table["customer_id"].tolist()


def test_suppression_in_any_shape():
    """A list that nobody would be found by is an error."""
    labels = pd.Series("A", index=list("abcd"))
    people = pd.DataFrame({"customer_id": list("abcd"), "email": [f"{c}.x@gmail.com" for c in "abcd"]})
    people["phone"] = ["+49 171 1234567", "+1 (800) 555-0101", None, "+1 800 555 0102"]
    for listed in (
        ["a", "b.x@gmail.com"],
        pd.Series([True, None, False, True], index=["a", "c", "d", "b"], dtype=object),
        pd.Series(pd.to_datetime(["2024-01-01", None, "2024-02-01"]), index=["a", "c", "b"]),
        pd.DataFrame({"Customer": ["a", None], "mail": [None, "bx@gmail.com"]}),
        pd.DataFrame({"E-mail": ["AX@gmail.com", "bx@gmail.com"]}, index=[7, 7]).reset_index(drop=True),
        pd.DataFrame(index=pd.Index(["a", "b"], name="customer_id")),
        ["+1 800 555-0101", "a"],
        ["\ufeffA.X@gmail.com", "\u200bb\u202c"],  # a file's first mark, and what cannot be seen
        pd.DataFrame({"Phone": ["8005550101", "0171 1234567"]}),
    ):
        assert sg.audience(labels, people, suppress=listed).table["customer_id"].tolist() == ["c", "d"]
    with pytest.raises(ValueError, match="no customer_id, email or phone, only town"):
        sg.audience(labels, people, suppress=pd.DataFrame({"town": ["1"]}))


def test_phones_of_those_held_out_are_left_empty():
    """Others keep their e-mail; who has only that phone is refused."""
    people = pd.DataFrame(
        {
            "customer_id": list("abcd"),
            "email": ["a@x.org", "b@x.org", None, "d@x.org"],
            "phone": ["+1 800 555-0101", "18005550101", "(800) 555-0101", "+1 800 555 0102"],
        }
    )
    arms = pd.Series(["treated", "held out", "treated", "treated"], index=list("abcd"))
    chosen = sg.audience(pd.Series("A", index=list("abcd")), people, arms=arms)
    assert chosen.table["phone"].fillna("").tolist() == ["", "+1 800 555 0102"]
    reason = "phone of a customer who is held out or suppressed"
    assert refused(chosen) == {"held out by the experiment": 1, reason: 1}
    assert chosen.emptied.to_numpy().tolist() == [[reason, 1, "+***"]]


def test_one_domain_in_two_alphabets_is_one_mailbox():
    people = pd.DataFrame(
        {"customer_id": list("abc"), "email": ["x@m\u00fcller.de", "X@xn--mller-kva.de", "x@mu\u0308ller.de"]}
    )
    labels = pd.Series("A", index=list("abc"))
    arms = pd.Series(["treated", "held out", "treated"], index=list("abc"))
    for suppress in (None, ["x@M\u00dcLLER.de"]):
        chosen = sg.audience(labels, people, arms=arms, suppress=suppress)
        assert len(chosen.table) == 0 and chosen.rows_in == 3


@pytest.mark.parametrize(
    ("arm", "is_out"),
    [
        *((out, True) for out in ("Held-out", "holdout_10", "Control group", "controlgroup", "untreated")),
        *((sent, False) for sent in ("treated", "controlled offer", "household mail", "shout")),
    ],
)
def test_arms_that_get_nothing_are_known_by_their_words(arm, is_out):
    chosen = sg.audience(pd.Series({"a": 0, "b": 0}), arms=pd.Series({"a": arm, "b": "mail"}))
    assert ("a" not in chosen.table["customer_id"].tolist()) == is_out


def test_examples_never_hold_what_follows_an_address():
    assert [masked(v) for v in ("dana@x.com, +1.8005550101", "d@x.com.smith", "d@x.org")] == [
        "d***@***",
        "d***@***",
        "d***@x***.org",
    ]


def test_rows_may_have_any_index():
    people = pd.DataFrame(
        {"Client ID": ["b", "a"], "surname": ["Li\u202e", "O\nX"], "e-mail": ["b@x.org", "a@x.org"]}
    )
    chosen = sg.audience(pd.Series("A", index=["a", "b"]), people.set_axis([0, 0]))
    assert chosen.table["last_name"].tolist() == ["O X", "Li"]
    assert sg.audience(pd.Series("A\n\u202eB", index=["a"]), people).table["segment"].tolist() == ["A B"]
    assert len(sg.audience(pd.Series(dtype=object), people.iloc[:0]).table) == 0


def test_consent_is_never_guessed():
    labels = pd.Series("A", index=[1, 2, 3, 4])
    dates = pd.Series(pd.to_datetime(["2024-01-01", None]), index=[1, 2])
    assert sg.audience(labels, consent=dates).table["customer_id"].tolist() == ["1"]
    purposes = pd.DataFrame(
        {
            "customer_id": [1.0, 2.0, 3.0],
            "email": ["yes", None, "denied"],
            "ad_user_data": ["no", "2024-02-01", None],
        }
    )
    chosen = sg.audience(labels, consent=purposes)
    assert chosen.table["customer_id"].tolist() == ["1", "2"] and refused(chosen) == {"no consent": 2}
    assert chosen.consent.to_numpy().tolist() == [[True, False], [False, True]]
    ahead = (pd.Timestamp.now() + pd.Timedelta(days=9)).strftime("%Y-%m-%d")
    for wrong, words in (
        (purposes.assign(email="dana@example.com"), r"holds 'd\*\*\*@e\*\*\*.com'"),
        (purposes.assign(email="2024-13-45"), r"holds '2\*\*\*'"),
        (purposes.assign(email=ahead), "yet to come"),
        (purposes.assign(email=pd.Timestamp(ahead)), "yet to come"),
        (purposes.assign(email="perhaps"), "holds 'perhaps'"),
        (purposes.assign(customer_id=1), "two rows"),
        (purposes[["customer_id"]], "no column besides"),
        (purposes.drop(columns="customer_id"), "no column 'customer_id'"),
        ({"1": True}, "consent is a dict"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            sg.audience(labels, consent=wrong)


def test_contacts_are_read_as_people_write_them():
    labels = pd.Series("A", index=["a", "b", "c"])
    people = pd.DataFrame(
        {
            "E-Mail Address": ["ann@example.com", "bo@example.com", None],
            "Phone number": [18005550101.0, None, "=1+1"],
            "Surname": ["O'Hara\n", f"{RLM}Levi", '"X"\u202e'],
            "Postal Code": [94016, 1234, 5],
            "birthday": ["1990-02-30", "1990-02-03", None],
            "notes": "private",
        },
        index=pd.Index(["a", "b", "c"], name="customer_id"),
    )
    chosen = sg.audience(labels, people)
    assert list(chosen.table.columns[3:]) == ["email", "phone", "last_name", "zip", "date_of_birth"]
    values = (
        chosen.table.iloc[:, 3:]
        .astype(object)
        .where(chosen.table.iloc[:, 3:].notna(), None)
        .to_numpy()
        .tolist()
    )
    assert values == [
        ["ann@example.com", "18005550101", "O'Hara", "94016", None],
        ["bo@example.com", None, "Levi", "1234", "1990-02-03"],
    ]
    assert refused(chosen) == {"invalid phone": 1}
    assert chosen.emptied.to_numpy().tolist() == [["date of birth not like 1990-02-01", 1, "1***"]]
    assert chosen.provenance["unused_columns"] == ["notes"]
    with pytest.raises(ValueError, match="Did you mean 'email'"):
        sg.audience(labels, people.rename(columns={"E-Mail Address": "emial"}))
    with pytest.raises(ValueError, match="Did you mean 'phone'"):
        sg.audience(labels, people.rename(columns={"Phone number": "phone_nummber"}))
    with pytest.raises(ValueError, match="two columns for email"):
        sg.audience(labels, people.assign(mail="x@example.com"))


@pytest.mark.parametrize(
    ("email", "fine"),
    [
        ("dana.x+y@sub.example.co.uk", True),
        ("o'hara@example.com", True),
        ("jörg@münchen.de", True),
        ("a@xn--mnchen-3ya.de", True),
        ("a@b", False),
        ("a..b@example.com", False),
        (".a@example.com", False),
        ("=cmd@example.com", False),
        ("a b@example.com", False),
        ("a@-example.com", False),
        ("a@example.c0m", False),
        ("a@b@example.com", False),
        (f"{'a' * 65}@example.com", False),
        (f"a@{'b' * 64}.com", False),
    ],
)
def test_emails_are_valid_or_refused(email, fine):
    labels = pd.Series({"a": "A"})
    assert len(sg.audience(labels, pd.DataFrame({"customer_id": ["a"], "email": [email]})).table) == fine


def test_segmentations_give_names_hash_and_confidence():
    result = sg.segment(three_groups(), n_segments=3).with_names({0: "Regulars"})
    chosen = sg.audience(result, segments=["Regulars", 1], min_confidence=0.6)
    assert set(chosen.table["segment"]) == {"Regulars", "Segment 1"}
    assert chosen.provenance["hash"] == result.hash and chosen.rows_in == len(result.labels)
    sure = result.confidence[result.labels.isin([0, 1])] >= 0.6
    assert len(chosen.table) == sure.sum()


def test_wrong_arguments_are_named():
    labels = pd.Series({"a": 0, "b": -1})
    assert sg.audience(labels, segments=-1).table["customer_id"].tolist() == ["b"]
    for wrong, words in (
        ({"segments": "VIP"}, "There is no segment 'VIP'"),
        ({"segments": []}, "segments is empty"),
        ({"suppress": "a"}, "suppress is the text 'a'"),
        ({"suppress": "ann@x.org"}, r"suppress is the text 'a\*\*\*@x\*\*\*.org'"),
        ({"min_confidence": 0.5}, "needs a Segmentation"),
        ({"arms": pd.Series([True, False], index=["a", "b"])}, "arms holds True"),
        ({"arms": ["treated"]}, "'arms' is a list"),
        ({"contacts": {}}, "contacts is a dict"),
        ({"contacts": pd.DataFrame({"email": ["x@x.org"]})}, "no column 'customer_id'"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            sg.audience(labels, **wrong)


people = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d", "e", None]),
        st.sampled_from(["a@x.org", "A@x.org", "b@gmail.com", "b.@gmail.com", "@", "", None]),
        st.sampled_from(["+1 800 555 0101", "0101", "=1", None]),
    ),
    max_size=12,
)


@given(people, st.sets(st.sampled_from("abcde")), st.sets(st.sampled_from("abcde")), st.permutations("abcde"))
def test_rows_in_are_rows_out_and_refused(given, out, agreed, order):
    labels = pd.Series([0, 0, 1, 1, -1], index=list("abcde"))[list(order)]
    contacts = pd.DataFrame(given, columns=["customer_id", "email", "phone"])
    arms = pd.Series(np.where(labels.index.isin(out), "held out", "treated"), index=labels.index)
    consent = pd.Series(True, index=sorted(agreed), dtype=bool)
    chosen = sg.audience(labels, contacts, arms=arms, consent=consent)
    assert chosen.rows_in == len(contacts) + (~labels.index.isin(contacts["customer_id"])).sum()
    ids = set(chosen.table["customer_id"])
    assert ids <= agreed - out - {"e"} and not chosen.table["customer_id"].duplicated().any()
    boxes = contacts["email"].str.lower().str.replace("b.@", "b@")
    of_held_out = set(boxes[contacts["customer_id"].isin(out)].dropna())
    assert not of_held_out & set(chosen.table["email"].str.lower().str.replace("b.@", "b@"))
    again = sg.audience(labels.sort_index(), contacts.iloc[::-1], arms=arms, consent=consent)
    pd.testing.assert_frame_equal(chosen.table, again.table)
    assert refused(chosen) == refused(again)
