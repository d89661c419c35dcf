// The third view: two drawings, and whether they are the same digit.

import * as api from "./api.js";
import { byId, make, say } from "./dom.js";
import { Pad } from "./pad.js";

const pads = [];
const ask = api.latest(judge);

// Start the view.
export function startCompare(info) {
  byId("gauge-label").textContent = `same up to ${info.pair_threshold.toFixed(2)}`;
  for (const name of ["a", "b"]) {
    const canvas = make("canvas", { class: "pad", tabindex: 0, role: "application" });
    const hint = make("p", { class: "hint" }, name === "a" ? "Draw a digit" : "and another");
    const clear = make("button", { type: "button", "aria-label": `Clear the ${name === "a" ? "first" : "second"} pad` }, "Clear");
    const pad = new Pad(canvas, `${name === "a" ? "First" : "Second"} pad to draw on`, () => {
      hint.hidden = !pad.isEmpty;
      ask();
    });
    clear.addEventListener("click", () => pad.clear());
    byId(`side-${name}`).append(make("div", { class: "frame" }, canvas, hint), make("div", { class: "tools" }, clear));
    pads.push(pad);
  }
  show("–", "Draw a digit on each pad.", null);
}

async function judge() {
  if (pads.some((pad) => pad.isEmpty)) {
    show("–", "Draw a digit on each pad.", null);
    return;
  }
  try {
    const answer = await api.compare(...await Promise.all(pads.map((pad) => pad.picture())));
    const { distance, threshold, verdict } = answer;
    const text = `Their distance is ${distance.toFixed(2)}; up to ${threshold.toFixed(2)} they are the same.`;
    show(verdict === "same" ? "Same" : "Different", text, distance / threshold);
  } catch (error) {
    show("No answer", error.message, null);
  }
}

// The threshold is in the middle of the gauge.
function show(headline, detail, ratio) {
  byId("same").textContent = headline;
  byId("same-detail").textContent = detail;
  const mark = byId("gauge-distance");
  mark.hidden = ratio === null;
  if (ratio !== null) mark.style.left = `${Math.min(100, 50 * ratio)}%`;
  if (ratio !== null) say(`${headline}. ${detail}`);
}
