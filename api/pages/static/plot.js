// Sets up the parts of the plot page that need a server: finer points on zoom, other thresholds, points to try.
import { followRange } from "./address.js";
import { offerAnomalies } from "./anomalies.js";
import * as chart from "./chart.js";
import { watchZoom } from "./closer.js";
import { offerSimulation } from "./simulating.js";
import { offerSpans } from "./spans.js";
import { offerThreshold } from "./threshold.js";
import { offerTryout } from "./tryout.js";

const plot = JSON.parse(document.getElementById("about").textContent);

watchZoom(plot, offerThreshold(plot));
followRange(plot, chart);
offerAnomalies(plot, chart);
offerSpans(plot, chart);
offerTryout(plot);
offerSimulation(plot, chart);
document.querySelector(".columns").inert = false;
