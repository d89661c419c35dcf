// The first view: a drawing, a picture or a stored digit is the question; its answer is beside it.

import * as api from "./api.js";
import { layOut, named, showAnswer, showError } from "./answer.js";
import { byId, drawPixels, make, percent, say, tell } from "./dom.js";
import { Pad, SENT } from "./pad.js";
import { watchPictures } from "./pictures.js";

const NAMED = 0.1; // of the height of the picture, which a name above a box takes
const HOW = "With mouse, finger, pen or keyboard. Or drop or paste a picture.";

// What is asked about: {kind: "drawing"}, {kind: "picture", blob} or {kind: "stored", id}.
let asked = { kind: "drawing" };
let own = asked; // the last that was no stored digit
let isLabelled = false; // whether a person has said what it is
let answers = [];
let isHalf = false; // whether they are of a stroke that went on
let chosen = 0;
let pad;
let moved = () => {};
let added = null; // what a person can take back, as `tell` takes it
const ask = api.latest(answer, byId("answer"));

// Start the view; `onAnswer` is called with every answer that is shown, and with null where there is
// none.
export function startDraw(info, onAnswer) {
  moved = onAnswer;
  layOut(info.names, info.k[info.server.weights]);
  pad = new Pad(byId("pad"), "Pad to draw a digit on", () => {
    byId("pad-hint").hidden = !pad.isEmpty;
    askOwn({ kind: "drawing" });
  });
  byId("clear").addEventListener("click", () => pad.clear());
  byId("undo-stroke").addEventListener("click", () => pad.undo());
  byId("back").addEventListener("click", () => {
    askOwn({ kind: "drawing" });
    pad.canvas.focus();
  });
  watchPictures(() => !byId("draw").hidden, (blob, name) => askOwn({ kind: "picture", blob, name }));
  offerCorrection(info);
  question(asked);
}

// Ask about the stored digit called `id`, or, without one, about what was drawn or chosen before.
export function askStored(id) {
  if (id) question({ kind: "stored", id });
  else if (asked.kind === "stored") question(own);
}

// Ask about what a person drew or chose; the address names a stored digit no longer.
function askOwn(next) {
  own = next;
  if (location.hash.startsWith("#draw/")) location.hash = "#draw";
  question(next);
}

function question(next) {
  if (next.kind !== "drawing" || asked.kind !== "drawing") showQuestion(next);
  asked = next;
  isLabelled = false;
  byId("correct").querySelector("button").disabled = true; // until what is asked now has its answer
  ask();
}

async function answer() {
  const now = asked;
  const wasPressed = pad.isPressed;
  try {
    const given = now.kind === "stored"
      ? await api.classify(null, { id: now.id })
      : await api.classify(now.blob ?? await pad.picture());
    if (!isAsked(now)) return;
    answers = given;
    isHalf = wasPressed;
    chosen = Math.min(chosen, answers.length - 1);
    if (now.kind !== "picture" && answers.length === 1) chosen = 0;
    show();
    if (answers.length > 1 && !isUnsettled()) say(byId("reading").textContent);
  } catch (error) {
    if (!isAsked(now)) return;
    answers = [];
    isHalf = wasPressed;
    showRows();
    showError(error);
    moved(null);
    return error.passes;
  }
}

function isAsked({ kind, id, blob }) {
  return kind === asked.kind && id === asked.id && blob === asked.blob;
}

function show() {
  const isEmpty = asked.kind === "drawing" && pad.isEmpty;
  const answer = isEmpty ? { ...answers[chosen], detail: "the pad is empty" } : answers[chosen];
  showRows();
  showAnswer(answer, (id) => { location.hash = `#draw/${id}`; });
  byId("correct").querySelector("button").disabled = !answer.input;
  if (answer.label !== null && !isLabelled) byId("label").value = String(answer.label);
  moved(answer);
}

