"""The README's tour with a generated client: `python tour.py ADDRESS`, next to the package `tsad_generated`."""

import json
import sys
from io import BytesIO

from tsad_generated import AuthenticatedClient, models
from tsad_generated.api.fits import fit, fit_many
from tsad_generated.api.health import healthcheck, readyz
from tsad_generated.api.jobs import get_job, list_jobs, stream_job
from tsad_generated.api.plots import plot_svg
from tsad_generated.api.predictions import predict, predict_batch, predict_many
from tsad_generated.api.series import delete_series, get_series, list_detectors
from tsad_generated.api.versions import get_training_data, get_version
from tsad_generated.types import File

SERIES, HOURS = "boiler", range(96)
client = AuthenticatedClient(sys.argv[1], token="none exists")
times, values = [1767225600 + 3600 * hour for hour in HOURS], [18.0 if hour % 2 else 22.0 for hour in HOURS]
delete_series.sync(SERIES, client=client)

accepted = fit.sync(SERIES, client=client, body=models.FitBody(timestamps=times, values=values))
assert isinstance(accepted, models.AcceptedJob), accepted
job = get_job.sync(accepted.job_id, client=client, wait=30)
assert isinstance(job, models.JobAnswer), job
assert job.status is models.Status.SUCCEEDED
assert job.finished_at > job.created_at
first = job.version
assert str(job.job_id) in stream_job.sync(accepted.job_id, client=client)
assert job.job_id in [listed.job_id for listed in list_jobs.sync(client=client, status=models.Status.SUCCEEDED).jobs]

normal = predict.sync(SERIES, client=client, body=models.PredictBody(timestamp=1767571200, value=23.0))
assert (normal.anomaly, normal.score, normal.lower, normal.upper) == (False, 0.5, 14, 26)
body = models.PredictBody(timestamp=1767574800, value=35.0)
explained = predict.sync(SERIES, client=client, body=body, explain=True)
assert (explained.anomaly, explained.why.component) == (True, "the distance from the mean")
columns = models.PointsBody(timestamps=[1767571200, 1767574800, 1767578400], values=[23.0, 35.0, None])
assert predict_batch.sync(SERIES, client=client, body=columns).anomaly == [False, True, None]
points = [models.SeriesPoint(series_id=name, timestamp=1767571200, value=23.0) for name in (SERIES, "chimney")]
scored, missing = predict_many.sync(client=client, body=models.ManyPointsBody(points=points)).results
assert (scored.verdict.score, missing.problem.code) == (0.5, "series_not_found")

parameters = models.FitBodyParameters.from_dict({"threshold": 2, "direction": "above"})
body = models.FitBody(timestamps=times, values=values, detector=models.Detector.BASELINE, parameters=parameters)
again = fit.sync(SERIES, client=client, body=body, prefer="wait=30")
assert isinstance(again, models.JobAnswer), again
newer = models.PredictBody(timestamp=1767571200, value=25.0)
assert (one_sided := predict.sync(SERIES, client=client, body=newer)).anomaly
assert one_sided.lower is None
assert not predict.sync(SERIES, client=client, body=newer, version=first).anomaly
version = get_version.sync(SERIES, again.version, client=client)
assert (version.learnt["mean"], version.threshold, version.points) == (20, 2, 96)
assert get_training_data.sync(SERIES, "latest", client=client).values == values
assert get_series.sync(SERIES, client=client).last_job.job_id == again.job_id
assert plot_svg.sync(client=client, series_id=SERIES).startswith("<svg")

flawed = models.FitBody(timestamps=[1767225600, 1767229200, 1767229200], values=[18.0, 22.0, 18.0])
problem = fit.sync(SERIES, client=client, body=flawed)
assert isinstance(problem, models.Problem), problem
assert (problem.code, problem.errors[0].loc) == ("timestamps_not_increasing", ["timestamps", 2])
line = json.dumps({"series_id": SERIES, "timestamps": times, "values": values})
results = fit_many.sync(client=client, body=File(BytesIO(f"{line}\n".encode())))
assert json.loads(results.payload.read())["line"] == 1
assert healthcheck.sync(client=client).series_trained == 1
assert readyz.sync(client=client).status == "ready"
assert models.Detector.BASELINE in [detector.name for detector in list_detectors.sync(client=client).detectors]
sys.stdout.write("done\n")
