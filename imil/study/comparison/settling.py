"""Arms with a setting still to be chosen: trained in every way, and settled on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from imil.core.arms.registry import RIGHT_REASON_WEIGHT, unweighted, with_weights
from imil.core.arms.variants import CONTROL, Variant
from imil.core.evaluation.recommendation import best_setting
from imil.core.evaluation.rounds import Trained, Validation, advise


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """Which trained variant stands for each arm that was asked for, and sentences about it.

    `validation` holds the arms that were asked for, under the names they were asked by.
    """

    validation: Validation
    variants: Mapping[Variant, Variant]
    notices: tuple[str, ...]

    def only(self, trained: Mapping[Variant, Trained]) -> dict[Variant, Trained]:
        """Return the arms that were asked for, under the names they were asked by."""
        return _only(trained, self.variants)


def settle(asked: Sequence[Variant], validation: Validation) -> Settled:
    """Choose the weight of each penalty by the rule of the recommendation.

    Args:
        asked: arms; `with_weights` of them are trained.
        validation: all that were trained, control among them.
    """
    variants, notices = {}, []
    for name in asked:
        variants[name] = name
        if unweighted(name):
            rivals = with_weights([name])
            chosen, how = _weight(name, rivals, validation)
            variants[name] = chosen
            weights = ", ".join(f"{each.weight:g}" for each in rivals)
            notices.append(f"{name}: weight {chosen.weight:g} of {weights}, {how}.")
    only = replace(validation, trained=_only(validation.trained, variants))
    return Settled(only, variants, tuple(notices))


def _only(
    trained: Mapping[Variant, Trained], variants: Mapping[Variant, Variant]
) -> dict[Variant, Trained]:
    return {asked: trained[variant] for asked, variant in variants.items()}


def _weight(
    name: Variant, rivals: Sequence[Variant], validation: Validation
) -> tuple[Variant, str]:
    compared = {each: validation.trained[each] for each in (CONTROL, *rivals)}
    advice = advise(replace(validation, trained=compared))
    if advice is None:
        usual = name.evolve(weight=RIGHT_REASON_WEIGHT)
        return usual, "as usual, since nothing was predicted to choose it by"
    return best_setting(advice.candidates), "chosen on validation"
