import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from data.card import CARD_NAME, CHECKPOINT_NAME, KERAS_NAME, ONNX_NAME, EmbedderCard
from data.dataset import Dataset
from data.errors import TrainingError, UsageError
from data.pairs import SAME, make_pairs
from training import require_backend

require_backend()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from training import export as export_module  # noqa: E402
from training import pace  # noqa: E402
from training.batches import batches_of  # noqa: E402
from training.export import export, onnx_bytes  # noqa: E402
from training.fit import Trained, fit  # noqa: E402
from training.history import embed  # noqa: E402
from training.networks import class_dimension, conv_tower  # noqa: E402
from training.pace import Pace, learning_rate, momentum  # noqa: E402
from training.pairs import pairs_of  # noqa: E402
from training.recipes import (  # noqa: E402
    RECIPES,
    STILL,
    Affine,
    Block,
    Limits,
    Member,
    find_recipe,
)

DEFAULT = find_recipe("default")
STRAIGHTENED = next(member for member in DEFAULT.members if member.straighten)
BLOCKS = (Block(8, 2), Block(16, 2), Block(16, 2))
SMALL = replace(
    STRAIGHTENED, network_options={**STRAIGHTENED.network_options, "blocks": BLOCKS, "early": 2}
)
AS_STORED = replace(SMALL, straighten=None, augmentation=STILL, twice=0)
QUICK = replace(DEFAULT, members=(SMALL,), drawn_digits=0, outliers=0)


@pytest.fixture
def few(train_set: Dataset) -> Dataset:
    """Digits for what needs a run, but no good one."""
    return Dataset("few", "train", train_set.images[:1000], train_set.labels[:1000])


def test_the_notebook_recipe_is_the_notebook_s() -> None:
    recipe = find_recipe("notebook")
    assert recipe.members == (Member("notebook"),)
    assert (recipe.loss, recipe.sampler) == ("contrastive", "pairs")
    assert recipe.loss_options == {"margin": 1.0}
    assert (recipe.epochs, recipe.batch_size) == (5, 32)
    assert recipe.learning_rate == keras.optimizers.Adam().learning_rate
    assert recipe.schedule == "constant"
    assert recipe.validation == 0


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'magic': expected one of best, default, fast, notebook"):
        find_recipe("magic")
    assert all(name == recipe.name for name, recipe in RECIPES.items())


