// Draws the peaks of the anomalies on the scale of the threshold, so that a look says what another threshold leaves.
const SVG = "http://www.w3.org/2000/svg";
const DIAMOND = "m0-4.5 4.5 4.5L0 4.5-4.5 0z";
const TICKS = [0.25, 0.5, 1, 2, 4];
const ROWS = 3;
const WIDTH = 5; // of a diamond, in percent of the scale: closer ones are drawn above each other

// Draws the peaks and the ticks; returns a function that shows which peaks a threshold flags.
export function offerPeaks(scales) {
  const [least, most] = [scales[0], scales.at(-1)];
  const percent = (scale) => (100 * Math.log(scale / least)) / Math.log(most / least);
  const scores = [...document.querySelectorAll("#anomalies [data-score]")].map(({ dataset }) => Number(dataset.score));
  const lastIn = Array(ROWS).fill(-Infinity); // position of the last peak in each row
  const peaks = [...scores]
    .sort((one, other) => one - other)
    .map((score) => {
      const x = percent(Math.min(score, most));
      const free = lastIn.findIndex((last) => x - last >= WIDTH);
      const row = free < 0 ? lastIn.indexOf(Math.min(...lastIn)) : free;
      lastIn[row] = x;
      return { score, path: place("peaks", x, 34 - 11 * row, "path", { d: DIAMOND }) };
    });
  for (const tick of TICKS) {
    place("scale-ticks", percent(tick), 12, "text", { "text-anchor": "middle" }).textContent = `${tick} ×`;
  }
  return (scale) => {
    for (const { score, path } of peaks) path.setAttribute("class", score > scale ? "flagged" : "");
  };
}

function place(id, x, y, name, attributes) {
  const position = document.createElementNS(SVG, "svg");
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries({ x: `${x}%`, y, overflow: "visible" })) position.setAttribute(key, value);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  position.append(element);
  document.getElementById(id).append(position);
  return element;
}
