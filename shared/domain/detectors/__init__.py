"""Registry of detectors: every module or package in this folder that defines `DETECTOR`."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from shared.domain.detectors.contract import Detector, Fitted, ParameterValues, Progress, Scores
from shared.domain.detectors.parameters import complete
from shared.domain.series import Series
from shared.errors import Code, InputError


@cache
def registry() -> Mapping[str, Detector[Any]]:
    """Return all detectors by name."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    detectors = [module.DETECTOR for module in modules if hasattr(module, "DETECTOR")]
    return {detector.name: detector for detector in sorted(detectors, key=lambda detector: str(detector.name))}


def named(name: str) -> Detector[Any]:
    """Return the detector with this name; raise an `InputError` that lists the known names if there is none."""
    try:
        return registry()[name]
    except KeyError:
        raise InputError(
            Code.UNKNOWN_DETECTOR, f"Unknown detector. Available detectors: {', '.join(registry())}."
        ) from None


def learn(detector: Detector[Any], series: Series, parameters: ParameterValues, progress: Progress) -> Fitted:
    """Fit the detector to the points outside the windows of the parameter `exclude`.

    Missing parameters get their defaults: an earlier release may have accepted the job without them.
    """
    completed = complete(detector.parameters, parameters)
    return Fitted(detector, detector.fit(series.without(completed["exclude"]), completed, progress))


def learn_and_judge(
    detector: Detector[Any], series: Series, parameters: ParameterValues, progress: Progress
) -> tuple[Fitted, Series, Scores | None]:
    """Fit like `learn`; also return the points that it learned from, and their held-out scores.

    The scores are None for a detector without `train`.
    """
    completed = complete(detector.parameters, parameters)
    learned_from = series.without(completed["exclude"])
    if detector.train is None:
        return Fitted(detector, detector.fit(learned_from, completed, progress)), learned_from, None
    state, scores = detector.train(learned_from, completed, progress)
    return Fitted(detector, state), learned_from, scores
