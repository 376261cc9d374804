"""What is said of a comparison: the verdict, how many numbers have it, the worst, what it sees."""

from __future__ import annotations

from typing import Final

from lnfold.checking.comparison import Comparison, Place
from lnfold.checking.verdict import Mark, Verdict
from lnfold.text.number_format import figure, printable

_SIGNS: Final = {
    Verdict.AGREES: ("✓", "good"),
    Verdict.DIFFERS: ("✗", "bad"),
    Verdict.CANNOT_TELL: ("?", "doubtful"),
}


def sign(one: Comparison) -> str:
    """The verdict as a mark; no tick where it is one on what is assumed."""
    if one.passed and one.assumed:
        return "of the network as assumed"
    return _SIGNS[one.verdict][0]


def stated(one: Comparison) -> str:
    """The same with the verdict in words."""
    assumed = one.passed and one.assumed
    return sign(one) if assumed else f"{sign(one)} {phrase(one)}"


def style(one: Comparison) -> str:
    """How the mark is to look: good, bad or doubtful."""
    return "doubtful" if one.assumed and one.passed else _SIGNS[one.verdict][1]


def phrase(one: Comparison) -> str:
    """The verdict in a few words; never a plain "agrees" where operations were left out."""
    if one.verdict is Verdict.DIFFERS:
        return "DIFFERS"
    around = " around what is not run" if one.around else ""
    verdict: str = one.verdict.value
    return verdict + around if one.passed else verdict


def counted(one: Comparison) -> str:
    """How many numbers have the verdict: "all 1,024 numbers agree"."""
    if not one.count:
        return "nothing was compared"
    many = one.differing or one.untold or one.count
    of = "all" if many == one.count else f"{many:,} of"
    what = "differ" if one.differing else "cannot be told" if one.untold else "agree"
    numbers = f"{one.count:,} numbers" if one.count > 1 else "1 number"
    if one.count == 1:
        return f"the number {'agrees' if what == 'agree' else what.replace('differ', 'differs')}"
    return f"{of} {numbers} {what}"


def placed(one: Comparison) -> str:
    """What there is to say of the worst number; empty where nothing was compared."""
    place = one.worst
    if place is None:
        return ""
    if place.mark is Mark.AGREES:
        return f"at most {figure(place.multiple)} of what rounding does"
    return f"{printable(place.output)}, row {place.row}, unit {place.unit}: {_said(place)}"


def _said(place: Place) -> str:
    error = abs(place.left - place.right)
    both = f"{_number(place.left)} and {_number(place.right)}"
    if place.mark is Mark.WIDE:
        return f"{place.mark.sentence}, by {figure(place.allowed)}"
    if place.mark is Mark.UNDEFINED:
        nothing = place.left != place.left and place.right != place.right
        return "no number on either side" if nothing else f"{both}, {place.mark.sentence}"
    if place.mark is Mark.BETWEEN:
        return (
            f"{both}, off by {figure(error)}; rounding does {figure(place.allowed)}, at most "
            f"{figure(place.proved)}"
        )
    return f"{both}, off by {figure(error)}; no rounding explains more than {figure(place.proved)}"


def _number(value: float) -> str:
    return "no number" if value != value else f"{value:.9g}"


def seen(one: Comparison) -> str:
    """What the check would have noticed; empty where it found a difference or planted nothing."""
    noticed = one.noticed
    if noticed is None:
        return ""
    if noticed.change is None:
        seen = "been seen for certain" if noticed.doubted else "been seen"
        return f"no change of a kernel would have {seen}"
    unseen = [printable(name) for name in noticed.unseen]
    but = f", but none of {' and '.join(unseen)}" if unseen else ""
    return f"a kernel off by {figure(noticed.change, 1)} would have been seen{but}"


def told(one: Comparison) -> str:
    """What the verdict rests on: the worst number, why nobody can tell, what would be seen."""
    return "; ".join(filter(None, (placed(one), because(one), seen(one))))


def because(one: Comparison) -> str:
    """Why nobody can tell although every number agrees; empty where numbers say it themselves."""
    if one.verdict is not Verdict.CANNOT_TELL or one.untold:
        return ""
    return printable(one.reason)
