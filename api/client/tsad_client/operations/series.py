"""Series, their versions, and detectors."""

from tsad_client.answers import DeletedSeries, Detector, DetectorList, Series, SeriesPage, Version, VersionPage
from tsad_client.operations.bodies import body_of
from tsad_client.running import operation
from tsad_client.sending import Call, Patience, Steps, ask, ask_pages, fetch


class SeriesOperations:
    """Operations on series and versions."""

    patience: Patience

    @operation
    def series(self, series_id: str) -> Steps[Series]:
        """Return a series, its stream if points were pushed, and its last job."""
        return (yield from ask(Call("GET", "/series/{series_id}", {"series_id": series_id}), Series, self.patience))

    @operation
    def list_series(self, prefix: str = "", *, limit: int = 10_000) -> Steps[list[Series]]:
        """Return the series whose ids begin with the prefix, ordered by id."""
        call = Call("GET", "/series", query={"prefix": prefix or None})
        return (yield from ask_pages(call, SeriesPage, lambda page: page.series, self.patience, limit))

    @operation
    def versions(self, series_id: str, *, limit: int = 1_000) -> Steps[list[Version]]:
        """Return the versions of a series, newest first."""
        call = Call("GET", "/series/{series_id}/versions", {"series_id": series_id})
        return (yield from ask_pages(call, VersionPage, lambda page: page.versions, self.patience, limit))

    @operation
    def version(self, series_id: str, version: int | str) -> Steps[Version]:
        """Return a version: what it was fitted on, and what it learned."""
        names = {"series_id": series_id, "version": str(version)}
        return (yield from ask(Call("GET", "/series/{series_id}/versions/{version}", names), Version, self.patience))

    @operation
    def pin(self, series_id: str, version: int) -> Steps[Series]:
        """Serve this version as latest until the pin is removed."""
        content = body_of(version=version)
        call = Call("PUT", "/series/{series_id}/pin", {"series_id": series_id}, content=content)
        return (yield from ask(call, Series, self.patience))

    @operation
    def unpin(self, series_id: str) -> Steps[Series]:
        """Remove the pin: the newest version is the latest again."""
        call = Call("DELETE", "/series/{series_id}/pin", {"series_id": series_id})
        return (yield from ask(call, Series, self.patience))

    @operation
    def delete_series(self, series_id: str) -> Steps[DeletedSeries]:
        """Delete a series with its versions, stored points and open jobs, and close its alerts."""
        call = Call("DELETE", "/series/{series_id}", {"series_id": series_id}, repeatable=False)
        return (yield from ask(call, DeletedSeries, self.patience))

    @operation
    def delete_version(self, series_id: str, version: int | str) -> Steps[None]:
        """Delete a version. Its number is never reused."""
        names = {"series_id": series_id, "version": str(version)}
        call = Call("DELETE", "/series/{series_id}/versions/{version}", names, repeatable=False)
        yield from fetch(call, self.patience)

    @operation
    def detectors(self) -> Steps[list[Detector]]:
        """Return the detectors and their parameters."""
        answer = yield from ask(Call("GET", "/detectors"), DetectorList, self.patience)
        return answer.detectors
