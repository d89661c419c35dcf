// The third view: two drawings, and whether they are the same digit.

import * as api from "./api.js";
import { byId, drawPixels, make, say } from "./dom.js";
import { Pad } from "./pad.js";

const IDLE = "Draw a digit on each pad.";
const sides = []; // {pad, seen, text, answer}
const ask = api.latest(judge, byId("judged"));

// Start the view.
export function startCompare(info) {
  byId("gauge-label").textContent = `same up to ${info.pair_threshold.toFixed(2)}`;
  sides.push(makeSide("a", "First", "Draw a digit"), makeSide("b", "Second", "and another"));
  show("–", IDLE, null);
}

function makeSide(name, called, prompt) {
  const canvas = make("canvas", { class: "pad", tabindex: 0, role: "application" });
  const hint = make("p", { class: "hint" }, prompt);
  const seen = make("canvas", { width: 28, height: 28, role: "img", "aria-label": `${called} digit as the model sees it` });
  const text = make("p");
  const clear = make("button", { type: "button", "aria-label": `Clear the ${called.toLowerCase()} pad` }, "Clear");
  const side = { seen, text, answer: null, isNew: false };
  side.pad = new Pad(canvas, `${called} pad to draw on`, () => {
    hint.hidden = !side.pad.isEmpty;
    side.isNew = true;
    ask();
  });
  clear.addEventListener("click", () => side.pad.clear());
  byId(`side-${name}`).append(make("div", { class: "frame" }, canvas, hint), make("div", { class: "seen" }, seen, text, clear));
  return side;
}

async function judge() {
  try {
    for (const side of sides.filter((one) => one.isNew)) await look(side);
    if (sides.every((side) => side.answer?.input)) {
      const { distance, threshold, verdict } = await api.compare(sides.map((side) => side.answer.input));
      const text = `Their distance is ${distance.toFixed(2)}; up to ${threshold.toFixed(2)} they are the same.`;
      show(verdict === "same" ? "Same" : "Different", text, distance / threshold);
    } else {
      show("–", IDLE, null);
    }
  } catch (error) {
    show("No answer", error.message, null);
    say(`No answer. ${error.message}`);
    return error.passes;
  }
}

// Ask what is on one pad; if that fails, it is as new as before.
async function look(side) {
  side.isNew = false;
  side.answer = null;
  try {
    [side.answer] = await api.classify(await side.pad.picture(), { single: true });
  } catch (error) {
    side.isNew = true;
    throw error;
  } finally {
    showSide(side);
  }
}

function showSide({ seen, text, answer }) {
  drawPixels(seen, answer?.input);
  if (answer?.input) text.textContent = `${answer.label}${answer.verdict === "match" ? "" : "?"}`;
  else text.textContent = answer ? "No digit" : "";
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
