"""Registry of detectors: every module or package in this folder that defines `DETECTOR`, or `RETIRED`."""

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
    """Return the detectors that new fits can use, by name."""
    return _defined("DETECTOR")


@cache
def _retired() -> Mapping[str, Detector[Any]]:
    """Return the detectors that only versions and jobs of earlier releases use, by name."""
    return _defined("RETIRED")


def _defined(name: str) -> Mapping[str, Detector[Any]]:
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    detectors = [getattr(module, name) for module in modules if hasattr(module, name)]
    return {detector.name: detector for detector in sorted(detectors, key=lambda detector: str(detector.name))}


def named(name: str) -> Detector[Any]:
    """Return the detector with this name, of a version or an accepted job; it may be a retired one."""
    return _retired().get(name) or offered(name)


def offered(name: str) -> Detector[Any]:
    """Return the detector with this name for a new fit; raise an `InputError` for a retired or unknown name."""
    if name in _retired():
        raise InputError(
            Code.UNKNOWN_DETECTOR,
            f"The detector {name} is retired: its versions still judge points, but it cannot be fitted. Use auto.",
        )
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
