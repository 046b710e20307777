"""Perceptual hashes tell pictures apart as people do, and what is listed of them is unreadable."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ledger import suppression
from ledger.keys import create_keys
from ledger.suppression import Likeness
from systems.data.alike.erased import told_apart
from systems.data.alike.hashing import hashes, mirrored
from systems.data.alike.nearness import alike, distances, nearest
from tasks.data.alike import NOBODY, listed, notes
from unlearning.digests import sha256_hex
from unlearning.errors import IntegrityError


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def photo(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(256, size=(8, 8), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC))


def test_a_picture_that_is_mirrored_has_the_hash_of_its_mirror() -> None:
    images = [photo(seed) for seed in range(4)]
    turned = [png(image[:, ::-1]) for image in images]
    assert (mirrored([png(image) for image in images]) == hashes(turned)[0]).all()


def test_turned_by_exif_it_is_the_same_picture() -> None:
    image, file = Image.fromarray(photo(1)), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 270 degrees
    image.transpose(Image.Transpose.ROTATE_90).save(file, "JPEG", quality=95, exif=exif)
    found = hashes([png(photo(1)), file.getvalue()])[0]
    assert distances(found[:1], found[1:])[0, 0] <= 4


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_plain_picture_has_no_hash(level: int) -> None:
    noise = np.random.default_rng(0).integers(-7, 8, size=(32, 32))
    plain = np.clip(level + noise, 0, 255)
    assert not hashes([png(plain)])[1].any()


def test_the_distance_is_the_number_of_bits_that_differ() -> None:
    one = np.array([[0b1011, 2**63]], np.uint64)
    other = np.array([[0b0001, 0], [0b1011, 2**63]], np.uint64)
    assert distances(one, other).tolist() == [[3, 0]]
    assert [nearest(one, other, place).tolist() for place in range(3)] == [[0], [3], [3]]
    assert nearest(one, other[:0], 0).tolist() == [128]  # nobody is there to be taken for him


def test_alike_is_what_is_nearer_than_each_allows_and_than_is_asked_for() -> None:
    far = np.full(2, 2**64 - 1, np.uint64).tobytes()
    listed = [Likeness(bytes(16), far, within) for within in (0, 3, 9)]
    seen = np.array([[0, 0], [0b11, 1], [0b11111, 1], [2**64 - 1, 2**64 - 2]], np.uint64)
    assert alike(seen, listed, 5) == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (3, 1), (3, 2)]
    assert alike(seen, [], 5) == []


def test_many_pairs_are_compared_as_each_alone() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(0, 2**64, size=(400, 2), dtype=np.uint64) & rng.integers(
        0, 2**64, size=(400, 2), dtype=np.uint64
    )  # a quarter of the bits are set, so that some are near
    listed = [Likeness(w.tobytes(), w[::-1].tobytes(), 120) for w in words[:150]]
    bits = np.minimum(distances(words, words[:150]), distances(words, words[:150, ::-1].copy()))
    assert alike(words, listed, 36) == list(zip(*map(list, np.nonzero(bits <= 36)), strict=True))


def test_how_near_is_near_follows_from_how_far_others_are() -> None:
    """Copies of it under other names, of which there may be some, do not make it unknown."""
    image, strangers = png(photo(1)), hashes([png(photo(seed)) for seed in range(2, 12)])[0]
    copies = hashes([image] * 2)[0]
    (alone,) = told_apart([image], strangers)
    (among,) = told_apart([image], np.concatenate([copies, strangers]))
    assert 12 <= among.within <= alone.within < 32
    (common,) = told_apart([image], hashes([image] * 5)[0])
    assert common.within == 0  # the same is the same still


def test_it_is_the_same_whatever_is_listed_with_it() -> None:
    others = hashes([png(photo(seed)) for seed in range(5, 20)])[0]
    images = [png(photo(seed)) for seed in range(3)]
    assert told_apart(images, others)[1:2] == told_apart(images[1:2], others)


def test_100_000_are_compared_with_10_000_in_seconds() -> None:
    """A tenth of that, so that the test is cheap."""
    rng = np.random.default_rng(0)
    listed = [Likeness(rng.bytes(16), rng.bytes(16), 60) for _ in range(1_000)]
    seen = rng.integers(0, 2**64, size=(100_000, 2), dtype=np.uint64)
    began = time.process_time()
    assert alike(seen, listed, 18) == []
    assert time.process_time() - began < 5


class TestListed:
    @pytest.fixture
    def places(self, tmp_path: Path) -> tuple[Path, Path]:
        create_keys(tmp_path / "keys", tmp_path / "records")
        return tmp_path / "records", tmp_path / "keys"

    ONE = Likeness(bytes(range(16)), bytes(range(16, 32)), 12)

    def test_a_likeness_comes_back_with_its_run(self, places: tuple[Path, Path]) -> None:
        values = suppression.example_values("img-1", "aa" * 32)
        assert suppression.add(*places, values, run="run-1", pictures=[self.ONE]) == 3
        assert suppression.add(*places, values, run="run-2", pictures=[self.ONE]) == 0
        known = suppression.load(*places)
        assert known.likenesses() == {self.ONE: "run-1"} and known.pictures() == (1, 1)

    def test_pictures_without_a_likeness_are_counted_on_both_sides(
        self, places: tuple[Path, Path]
    ) -> None:
        """What cannot be compared is not silently taken for somebody else's."""
        erased = [suppression.example_values(f"img-{n}", f"{n:064x}") for n in (1, 2)]
        suppression.add(*places, [*erased[0], *erased[1]], run="run-1", pictures=[self.ONE])
        known = suppression.load(*places)
        offered = [png(photo(3)), png(np.full((32, 32), 128))]
        rows = [
            {"example": f"new-{n}", "subject": f"new-{n}", "image": sha256_hex(image)}
            for n, image in enumerate(offered)
        ]
        found = listed(known, rows, offered, 18)
        assert (found.plain, found.alike, known.pictures()) == (1, frozenset(), (2, 1))
        assert [note.split(" (")[0].split(":")[0] for note in notes(known, found, NOBODY)] == [
            "of 1 of the pictures it was not asked whether they look like erased ones",
            "the suppression list has a likeness of 1 of 2 erased pictures",
        ]

    def test_without_the_key_nothing_of_it_can_be_read(self, places: tuple[Path, Path]) -> None:
        """Neither the hash nor how near two are: one bit more is another line altogether."""
        near = Likeness(bytes([1, *range(1, 16)]), self.ONE.mirrored, 12)
        suppression.add(*places, [], run="run-1", pictures=[self.ONE, near])
        content = (places[0] / suppression.FILE).read_bytes()
        lines = [json.loads(line) for line in content.splitlines()]
        texts = [bytes.fromhex(line["sealed"]) for line in lines if line["kind"] == "picture"]
        for part in (self.ONE.upright, self.ONE.mirrored):
            assert part not in content and part.hex().encode() not in content
            assert not any(part[start : start + 4] in t for t in texts for start in range(12))
        bits = np.unpackbits(np.frombuffer(texts[0], np.uint8) ^ np.frombuffer(texts[1], np.uint8))
        assert len(texts) == 2 and 0.3 < bits.mean() < 0.7

    def test_an_altered_one_is_an_alarm(self, places: tuple[Path, Path]) -> None:
        suppression.add(*places, [], run="run-1", pictures=[self.ONE])
        path = places[0] / suppression.FILE
        (line,) = (one for one in path.read_text().splitlines() if "sealed" in one)
        sealed = json.loads(line)["sealed"]
        other = f"{int(sealed[0], 16) ^ 1:x}{sealed[1:]}"
        path.write_text(path.read_text().replace(sealed, other))
        with pytest.raises(IntegrityError, match="a likeness does not open"):
            suppression.load(*places).likenesses()
        path.write_text(path.read_text().replace(other, other[:-2]))
        with pytest.raises(IntegrityError, match="is no entry"):
            suppression.load(*places)
