"""A mixture of numbers and words: planted groups come back, and nothing else sways it."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import segkit as sg
from segkit.methods.fitting import make_model
from segkit.methods.mixed_mixture import MixedMixture
from segkit.methods.mixture_preparer import MixturePreparer


@parametrize_with_checks(
    [MixturePreparer(), MixedMixture(n_init=2), MixedMixture(covariance="diagonal", n_init=2)]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def planted(purity, seed, n=2000):
    """Three groups of 50, 30 and 20 %, each with its own usual word in four columns, beside three numbers of noise."""
    rng = np.random.default_rng(seed)
    group = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    table = {}
    for j in range(4):
        usual = rng.permutation(4)[:3][group]
        other = (usual + rng.integers(1, 4, n)) % 4
        table[f"word {j}"] = np.array(list("abcd"))[np.where(rng.random(n) < purity, usual, other)]
    table |= {f"number {j}": rng.normal(size=n) for j in range(3)}
    return pd.DataFrame(table, index=[f"c{i:04}" for i in range(n)]), group


def labels(customers, method="mixed_mixture", **changed):
    model = make_model(method, 3, customers, 0)
    model[-1].set_params(**changed)
    return model.fit_predict(customers)


# --- groups that are there ---------------------------------------------------------------------------


@pytest.mark.parametrize("covariance", ["shared", "diagonal"])
def test_groups_made_of_words_are_found_beside_noise(covariance):
    customers, group = planted(0.8, 0, n=1000)
    assert adjusted_rand_score(group, labels(customers, covariance=covariance)) > 0.87
    of_words = customers.filter(like="word")
    assert adjusted_rand_score(group, labels(of_words, covariance=covariance)) > 0.87


@pytest.mark.simulation
@pytest.mark.parametrize(("purity", "least"), [(0.9, 0.98), (0.8, 0.89), (0.7, 0.74), (0.6, 0.55)])
def test_planted_groups(purity, least):
    """As well as with the true shares of words, up to a hundredth or two."""
    tables = [planted(purity, seed) for seed in range(3)]
    assert np.mean([adjusted_rand_score(group, labels(t)) for t, group in tables]) >= least


@pytest.mark.simulation
@pytest.mark.parametrize("method", ["mixed_mixture", "gaussian_mixture"])
@pytest.mark.parametrize("levels", [5, 50])
def test_a_word_of_noise_sways_nothing(method, levels):
    for seed in range(3):
        customers, _ = planted(0.9, seed)
        noise = np.random.default_rng(9).integers(0, levels, len(customers)).astype(str)
        assert (
            adjusted_rand_score(labels(customers, method), labels(customers.assign(z=noise), method)) > 0.98
        )


def test_a_gaussian_mixture_survives_words():
    """Without a least variance its components collapse onto words: 0.26 at this purity."""
    customers, group = planted(0.7, 0)
    assert adjusted_rand_score(group, labels(customers, "gaussian_mixture")) > 0.7


def test_correlated_numbers_make_no_groups():
    rng = np.random.default_rng(0)
    group = rng.choice(3, 2000, p=[0.5, 0.3, 0.2])
    one_factor = 0.9 * rng.normal(size=(2000, 1)) + 0.45 * rng.normal(size=(2000, 4))
    customers = pd.DataFrame(one_factor, columns=list("abcd"))
    customers["a"] += 2.0 * (group == 1)
    customers["b"] += 2.0 * (group == 2)
    assert adjusted_rand_score(group, labels(customers)) > 0.8
    assert adjusted_rand_score(group, labels(customers, covariance="diagonal")) < 0.3


@pytest.mark.parametrize("covariance", ["shared", "diagonal"])
def test_missing_values_are_left_out(covariance):
    customers, group = planted(0.9, 1, n=1000)
    customers["number 0"] += 4 * (group == 2)
    gone = np.random.default_rng(1).random(customers.shape) < 0.1
    assert adjusted_rand_score(group, labels(customers.mask(gone), covariance=covariance)) > 0.95


def test_a_missing_number_follows_from_a_correlated_one():
    """Means and covariance of a normal distribution come back, though the high values of `b` are seldom known."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=20_000)
    b = 0.8 * a + 0.6 * rng.normal(size=20_000)
    missing = rng.random(20_000) < np.where(a > 0, 0.8, 0.1)
    X = np.column_stack([a, np.where(missing, 0, b), np.zeros(20_000), missing])
    mixture = MixedMixture(1, layout={"numbers": 2, "words": []}, n_init=1, random_state=0).fit(X)
    assert mixture.means_[0] == pytest.approx([0, 0], abs=0.03)
    assert mixture.covariance_[0, 1] == pytest.approx(0.8, abs=0.03)
    assert mixture.covariance_[1, 1] == pytest.approx(1.0, abs=0.05)


