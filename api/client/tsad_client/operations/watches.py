"""Watches, marked spans of time, and simulations."""

from collections.abc import Mapping
from typing import Any

from tsad_client.columns import Data, points_of
from tsad_client.operations.bodies import Moment, body_of, moment_of
from tsad_client.running import operation
from tsad_client.sending import Call, Patience, Steps, ask, fetch
from tsad_client.watching import Applied, Simulation, Watch, WatchList


class Watches:
    """Operations on watches."""

    patience: Patience

    @operation
    def put_watch(self, /, name: str, prefix: str, **fields: Any) -> Steps[Watch]:
        """Create or change a watch of all series whose ids begin with the prefix.

        fields: those of the service, such as `window="7d"`; one that is left out gets its default.
        """
        call = Call("PUT", "/watches/{name}", {"name": name}, content=body_of(prefix=prefix, **fields))
        return (yield from ask(call, Watch, self.patience))

    @operation
    def watch(self, name: str) -> Steps[Watch]:
        """Return a watch with all its fields."""
        return (yield from ask(Call("GET", "/watches/{name}", {"name": name}), Watch, self.patience))

    @operation
    def watches(self) -> Steps[list[Watch]]:
        """Return all watches that the key sees, ordered by name."""
        answer = yield from ask(Call("GET", "/watches"), WatchList, self.patience)
        return answer.watches

    @operation
    def delete_watch(self, name: str) -> Steps[None]:
        """Delete a watch and close its alerts. Its points are still stored and judged."""
        yield from fetch(Call("DELETE", "/watches/{name}", {"name": name}, repeatable=False), self.patience)

    @operation
    def pause_watch(self, name: str) -> Steps[Watch]:
        """Pause a watch: points are stored and judged, but no alert opens."""
        return (yield from ask(Call("POST", "/watches/{name}/pause", {"name": name}), Watch, self.patience))

    @operation
    def resume_watch(self, name: str) -> Steps[Watch]:
        """Resume a paused watch."""
        return (yield from ask(Call("POST", "/watches/{name}/resume", {"name": name}), Watch, self.patience))

    @operation
    def apply(
        self, configuration: Mapping[str, Mapping[str, Any]], *, dry_run: bool = False, prune: bool = False
    ) -> Steps[Applied]:
        """Make watches, receivers and sources what their documents say, all or nothing, and return what changed.

        configuration: documents by section and name, as in `{"watches": {"plant7": {"prefix": "plant7."}}}`. prune:
        delete what it does not name, in the sections that it has. dry_run: only return what would change.
        """
        query = {"dry_run": dry_run or None, "prune": prune or None}
        call = Call("POST", "/apply", query=query, content=body_of(**configuration))
        return (yield from ask(call, Applied, self.patience))

    @operation
    def simulate(
        self,
        data: Data | None = None,
        *,
        time: str | None = None,
        value: str | None = None,
        series_id: str | None = None,
        from_: Moment | None = None,
        to: Moment | None = None,
        watch: Mapping[str, Any] | None = None,
    ) -> Steps[Simulation]:
        """Return what a watch would have done with points of a frame, or with the stored points of a series.

        watch: its fields; one that is left out gets its default. Nothing is stored.
        """
        fields: dict[str, Any] = {"series_id": series_id, "from": moment_of(from_), "to": moment_of(to), "watch": watch}
        if data is not None:
            points = points_of(data, time, value)
            fields |= {"timestamps": points.timestamps, "values": points.values}
        return (yield from ask(Call("POST", "/simulate", content=body_of(**fields)), Simulation, self.patience))
