"""Read a line of strokes as the string whose digits look most like digits.

No rule on shape alone tells a wide 0 from a 1 and a 0 that touch, or two halves of a broken 4 from
an 11. So strokes are taken apart into atoms, more than there can be digits: components where they
stand alone, pieces of those wide enough to be several digits. Every grouping of neighbouring atoms
has a price, how strange its digits look, and dynamic programming finds the cheapest: segmentation
by recognition (LeCun et al., Proc. IEEE 86(11), 1998, section V).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from data.document.segment import Glyph, in_lines, merged, split_up
from data.document.touching import cut_apart

GlyphStrangeness = Callable[[list[Glyph]], list[float]]
Span = tuple[int, int]

# A glyph wider than this many times its height may be several digits; ...
_WIDE = 1.15
# ... where other digits stand beside it, from this width on.
_WIDE_AMONG_OTHERS = 0.55
# Wider than this many times its height it is a line or a scribble.
_LONGEST = 12
# Atoms are only joined to something at most this wide, ...
_WIDEST = 1.5
# ... across gaps of at most so many heights of the line, ...
_GAP = 0.3
# ... or so many to a fragment.
_FRAGMENT_GAP = 0.5
# Strokes shorter than this, in heights of the line, are no digit by themselves; a component of that
# size may be left out.
_BODY = 0.45
# How wide a digit usually is, in heights of the line. What is twice as wide is strange for two.
_USUAL = 0.65
# A digit is made of at most so many atoms, unless they are one component.
_MOST_ATOMS = 6
# With more candidates than this, a second's worth, only shape decides.
_MOST_CANDIDATES = 600
# Prices, in units of strangeness: of each digit, beside how strange it is; ...
_DIGIT = 0.06
# ... of joining what is apart, ...
_JOIN = 0.1
# ... and for each height of the gap; ...
_GAP_PRICE = 0.6
# ... of a cut, ...
_CUT = 0.04
# ... and for each stroke width of ink it crosses; ...
_CROSSED = 0.04
# ... of leaving an atom out, for each height of its length.
_OMIT = 1.5


class _Atom(NamedTuple):
    """Strokes that are never parted.

    Attributes:
        glyph: the strokes.
        is_cut: whether it was cut from the atom before it.
        part: the price of parting it from the atom before it.
        join: the price of joining it to the atom before it; infinite if that is out of question.
        omit: the price of leaving it out; infinite if that is out of question.
    """

    glyph: Glyph
    is_cut: bool
    part: float
    join: float
    omit: float


class _Run(NamedTuple):
    """A stretch of atoms that might be joined.

    Attributes:
        group: number of the group that they are of.
        atoms: from left to right.
        spans: what may be one digit.
        height: of the line.
    """

    group: int
    atoms: list[_Atom]
    spans: dict[Span, Glyph]
    height: int


def reread(groups: list[list[Glyph]], strangeness: GlyphStrangeness) -> list[list[Glyph]]:
    """Part and join glyphs so that they look like digits.

    Args:
        groups: strokes grouped by shape alone; those of two groups are never joined.
        strangeness: how unlike any known digit each of some glyphs looks, at least 0; not asked
            where there is nothing to choose.

    Returns:
        The digits of each group, in reading order.
    """
    runs: list[_Run] = []
    for number, line in [(n, line) for n, glyphs in enumerate(groups) for line in in_lines(glyphs)]:
        height = max(glyph.box.height for glyph in line)
        found = _runs(_atoms(line, height))
        if max(map(len, found)) > _MOST_CANDIDATES // _MOST_ATOMS:
            return groups
        runs += [_Run(number, atoms, _spans(atoms, height), height) for atoms in found]
    choices = [run for run in runs if len(run.atoms) > 1]
    candidates = [glyph for run in choices for glyph in run.spans.values()]
    if not 0 < len(candidates) <= _MOST_CANDIDATES:
        return groups
    scores = strangeness(candidates)
    # How strange ordinary digits are depends on the judge; the least strange is as good as one.
    stranger = iter([score - min(scores) for score in scores])
    digits: list[list[Glyph]] = [[] for _ in groups]
    for run in runs:
        if len(run.atoms) == 1:
            digits[run.group] += run.spans.values()
        else:
            digits[run.group] += _cheapest(run, {span: next(stranger) for span in run.spans})
    return digits


def _atoms(line: list[Glyph], height: int) -> list[_Atom]:
    """The atoms of a line: components by their centres from left to right, each with its pieces."""
    widths = (_WIDE if len(line) == 1 else _WIDE_AMONG_OTHERS, _LONGEST)
    atoms: list[_Atom] = []
    components = [component for glyph in line for component in split_up(glyph)]
    for glyph in sorted(components, key=_centre):
        join = _price_of_joining(atoms[-1].glyph, glyph, height) if atoms else np.inf
        is_wide = widths[0] < glyph.box.width / glyph.box.height <= widths[1]
        if not is_wide or not _is_body(glyph, height):
            atoms.append(_Atom(glyph, False, 0.0, join, _price_of_omitting(glyph, height)))
            continue
        pieces, crossed = cut_apart(glyph)
        atoms.append(_Atom(pieces[0], False, 0.0, join, np.inf))
        for piece, ink in zip(pieces[1:], crossed, strict=True):
            atoms.append(_Atom(piece, True, _CUT + _CROSSED * ink, 0.0, np.inf))
    return atoms


def _centre(glyph: Glyph) -> float:
    return glyph.box.x + glyph.box.width / 2


def _price_of_joining(left: Glyph, right: Glyph, height: int) -> float:
    gap = left.box.gap(right.box) / height
    both = _is_body(left, height) and _is_body(right, height)
    return _JOIN + _GAP_PRICE * gap if gap <= (_GAP if both else _FRAGMENT_GAP) else np.inf


def _price_of_omitting(glyph: Glyph, height: int) -> float:
    longest = max(glyph.box.width, glyph.box.height)
    return np.inf if _is_body(glyph, height) else _OMIT * longest / height


def _runs(atoms: list[_Atom]) -> list[list[_Atom]]:
    """Stretches of atoms that might be joined; between them nothing can be."""
    runs: list[list[_Atom]] = []
    for atom in atoms:
        if np.isinf(atom.join):
            runs.append([atom])
        else:
            runs[-1].append(atom)
    return runs


def _spans(run: list[_Atom], height: int) -> dict[Span, Glyph]:
    """What may be one digit: (first atom, atom after the last) and the strokes of those between."""
    spans: dict[Span, Glyph] = {}
    for start in range(len(run)):
        box = run[start].glyph.box
        for stop, atom in enumerate(run[start:], start=start + 1):
            box = box.union(atom.glyph.box)
            is_too_much = box.width > _WIDEST * height or stop - start > _MOST_ATOMS
            if is_too_much and not _is_component(run, start, stop):
                if not atom.is_cut:
                    break
                continue
            glyph = merged([joined.glyph for joined in run[start:stop]])
            if _is_body(glyph, height):
                spans[start, stop] = glyph
    return spans


def _is_component(run: list[_Atom], start: int, stop: int) -> bool:
    """Whether some atoms are all that was cut from one component, which may be of any width."""
    is_cut = [atom.is_cut for atom in run[start : stop + 1]] + [False]
    return not is_cut[0] and all(is_cut[1 : stop - start]) and not is_cut[stop - start]


def _cheapest(run: _Run, strange: dict[Span, float]) -> list[Glyph]:
    """The digits of a run, by how strange each span is: of all ways to read it the cheapest."""
    # best[i]: the price of the first i atoms as digits, and these digits
    best: list[tuple[float, list[Glyph]]] = [(0.0, [])]
    for stop, atom in enumerate(run.atoms, start=1):
        options = [(best[-1][0] + atom.omit, best[-1][1])]
        for start, digit in ((b, glyph) for (b, e), glyph in run.spans.items() if e == stop):
            joins = sum(joined.join for joined in run.atoms[start + 1 : stop])
            digits_wide = max(1.0, digit.box.width / (_USUAL * run.height))
            price = _DIGIT + strange[start, stop] * digits_wide + run.atoms[start].part + joins
            options.append((best[start][0] + price, [*best[start][1], digit]))
        best.append(min(options, key=lambda option: option[0]))
    return best[-1][1]


def _is_body(glyph: Glyph, height: int) -> bool:
    """Whether a glyph is large enough for a digit."""
    return max(glyph.box.height, glyph.box.width / 2) >= _BODY * height