# --- what changes nothing ----------------------------------------------------------------------------

CUSTOMERS, GROUP = planted(0.8, 2, n=600)
UNCHANGED = {
    "a constant": CUSTOMERS.assign(z=1.0),
    "a column of nothing": CUSTOMERS.assign(z=np.nan),
    "a word copied five times": CUSTOMERS.assign(**{f"z{i}": CUSTOMERS["word 0"] for i in range(5)}),
    "a number copied five times": CUSTOMERS.assign(**{f"z{i}": 3 * CUSTOMERS["number 0"] for i in range(5)}),
    "columns in another order": CUSTOMERS[CUSTOMERS.columns[::-1]],
    "another unit": CUSTOMERS.assign(**{"number 1": 1e200 * CUSTOMERS["number 1"]}),
}


@pytest.mark.parametrize("what", UNCHANGED)
def test_nothing_changes_with(what):
    assert adjusted_rand_score(labels(CUSTOMERS), labels(UNCHANGED[what])) == 1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ties_and_noise_do_not_sway_it(seed):
    rng = np.random.default_rng(seed)
    of_noise = {
        "zeros": rng.poisson(0.5, 600),
        "yes": rng.random(600) < 0.05,
        "long": rng.lognormal(0, 2, 600),
    }
    without = adjusted_rand_score(GROUP, labels(CUSTOMERS))
    assert adjusted_rand_score(GROUP, labels(CUSTOMERS.assign(**of_noise))) > without - 0.03


def test_two_words_are_the_same_however_they_are_written():
    yes = CUSTOMERS["word 0"] == "a"
    spelt = [
        CUSTOMERS.assign(z=yes.map(dict(zip((False, True), w, strict=True))))
        for w in [(0, 1), ("no", "yes"), (1.0, 2.0)]
    ]
    answers = {tuple(labels(table)) for table in [CUSTOMERS.assign(z=yes), *spelt]}
    assert len(answers) == 1


# --- segkit's machinery ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result():
    return sg.segment(with_gaps(), n_segments=3, method="mixed_mixture")


def with_gaps():
    gone = np.random.default_rng(3).random(CUSTOMERS.shape) < 0.05
    counts = np.random.default_rng(4).poisson(1.0, len(CUSTOMERS))
    return CUSTOMERS.mask(gone).assign(count=counts)


def test_segments_without_customers_are_told():
    index = [f"{i:03}" for i in range(300)]
    same = pd.DataFrame(np.random.default_rng(1).normal(size=(300, 3)), index, list("abc"))
    with pytest.warns(UserWarning, match=r"Of 8 segments only 7 hold customers.*Choose fewer"):
        sg.segment(same, n_segments=8, method="mixed_mixture")


def test_order_of_rows_does_not_matter(result):
    shuffled = with_gaps().sample(frac=1, random_state=1)
    again = sg.segment(shuffled, n_segments=3, method="mixed_mixture")
    assert_series_equal(again.labels.loc[result.labels.index], result.labels)


def test_one_customer_is_placed_as_in_a_batch(result):
    newcomers = with_gaps().sample(60, random_state=2).set_axis(range(60))
    together = result.place(newcomers)
    assert_frame_equal(pd.concat([result.place(newcomers.iloc[[i]]) for i in range(60)]), together)
    assert_series_equal(result.assign(result.customers), result.labels)


def test_saved_and_loaded(result, tmp_path):
    again = sg.Segmentation.load(result.save(tmp_path / "saved"))
    assert_series_equal(again.assign(with_gaps()), result.labels)
    assert_frame_equal(again.prepared, result.prepared)


def test_profile_shows_features_and_not_bins(result):
    features = set(sg.profile(result)["feature"])
    assert {"count", "number 0", "word 0 = a", "word 0 = (missing)", "number 0 missing"} <= features
    assert not [f for f in features if " of " in f]