def test_pair_batches_hold_what_they_say(train_set: Dataset, rng: np.random.Generator) -> None:
    recipe = replace(find_recipe("notebook"), epochs=1)
    everything = np.arange(len(train_set))
    batches, steps = pairs_of(recipe, train_set, everything, 0)
    assert steps == -(-2 * len(train_set) // 32)
    label_of = {
        image.tobytes(): label
        for image, label in zip(train_set.images, train_set.labels, strict=True)
    }
    for (left, right), targets in batches(0).take(5).as_numpy_iterator():
        assert left.shape == right.shape == (32, 28, 28)
        for a, b, target in zip(left, right, targets[:, 0], strict=True):
            labels = [label_of[np.round(x * 255).astype(np.uint8).tobytes()] for x in (a, b)]
            assert (labels[0] == labels[1]) == (target == 0)


def test_an_epoch_of_batches_sees_every_digit_at_most_once(train_set: Dataset) -> None:
    recipe = replace(
        QUICK, members=(AS_STORED,), stroke=0, blocky=0, batch_size=100,
        drawn_digits=0, outliers=0,
    )  # fmt: skip
    batches, _ = batches_of(recipe, train_set, np.arange(len(train_set)), 0)
    seen = [
        image.tobytes()
        for (images,), _ in batches(0).take(len(train_set) // 100).as_numpy_iterator()
        for image in images
    ]
    assert len(seen) == len(set(seen))


def test_what_is_drawn_is_deformed_by_its_own_share(train_set: Dataset) -> None:
    still = replace(
        QUICK, members=(AS_STORED,), stroke=0, blocky=0, batch_size=60,
        drawn_digits=4, outliers=6,
    )  # fmt: skip
    moving = replace(AS_STORED, augmentation=Affine(0.2, 0.2, 0.1, 0.1, 2))
    moved = replace(still, members=(moving,), drawn_deformation=0.0)
    everything = np.arange(len(train_set))
    (((before,), _),), (((after,), _),) = (
        batches_of(recipe, train_set, everything, 0)[0](0).take(1).as_numpy_iterator()
        for recipe in (still, moved)
    )
    apart = np.abs(after - before).max(axis=(1, 2))
    assert (apart[:60] > 0.1).all()
    assert (apart[60:] < 1e-4).all()


def test_batches_say_which_class_and_which_picture(train_set: Dataset) -> None:
    recipe = replace(
        QUICK, members=(replace(AS_STORED, twice=20),), stroke=0, blocky=0, batch_size=40,
        drawn_digits=4, outliers=6,
    )  # fmt: skip
    batches, _ = batches_of(recipe, train_set, np.arange(len(train_set)), 0)
    (((images,), (labels,)),) = batches(0).take(1).as_numpy_iterator()
    assert images.shape == (70, 28, 28)
    classes, pictures = labels.T
    stored = np.round(images[:60] * 255).astype(np.uint8)
    assert np.array_equal(stored, train_set.images[pictures[:60]])
    assert np.array_equal(classes[:60], train_set.labels[pictures[:60]])
    assert np.array_equal(pictures[40:60], pictures[:20])  # seen twice
    assert len(set(pictures[:40])) == 40
    assert (classes[60:64] < 10).all()
    assert len(set(classes[64:])) == 6  # outliers are nobody's kin
    assert (classes[64:] >= 10).all()
    assert (pictures[60:] >= len(train_set)).all()


def test_training_brings_classes_together(train_set: Dataset, test_set: Dataset) -> None:
    reports: list[tuple[int, int]] = []

    def report(done: int, total: int, note: str = "") -> None:
        reports.append((done, total))

    trained = fit(QUICK, train_set, 0, Limits(epochs=4), report)
    assert [record["epoch"] for record in trained.history] == [1, 2, 3, 4]
    assert trained.history[-1]["loss"] < trained.history[0]["loss"]
    assert trained.history[-1]["val_knn_accuracy"] > 0.85
    assert reports[-1][0] == reports[-1][1]
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)
    z = embed(trained.tower, test_set.images)[:, : class_dimension(trained.tower)]
    pairs, targets = make_pairs(test_set.labels, np.random.default_rng(0))
    apart = np.linalg.norm(z[pairs[:, 0]] - z[pairs[:, 1]], axis=1)
    judged_same = apart <= trained.same_different.threshold
    assert (judged_same == (targets == SAME)).mean() > 0.9


def test_the_same_seed_gives_the_same_embedder(few: Dataset) -> None:
    towers = [fit(QUICK, few, seed, Limits(epochs=1)).tower for seed in (5, 5, 6)]
    first, again, other = (embed(tower, few.images[:50]) for tower in towers)
    assert np.array_equal(first, again)
    assert not np.allclose(first, other, atol=1e-2)
    first_file, file_again, other_file = map(onnx_bytes, towers)
    assert first_file == file_again != other_file


def test_the_notebook_recipe_learns_on_real_pairs(train_set: Dataset) -> None:
    trained = fit(find_recipe("notebook"), train_set, 0)
    assert len(trained.history) == 5
    assert trained.history[-1]["binary_accuracy"] > 0.95
    assert trained.same_different.source == "training images"


def test_the_threshold_is_chosen_where_there_are_pairs(train_set: Dataset) -> None:
    """Of a large class and a small one, only the large has digits held out."""
    large, small = (np.flatnonzero(train_set.labels == label) for label in (0, 1))
    rows = np.append(large[:20], small[:3])
    two = replace(train_set, images=train_set.images[rows], labels=train_set.labels[rows])
    trained = fit(QUICK, two, 0, Limits(epochs=1))
    assert trained.same_different.source == "training images"
    assert trained.same_different.accuracy > 0.9


def test_a_loss_that_is_no_number_stops_training(train_set: Dataset) -> None:
    recipe = replace(QUICK, learning_rate=1e30, schedule="constant")
    with pytest.raises(TrainingError, match="finite loss"):
        fit(recipe, train_set, 0, Limits(epochs=3))


@pytest.fixture(scope="module")
def trained(train_set: Dataset) -> Trained:
    return fit(QUICK, train_set, 0, Limits(epochs=1))


def test_export_writes_three_files_that_agree(
    trained: Trained, train_set: Dataset, tmp_path: Path
) -> None:
    card = export(trained, train_set, 0, tmp_path)
    names = {CARD_NAME, KERAS_NAME, ONNX_NAME}
    assert {path.name for path in tmp_path.iterdir()} == names
    read = EmbedderCard.from_bytes((tmp_path / CARD_NAME).read_bytes(), CARD_NAME)
    assert read.onnx_sha256 == card.onnx_sha256
    assert read.dataset["sha256"] == train_set.sha256()
    assert (read.recipe["name"], read.recipe["epochs"]) == ("default", 1)  # as it was run
    assert np.allclose(read.canary_embeddings, embed(trained.tower, read.canary_images), atol=1e-4)
    tower = keras.saving.load_model(tmp_path / KERAS_NAME)
    images = train_set.images[:30]
    assert np.allclose(embed(tower, images), embed(trained.tower, images), atol=1e-5)


def test_an_export_that_disagrees_is_refused(
    trained: Trained, train_set: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_tower = conv_tower(BLOCKS, dimension=trained.tower.output_shape[-1])
    embed(other_tower, train_set.images[:1])  # Keras exports only what has been called
    another = onnx_bytes(other_tower)
    monkeypatch.setattr(export_module, "onnx_bytes", lambda _: another)
    with pytest.raises(TrainingError, match="differs from Keras"):
        export(trained, train_set, 0, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_is_the_run_that_was_not_stopped(few: Dataset, tmp_path: Path) -> None:
    whole = fit(QUICK, few, 3, Limits(epochs=2))
    stopping = Limits(epochs=2, checkpoint=tmp_path)

    def stop(done: int, total: int, note: str = "") -> None:
        if done > total * 0.8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(QUICK, few, 3, stopping, stop)
    resumed = fit(QUICK, few, 3, replace(stopping, resume=True))
    assert [record["epoch"] for record in resumed.history] == [1, 2]
    images = few.images[:50]
    assert np.allclose(embed(resumed.tower, images), embed(whole.tower, images), atol=1e-4)
    assert resumed.history[-1]["loss"] == pytest.approx(whole.history[-1]["loss"], rel=1e-3)


def test_a_run_can_be_watched_from_tensorboard(few: Dataset, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained = fit(QUICK, few, 3, Limits(epochs=2, tensorboard=tmp_path))
    events = EventAccumulator(str(tmp_path / "train")).Reload()
    losses = [float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors("epoch_loss")]
    assert losses == pytest.approx([record["loss"] for record in trained.history])


def test_only_the_same_run_is_resumed(few: Dataset, tmp_path: Path) -> None:
    limits = Limits(epochs=1, checkpoint=tmp_path)
    with pytest.raises(TrainingError, match="no checkpoint"):
        fit(QUICK, few, 3, replace(limits, resume=True))
    fit(QUICK, few, 3, limits)
    with pytest.raises(TrainingError, match="expected the same seed"):
        fit(QUICK, few, 4, replace(limits, resume=True))
    with pytest.raises(TrainingError, match="expected the same epochs"):
        fit(QUICK, few, 3, replace(limits, epochs=2, resume=True))
    (tmp_path / CHECKPOINT_NAME).write_bytes(b"PK\x03\x04 no checkpoint")
    with pytest.raises(TrainingError, match=f"{CHECKPOINT_NAME}.*damaged"):
        fit(QUICK, few, 3, replace(limits, resume=True))
    np.savez(tmp_path / CHECKPOINT_NAME, record=np.frombuffer(b"[1]", np.uint8))
    with pytest.raises(TrainingError, match=f"{CHECKPOINT_NAME}.*damaged"):
        fit(QUICK, few, 3, replace(limits, resume=True))


def test_the_last_good_epoch_is_kept_when_the_loss_is_lost(
    train_set: Dataset, tmp_path: Path
) -> None:
    recipe = replace(QUICK, learning_rate=1e30, schedule="constant")
    with pytest.raises(TrainingError, match="finite loss"):
        fit(recipe, train_set, 0, Limits(epochs=3, checkpoint=tmp_path))
    assert not (tmp_path / CHECKPOINT_NAME).exists()  # none was good


def test_a_budget_ends_the_run_before_its_epochs(train_set: Dataset) -> None:
    trained = fit(QUICK, train_set, 0, Limits(epochs=500, budget=6))
    assert 1 <= len(trained.history) < 500
    assert trained.history[-1]["val_knn_accuracy"] > 0.5


def test_a_budget_ends_the_run_with_the_rate_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: float(next(seconds)))
    monkeypatch.setattr(pace, "time", clock)
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD()
    optimizer.ema_momentum = keras.Variable(0.0, trainable=False)
    model.compile(optimizer=optimizer, loss="mse")
    rates: list[float] = []
    watching = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda *_, **__: rates.append(float(optimizer.learning_rate))
    )
    limits = Pace(DEFAULT, steps=10**6, done=0, budget=1000, began=-500.0)
    model.fit(np.zeros((10**4, 1)), np.zeros(10**4), 1, verbose=0, callbacks=[limits, watching])
    # Half of the budget is left, and each step asks twice what time it is.
    assert len(rates) == pytest.approx(250, abs=2)
    assert np.argmax(rates) == pytest.approx(len(rates) / 10, abs=2)
    assert rates[-1] == pytest.approx(DEFAULT.learning_rate / 10, rel=0.01)


def test_the_rate_rises_then_falls() -> None:
    rates = [learning_rate(DEFAULT, progress) for progress in np.linspace(0, 1, 101)]
    assert np.argmax(rates) == 10
    assert max(rates) == pytest.approx(DEFAULT.learning_rate)
    assert (np.diff(rates[:11]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[-1] == pytest.approx(DEFAULT.learning_rate / 10)
    assert learning_rate(find_recipe("notebook"), 0.7) == 1e-3


def test_weights_are_averaged_over_the_last_share_of_the_steps_so_far() -> None:
    recipe = replace(DEFAULT, averaging=0.1)
    for steps in (10, 1000):
        average = 0.0
        for step in range(steps):
            kept = momentum(recipe, step)
            average = kept * average + (1 - kept) * step
        assert steps * 0.8 < average < steps * 0.95
    assert momentum(replace(DEFAULT, averaging=0.0), 7) == 0


def test_balanced_batches_hold_every_class_alike(train_set: Dataset) -> None:
    rare = np.flatnonzero(train_set.labels == 3)[:7]
    few = np.sort(np.append(np.flatnonzero(train_set.labels != 3), rare))
    recipe = replace(QUICK, members=(AS_STORED,), sampler="balanced", batch_size=100)
    batches, _ = batches_of(recipe, train_set, few, 0)
    for _, (labels,) in batches(0).take(3).as_numpy_iterator():
        assert np.bincount(labels[:, 0]).tolist() == [10] * 10