// The question in place of the pad, or the pad again.
function showQuestion({ kind, id, blob, name }) {
  const place = byId("picture");
  for (const image of place.querySelectorAll("img")) URL.revokeObjectURL(image.src);
  place.hidden = kind === "drawing";
  place.classList.toggle("stored", kind === "stored");
  chosen = 0;
  byId("asked").textContent = { drawing: HOW, stored: id, picture: name || "A picture" }[kind];
  byId("back").hidden = kind === "drawing";
  // What lies beneath is not to be changed unseen.
  pad.canvas.inert = byId("clear").disabled = byId("undo-stroke").disabled = kind !== "drawing";
  byId("pad-hint").hidden = kind !== "drawing" || !pad.isEmpty;
  if (kind === "drawing") { place.replaceChildren(); return; }
  const image = make("img", { alt: kind === "stored" ? `The stored digit ${id}` : "The picture asked about" });
  const layer = make("div", { class: "layer" }, image, make("div", { class: "boxes", "aria-hidden": "true" }));
  image.addEventListener("load", () => {
    layer.style.aspectRatio = `${image.naturalWidth} / ${image.naturalHeight}`;
    layer.classList.toggle("tall", image.naturalHeight > image.naturalWidth);
    showRows();
  });
  image.addEventListener("error", () => place.replaceChildren(make("p", { class: "hint" }, "Your browser cannot show this picture.")));
  image.src = kind === "stored" ? api.thumbnail(id) : URL.createObjectURL(blob);
  place.replaceChildren(layer);
}

// A row for each digit, where there are several, and a box around each on the picture. Rows move what
// lies below them, and half a digit may look like two: they wait until the pen is lifted.
function showRows() {
  const rows = byId("rows");
  rows.inert = isUnsettled(); // until then they tell of what was
  if (rows.inert) return;
  rows.hidden = answers.length < 2;
  rows.replaceChildren(...(answers.length < 2 ? [] : answers.map(makeRow)));
  byId("reading").hidden = rows.hidden;
  byId("reading").textContent = `Reads ${answers.map((one) => (one.reason ? "?" : one.label)).join("")}`;
  const layer = byId("picture").querySelector(".boxes");
  const image = byId("picture").querySelector("img");
  const boxes = (width, height) => answers.flatMap((one, place) => (one.box ? [makeBox(one, place, width, height)] : []));
  const isOnPad = asked.kind === "drawing" && answers.length > 1;
  byId("pad-boxes").replaceChildren(...(isOnPad ? boxes(SENT, SENT) : []));
  if (layer && asked.kind === "picture" && image?.naturalWidth) layer.replaceChildren(...boxes(image.naturalWidth, image.naturalHeight));
}

// Whether a stroke is being drawn, or was when the answers were asked for; those of the whole drawing
// are under way then.
function isUnsettled() {
  return pad.isPressed || isHalf;
}

function makeRow(one, place) {
  const saw = make("canvas", { width: 28, height: 28, "aria-hidden": "true" });
  drawPixels(saw, one.input);
  const isSure = one.verdict === "match";
  const near = one.neighbours.slice(0, 5).map((neighbour) => make("img", { src: api.thumbnail(neighbour.id), alt: "", width: 28, height: 28 }));
  const button = make(
    "button",
    { type: "button", "aria-pressed": String(place === chosen) },
    saw,
    make("span", { class: isSure ? "name" : "name guess" }, named(one)),
    make("span", { class: "share" }, isSure ? percent(one.confidence, 1) : one.reason),
    make("span", { class: "near", "aria-hidden": "true" }, ...near),
  );
  button.addEventListener("click", () => choose(place));
  return make("li", {}, button);
}

function makeBox(one, place, width, height) {
  const box = make("div", { class: place === chosen ? "box chosen" : "box" });
  box.classList.toggle("high", one.box[1] < height * NAMED);
  const sides = one.box.map((side, which) => `${(100 * side) / (which % 2 ? height : width)}%`);
  [box.style.left, box.style.top, box.style.width, box.style.height] = sides;
  box.append(make("span", {}, String(one.label ?? "–")));
  box.addEventListener("click", () => choose(place));
  return box;
}

function choose(place) {
  chosen = place;
  isLabelled = false;
  show();
  byId("rows").children[place]?.firstChild.focus();
}

function offerCorrection({ names, server: { writable } }) {
  const form = byId("correct");
  form.hidden = !writable;
  byId("label").replaceChildren(...names.map((name) => make("option", { value: name }, String(name))));
  byId("label").addEventListener("change", () => { isLabelled = true; });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const rows = answers[chosen]?.input;
    if (!rows) return;
    try {
      const stored = await api.add(rows, byId("label").value);
      const text = stored.new ? `Stored as ${stored.id}, named ${stored.label}.` : `Stored before, as ${stored.id}.`;
      if (stored.new) added = { label: "Undo", run: () => takeBack(stored.generation) };
      tell(text, added);
      ask();
    } catch (error) {
      tell(error.message, added);
    }
  });
}

async function takeBack(generation) {
  try {
    const { count } = await api.undo(generation);
    added = null;
    tell(`Taken back: ${count.toLocaleString("en")} digits.`);
    ask();
  } catch (error) {
    if (error.isPast) added = null;
    tell(error.message, added);
  }
}