def test_each_feature_can_be_left_out(result):
    without = sg.stability(result, resamples=2, progress=False).segments["without_feature"]
    assert without.between(0.2, 1.0).all()


# --- preparing ---------------------------------------------------------------------------------------


def test_which_numbers_become_words():
    n = 200
    customers = pd.DataFrame(
        {
            "many": np.random.default_rng(0).normal(size=n),
            "two": [7.0, 3.0] * (n // 2),
            "ratings": [1.0, 2, 3, 4, 5] * (n // 5),
            "counts": [*[0.0] * 40, *range(1, 161)],
            "level": pd.Categorical(list("lmh" * 66 + "lm"), list("lmh"), ordered=True),
        }
    )
    preparer = MixturePreparer().fit(customers)
    assert preparer.layout_ == {"numbers": 1, "words": [5, 3, 5, 2]}  # counts, level, ratings, two
    matrix = pd.DataFrame(preparer.transform(customers), columns=preparer.get_feature_names_out())
    assert matrix["many missing"].sum() == 0
    assert matrix[[f"counts: {i} of 5" for i in range(1, 6)]].sum().to_list() == [40, 40, 40, 40, 40]
    assert matrix.filter(like="counts").idxmax(axis=1).iloc[[0, 40, 79, 80, 199]].to_list() == [
        f"counts: {i} of 5" for i in (1, 2, 2, 3, 5)
    ]
    unseen = customers.iloc[:1].assign(many=np.nan, ratings=np.nan, counts=1e9, level=pd.Series(["x"]))
    row = dict(zip(matrix.columns, preparer.transform(unseen)[0], strict=True))
    assert (row["many"], row["many missing"], row["counts: 5 of 5"]) == (0, 1, 1)
    assert not any(value for name, value in row.items() if name.startswith(("ratings", "level")))


# --- figures -----------------------------------------------------------------------------------------


def test_likelihood_by_hand():
    """Two classes of equal weight: one number about −1 or 1, a word that is nearly always a or b."""
    mixture = MixedMixture(2, layout={"numbers": 1, "words": [2]})
    mixture.n_features_in_ = 4
    mixture.weights_, mixture.means_ = np.array([0.5, 0.5]), np.array([[-1.0], [1.0]])
    mixture.covariance_, mixture.shares_ = np.array([[1.0]]), np.array([[0.9, 0.1], [0.1, 0.9]])
    rows = np.array([[1.0, 0, 1, 0], [0, 1, 1, 0], [1.0, 0, 0, 0], [0, 1, 0, 0]])
    normal = np.exp([-2.0, 0.0]) / np.sqrt(2 * np.pi)
    both, word = 0.5 * normal * [0.9, 0.1], 0.5 * np.array([0.9, 0.1])
    expected = np.array([both, word, 0.5 * normal, [0.5, 0.5]])
    assert mixture.score_samples(rows) == pytest.approx(np.log(expected.sum(axis=1)))
    assert mixture.predict_proba(rows) == pytest.approx(expected / expected.sum(axis=1, keepdims=True))
    assert mixture.predict(rows[:3]).tolist() == [0, 0, 1]
    assert mixture.bic(rows) == pytest.approx(-2 * np.log(expected.sum(axis=1)).sum() + 6 * np.log(4))


def test_bic_prefers_the_true_number_of_classes():
    preparer = MixturePreparer().fit(CUSTOMERS)
    X = preparer.transform(CUSTOMERS)
    bic = [MixedMixture(k, layout=preparer.layout_, random_state=0).fit(X).bic(X) for k in (1, 2, 3, 4)]
    assert int(np.argmin(bic)) == 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"covariance": "full"}, "neither 'shared' nor 'diagonal'"),
        ({"n_components": 9}, "n_components=9 is more than n_samples=4"),
        ({"n_init": 0}, "n_init and max_iter should be 1 or more"),
        ({"layout": {"numbers": 1, "words": []}}, "layout names 2 columns, and there are 3"),
    ],
)
def test_impossible_parameters(changed, message):
    with pytest.raises(ValueError, match=message):
        MixedMixture(2).set_params(**changed).fit(np.eye(4)[:, :3])
