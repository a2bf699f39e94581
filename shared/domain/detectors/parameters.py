"""Parameters of detectors: one description gives the check, the defaults and the JSON schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import Code, Flaw, InputError


@dataclass(frozen=True, slots=True)
class Number:
    """A number above `above` and at most `most`."""

    name: str
    default: float
    purpose: str
    above: float
    most: float

    def check(self, given: object) -> float:
        """Return `given` as a float; raise `ValueError` with what is allowed."""
        if isinstance(given, bool) or not isinstance(given, int | float) or not self.above < given <= self.most:
            raise ValueError(f"must be a number greater than {self.above:g} and at most {self.most:g}")
        return float(given)

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the value."""
        return {
            "type": "number",
            "exclusiveMinimum": self.above,
            "maximum": self.most,
            "default": self.default,
            "description": self.purpose,
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    name: str
    default: str
    purpose: str
    options: tuple[str, ...]

    def check(self, given: object) -> str:
        """Return `given`; raise `ValueError` with what is allowed."""
        if not isinstance(given, str) or given not in self.options:
            raise ValueError(f"must be one of {', '.join(self.options)}")
        return given

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the value."""
        return {"type": "string", "enum": list(self.options), "default": self.default, "description": self.purpose}


def complete(parameters: Sequence[Number | Choice], given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters with the given values, or their defaults; raise `InputError` for an unknown or illegal one."""
    known = {parameter.name: parameter for parameter in parameters}
    if unknown := sorted(set(given) - set(known)):
        names = ", ".join(sorted(known)) or "none"
        raise InputError(
            Code.UNKNOWN_PARAMETER,
            f"This detector's parameters are: {names}.",
            flaws=[Flaw(("parameters", name[:64]), "is not a parameter of this detector") for name in unknown[:20]],
        )
    values: dict[str, Any] = {}
    flaws = []
    for name, parameter in known.items():
        try:
            values[name] = parameter.check(given[name]) if name in given else parameter.default
        except ValueError as error:
            flaws.append(Flaw(("parameters", name), str(error)))
    if flaws:
        sentence = "; ".join(f"{flaw.loc[-1]} {flaw.msg}" for flaw in flaws)
        raise InputError(Code.INVALID_PARAMETER, f"A parameter is out of range: {sentence}.", flaws=flaws)
    return values


def schema(parameters: Sequence[Number | Choice]) -> dict[str, Any]:
    """JSON schema of an object of these parameters."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {parameter.name: parameter.schema for parameter in parameters},
    }
