"""Knobs are kept by the whole name of their class, and array items are described like any field."""

from dataclasses import dataclass

from simulators.engine.resources import Field, Kind, Trouble, check
from simulators.engine.world import World
from simulators.pagerduty.model import Knobs as PagerDutyKnobs
from simulators.thousandeyes.model import Knobs as ThousandEyesKnobs


@dataclass(frozen=True, slots=True)
class Loudness:
    level: int = 3


def test_knobs_of_two_vendors_do_not_get_in_each_others_way() -> None:
    """Both vendors call their class Knobs; setting one leaves the other at its defaults."""
    world = World(seed=1, start=0, components=[])
    world.set_knobs(ThousandEyesKnobs(rate_limit=7))
    assert world.view.knobs(ThousandEyesKnobs).rate_limit == 7
    assert world.view.knobs(PagerDutyKnobs) == PagerDutyKnobs()


def test_knobs_given_to_a_new_world_are_its_knobs() -> None:
    """What was not given has its defaults."""
    assert World(seed=1, start=0, components=[], knobs=[Loudness(11)]).view.knobs(Loudness).level == 11
    assert World(seed=1, start=0, components=[]).view.knobs(Loudness).level == 3


def test_items_of_an_array_are_checked_one_by_one() -> None:
    """The path of a problem names the place in the array."""
    names = Field("names", Kind.ARRAY, items=Field("", choices=("a", "b")))
    problems = check([names], {"names": ["a", 2, "c"]})
    assert [(problem.path, problem.trouble) for problem in problems] == [
        ("names[1]", Trouble.TYPE),
        ("names[2]", Trouble.NOT_ALLOWED),
    ]
