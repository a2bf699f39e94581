// The plot page with a server behind it: a closer look, another threshold, points to try.
import { watchZoom } from "./closer.js";
import { offerThreshold } from "./threshold.js";
import { offerTryout } from "./tryout.js";

const about = JSON.parse(document.getElementById("about").textContent);

watchZoom(about, offerThreshold(about));
offerTryout(about);
document.querySelector(".columns").inert = false;
