// Sets up the parts of the plot page that need a server: finer points on zoom, other thresholds, points to try.
import { watchZoom } from "./closer.js";
import { offerThreshold } from "./threshold.js";
import { offerTryout } from "./tryout.js";

const plot = JSON.parse(document.getElementById("about").textContent);

watchZoom(plot, offerThreshold(plot));
offerTryout(plot);
document.querySelector(".columns").inert = false;
